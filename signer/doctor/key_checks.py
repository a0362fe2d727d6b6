"""Keys against the tokens that hold them."""

from __future__ import annotations

from collections.abc import Iterator

from hsm import TokenKey
from hsm.errors import KeyMismatch, SignatureMismatch, TokenError
from signer.doctor.examination import Examination
from signer.doctor.report import Finding, failed, ok, or_ok, warning
from signer.domain.keys import Key, KeyVersion, Origin, VersionState
from signer.domain.remains import UNMADE_OR_GONE, Kind, Remain
from signer.services.mending import Ending, Survey
from signer.services.signing import pinned

DOCTOR_CHECK = b"artifact-signer: doctor looks at an active key\n"
# A version that neither signs nor is about to may be missed for a while.
NEEDED = frozenset({VersionState.ACTIVE, VersionState.NEXT})
RESTORE = "restore the pair from the backup of the token, or rotate to another version"
QUARANTINE = "artifact-signer doctor --mend quarantines it; find out who changed the token"


def keys(examination: Examination) -> Iterator[Finding]:
    """Each key version is, in each token that is recorded for it, the pair that was pinned; active ones sign."""
    survey = examination.survey()
    if not survey.keys:
        yield ok("there are no keys yet")
    wrong = {(remain.key, remain.version, remain.token): remain for remain in survey.remains if remain.version}
    for key in survey.keys:
        for version in key.versions:
            if version.state not in UNMADE_OR_GONE:
                for token in version.tokens:
                    remain = wrong.get((key.name, version.number, token))
                    yield _version(examination, survey, key, version, token, remain)


def extractable(examination: Examination) -> Iterator[Finding]:
    """No private key can be taken out of its token by whoever knows the PIN."""
    found = [*unread(examination), *_takeable(examination.survey())]
    yield from or_ok(found, "no private key of this service can be taken out of its token")


def unread(examination: Examination) -> Iterator[Finding]:
    """A line for each token of which nothing can be said."""
    survey = examination.survey()
    for token in examination.tokens:
        name = token.settings.name
        if name not in survey.pairs:
            yield warning(f"token {name} was not looked into: {_silence(survey, name)}", "mend the token first")


def _version(
    examination: Examination, survey: Survey, key: Key, version: KeyVersion, token: str, remain: Remain | None
) -> Finding:
    name = f"key {key.name} version {version.number} ({version.state})"
    if token not in survey.pairs:
        return warning(f"{name} was not checked in token {token}: {_silence(survey, token)}", "mend the token first")
    if remain is not None and remain.kind is Kind.MISSING:
        tell = failed if version.state in NEEDED else warning
        return tell(f"{name} is not in token {token}, which is recorded to hold it", RESTORE)
    if remain is not None and remain.kind is Kind.DIFFERENT:
        return _different(examination, name, token, remain)
    if version.state is VersionState.QUARANTINED:
        return warning(
            f"{name} does not sign, its pair in token {token} is the right one again",
            f"artifact-signer keys enable {key.name} --version {version.number}",
        )
    if version.state is not VersionState.ACTIVE:
        return ok(f"{name} is in token {token} as recorded")
    return _signature(examination, key, version, token, name)


def _different(examination: Examination, name: str, token: str, remain: Remain) -> Finding:
    told = f"{name} is not the recorded pair in token {token}: another one is there"
    if examination.request.mend:
        mended = examination.mending.mend(remain, patience=examination.request.patience)
        if mended.ending is Ending.QUARANTINED:
            return failed(
                f"{told}; it is quarantined now and signs no more",
                "find out who changed the token; restore the pair and enable the version, or rotate",
            )
    return failed(told, RESTORE if remain.state is VersionState.QUARANTINED else QUARANTINE)


def _signature(examination: Examination, key: Key, version: KeyVersion, token: str, name: str) -> Finding:
    """Only a signature proves that the private half is there and belongs to the public one."""
    try:
        examination.pool.sign(
            pinned(key, version), DOCTOR_CHECK, tokens=(token,), timeout=examination.settings.signing.timeout
        )
    except (KeyMismatch, SignatureMismatch):
        return failed(f"{name} makes signatures in token {token} that its public key does not verify", RESTORE)
    except TokenError as error:
        return failed(f"{name} makes no signature in token {token}: {error.code}", RESTORE)
    return ok(f"{name} is in token {token} as recorded and signs")


def _silence(survey: Survey, token: str) -> str:
    error = survey.silent.get(token)
    return error.code if error else "it was not logged in to"


def _takeable(survey: Survey) -> Iterator[Finding]:
    for key in survey.keys:
        for version in key.versions:
            if version.state in UNMADE_OR_GONE:
                continue
            for token in version.tokens:
                if any(_loose(version, pair) for pair in survey.pairs.get(token, ())):
                    how = "adopted" if version.origin is Origin.ADOPTED else "generated"
                    yield warning(
                        f"key {key.name} version {version.number} ({how}) can be taken out of token {token} "
                        "by whoever has the PIN",
                        f"artifact-signer keys prepare {key.name} makes a version that cannot; then rotate to it",
                    )


def _loose(version: KeyVersion, pair: TokenKey) -> bool:
    return pair.key_id == version.cka_id and pair.has_private and (pair.extractable or not pair.sensitive)
