"""What a request for signatures says beside its body: whether its caller may ask, and how it shall be signed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from signer.application import Application
from signer.domain.identity import Identity
from signer.domain.reasons import MAX_REASON, checked_reason
from signer.domain.requests import SigningRequest
from signer.errors import CredentialsMissing, ReasonInvalid
from signer.services.signing_calls import SigningCall
from signer.web.documents import SignQuery
from signer.web.front.messages import Request
from signer.web.parsing import parsed_query

EMERGENCY_HEADER = b"x-signing-emergency-reason"


async def authorised(application: Application, request: Request, key: str) -> Callable[[SigningRequest], SigningCall]:
    """What becomes a call as soon as it is known what was seen. Raises as ``ArtifactSigning.authorise`` does."""
    identity = request.identity
    if identity is None:
        raise CredentialsMissing
    emergency = _emergency(request)
    revision = await application.artifact_signing.authorise(identity, key, emergency=emergency is not None)
    return partial(_call, identity, key, revision, request.request_id, emergency)


def replaces(request: Request) -> bool:
    """Whether signatures that the artifacts carry are dropped. Raises ``InvalidRequest``."""
    query = request.query
    return bool(query) and parsed_query(SignQuery, query).replace == "true"


def _call(
    identity: Identity, key: str, revision: int, request_id: str, emergency: str | None, seen: SigningRequest
) -> SigningCall:
    return SigningCall(
        identity=identity,
        key=key,
        request=seen,
        access_revision=revision,
        request_id=request_id,
        emergency=emergency,
    )


def _emergency(request: Request) -> str | None:
    """The reason why approvals shall be passed; None where they shall not. Raises ``ReasonInvalid``."""
    given = request.header(EMERGENCY_HEADER)
    if given is None:
        return None
    try:
        # Servers hand header fields on byte by byte; what clients write there is UTF-8.
        return checked_reason(given.encode("latin-1").decode("utf-8"))
    except UnicodeDecodeError:
        raise ReasonInvalid(limit=MAX_REASON) from None
