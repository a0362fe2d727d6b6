"""Keys against the tokens that hold them, and how long they will sign."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from hsm import TokenKey
from hsm.errors import KeyMismatch, SignatureMismatch, TokenError
from signer.doctor.examination import Examination
from signer.doctor.report import Finding, failed, ok, or_ok, timestamp, warning
from signer.domain.consistency import UNMADE_OR_GONE, Discrepancy, DiscrepancyKind, tokens_of
from signer.domain.keys import Key, KeyVersion, VersionState
from signer.errors import CertificateNotFound
from signer.services.reconciliation import Ending, Survey
from signer.services.signing import pinned

DOCTOR_CHECK = b"artifact-signer: doctor looks at an active key\n"
NOTICE = timedelta(days=30)
# From this part of its limit on, a version should have a successor.
LIMIT_NOTICE = 0.9
# A version that neither signs nor is about to may be missed for a while.
NEEDED = frozenset({VersionState.ACTIVE, VersionState.NEXT})
RESTORE = "restore the pair from the backup of the token, or rotate to another version"
QUARANTINE = "artifact-signer doctor --repair quarantines it; find out who changed the token"


def keys(examination: Examination) -> Iterator[Finding]:
    """Each key version is, in each token that is recorded for it, the pair that was pinned; active ones sign."""
    survey = examination.survey()
    if not survey.keys:
        yield ok("there are no keys yet")
    wrong = {
        (discrepancy.key, discrepancy.version, discrepancy.token): discrepancy
        for discrepancy in survey.discrepancies
        if discrepancy.version
    }
    configured = frozenset(token.name for token in examination.settings.tokens)
    for key in survey.keys:
        for version in key.versions:
            if version.state in UNMADE_OR_GONE:
                continue
            if not configured.intersection(tokens_of(version)):
                yield _left_behind(key, version)
                continue
            for token in version.tokens:
                if token in configured:
                    discrepancy = wrong.get((key.name, version.number, token))
                    yield _version(examination, survey, key, version, token, discrepancy)


def extractable(examination: Examination) -> Iterator[Finding]:
    """No private key can be taken out of its token by whoever knows the PIN."""
    found = [*unread(examination), *_takeable(examination.survey())]
    yield from or_ok(found, "no private key of this service can be taken out of its token")


def unread(examination: Examination) -> Iterator[Finding]:
    """A line for each token of which nothing can be said."""
    survey = examination.survey()
    for token in examination.tokens:
        name = token.settings.name
        if name not in survey.key_pairs:
            yield warning(f"token {name} was not looked into: {_silence(survey, name)}", "repair the token first")


def _left_behind(key: Key, version: KeyVersion) -> Finding:
    """Of a token that has left the configuration: what is verified only needs none."""
    name = f"key {key.name} version {version.number} ({version.state})"
    tokens = ", ".join(version.tokens)
    if version.state in NEEDED:
        return failed(
            f"{name} is in no configured token: it was in {tokens}",
            f"put the token back into the configuration; artifact-signer doctor --moving {tokens} TOKEN "
            "says when it can leave",
        )
    return ok(f"{name} does not sign, and was left in {tokens}, which is not configured any more")


def _version(
    examination: Examination, survey: Survey, key: Key, version: KeyVersion, token: str, discrepancy: Discrepancy | None
) -> Finding:
    name = f"key {key.name} version {version.number} ({version.state})"
    if token not in survey.key_pairs:
        return warning(f"{name} was not checked in token {token}: {_silence(survey, token)}", "repair the token first")
    if discrepancy is not None and discrepancy.kind is DiscrepancyKind.MISSING:
        tell = failed if version.state in NEEDED else warning
        return tell(f"{name} is not in token {token}, which is recorded to hold it", RESTORE)
    if discrepancy is not None and discrepancy.kind is DiscrepancyKind.DIFFERENT:
        return _different(examination, name, token, discrepancy)
    if version.state is VersionState.QUARANTINED:
        return warning(
            f"{name} does not sign, its pair in token {token} is the right one again",
            f"artifact-signer keys enable {key.name} --version {version.number}",
        )
    if version.state is not VersionState.ACTIVE:
        return ok(f"{name} is in token {token} as recorded")
    return _signature(examination, key, version, token, name)


def _different(examination: Examination, name: str, token: str, discrepancy: Discrepancy) -> Finding:
    told = f"{name} is not the recorded pair in token {token}: another one is there"
    if examination.request.repair:
        repaired = examination.reconciliation.repair(discrepancy, pending_age=examination.request.pending_age)
        if repaired.ending is Ending.QUARANTINED:
            return failed(
                f"{told}; it is quarantined now and signs no more",
                "find out who changed the token; restore the pair and enable the version, or rotate",
            )
    return failed(told, RESTORE if discrepancy.state is VersionState.QUARANTINED else QUARANTINE)


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
    error = survey.unreachable.get(token)
    return error.code if error else "it was not logged in to"


def _takeable(survey: Survey) -> Iterator[Finding]:
    for key in survey.keys:
        for version in key.versions:
            if version.state in UNMADE_OR_GONE:
                continue
            for token in version.tokens:
                if any(_loose(version, pair) for pair in survey.key_pairs.get(token, ())):
                    how = version.origin.value
                    yield warning(
                        f"key {key.name} version {version.number} ({how}) can be taken out of token {token} "
                        "by whoever has the PIN",
                        f"artifact-signer keys prepare {key.name} makes a version that cannot; then rotate to it",
                    )


def _loose(version: KeyVersion, pair: TokenKey) -> bool:
    return pair.key_id == version.cka_id and pair.has_private and (pair.extractable or not pair.sensitive)


def validity(examination: Examination) -> Iterator[Finding]:
    """No active version is at, or close to, its not-after or the limit of its signatures."""
    now = examination.surroundings.clock()
    found = [
        finding
        for key in examination.store.all_keys()
        if key.active is not None
        for finding in (*_not_after(key, key.active, now), *_limit(key, key.active))
    ]
    yield from or_ok(found, "no active key is close to the end of its validity or to its signature limit")


def key_certificates(examination: Examination) -> Iterator[Finding]:
    """The certificates of the versions that devices trust are in date."""
    yield from or_ok(_certificates(examination), f"no certificate of a key expires within {NOTICE.days} days")


def _not_after(key: Key, version: KeyVersion, now: datetime) -> Iterator[Finding]:
    end = version.validity.not_after
    if end is None:
        return
    if end < now:
        yield failed(
            f"key {key.name} version {version.number} signs no more: its not-after was {timestamp(end)}", _rotate(key)
        )
    elif end - now < NOTICE:
        yield warning(f"key {key.name} version {version.number} signs until {timestamp(end)}", _rotate(key))


def _limit(key: Key, version: KeyVersion) -> Iterator[Finding]:
    limit, count = version.validity.signature_limit, version.signature_count
    if limit is None:
        return
    if count >= limit:
        yield failed(
            f"key {key.name} version {version.number} signs no more: it has made all its {limit} signatures",
            _rotate(key),
        )
    elif count >= LIMIT_NOTICE * limit:
        yield warning(
            f"key {key.name} version {version.number} has made {count} of its {limit} signatures", _rotate(key)
        )


def _certificates(examination: Examination) -> Iterator[Finding]:
    now = examination.surroundings.clock()
    for key in examination.store.all_keys():
        for version in key.trusted:
            yield from _certificate(examination, key, version, now)


def _certificate(examination: Examination, key: Key, version: KeyVersion, now: datetime) -> Iterator[Finding]:
    name = f"key {key.name} version {version.number}"
    hint = (
        f"artifact-signer keys certificate {key.name} --version {version.number} --new makes one, "
        "keys import-certificate takes one from a CA"
    )
    try:
        end = examination.store.certificate(key, version.number).not_after
    except CertificateNotFound:
        yield warning(f"{name} has no certificate", hint)
        return
    if end < now:
        tell = failed if version.state is VersionState.ACTIVE else warning
        yield tell(f"the certificate of {name} expired on {end.date()}", hint)
    elif end - now < NOTICE:
        yield warning(f"the certificate of {name} expires on {end.date()}", hint)


def _rotate(key: Key) -> str:
    if key.in_state(VersionState.NEXT) is not None:
        return f"the next version is there: artifact-signer keys rotate {key.name}, once devices trust it"
    return f"artifact-signer keys prepare {key.name}, let devices learn it, then rotate"
