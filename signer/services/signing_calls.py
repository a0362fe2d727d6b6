"""Signatures on their way: what is asked for, what has become of it, and what is told to the recorder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from signer.domain.access.emergencies import Emergency
from signer.domain.access.limits import LimitDemand
from signer.domain.floors import VersionClaim
from signer.domain.identity import Identity
from signer.domain.keys import Key, KeyVersion
from signer.domain.leaves import new_leaf_id
from signer.domain.messages import ArtifactManifest, BlindDigest
from signer.domain.records import Approved, SignatureEntry, seen_of
from signer.domain.requests import AnyRequest, DigestSeen, Signature

Result = Signature | Exception
# Of the one signature that there is: its version's id, and the manifest's digest.
Place = tuple[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningCall:
    """One signature that is asked for.

    Attributes:
        key: the key's name.
        access_revision: the one under which the identity was proved, as ``authorise`` gave it; None: the present one.
        request_id: as the log line of the request has it.
        emergency: the reason why it shall be signed past its approvals, a line; None where it shall not.
        dialect: the words in which a digest is asked to be signed; None for what is shown itself.
        version: the one that has to sign; None: whichever does.
    """

    identity: Identity
    key: str
    request: AnyRequest
    access_revision: int | None = None
    request_id: str = ""
    emergency: str | None = None
    dialect: str | None = None
    version: int | None = None


@dataclass(slots=True, eq=False)
class Job:
    """A call on its way. What ``decided`` set holds for one round; ``result`` ends it.

    ``denied``: what the record is told of a refusal by the rules, which is not always what the caller is.
    """

    call: SigningCall
    digest: str
    key: Key = field(init=False)
    version: KeyVersion = field(init=False)
    place: Place = field(init=False)
    rule: str = field(init=False)
    claim: VersionClaim | None = field(init=False)
    limits: tuple[LimitDemand, ...] = field(init=False)
    approval: Approved | None = field(init=False)
    emergency: Emergency | None = field(init=False)
    revision: int = field(init=False)
    denied: str | None = None
    result: Result | None = None


def emergency_of(call: SigningCall) -> Emergency:
    """Who passes the approvals, and why."""
    return Emergency(person=call.identity.person or "", reason=call.emergency or "")


def entry_of(job: Job, signature: bytes) -> SignatureEntry:
    """What is to be recorded."""
    call = job.call
    return SignatureEntry(
        record_id=new_leaf_id(),
        request_id=call.request_id,
        key=job.key.name,
        version_id=job.version.id,
        version=job.version.number,
        algorithm=job.key.algorithm.value,
        fingerprint=job.version.fingerprint or "",
        access_revision=job.revision,
        rule=job.rule,
        manifest_sha256=job.digest,
        checked=call.request.checked,
        seen=seen_of(call.request) | ({} if call.dialect is None else {"dialect": call.dialect}),
        identity=call.identity.name,
        signature=signature,
        claim=job.claim,
        limits=job.limits,
        approval=job.approval,
        emergency=job.emergency,
    )


def end(jobs: Iterable[Job], error: Exception) -> None:
    """The end of those that have no result yet."""
    for job in jobs:
        if job.result is None:
            job.result = error


def message_of(request: AnyRequest) -> ArtifactManifest | BlindDigest:
    """What the key signs."""
    return BlindDigest(request.digest) if isinstance(request, DigestSeen) else ArtifactManifest(request.manifest)
