"""Keys that will soon sign no more, and certificates of keys that end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from signer.doctor.examination import Examination
from signer.doctor.moments import moment
from signer.doctor.report import Finding, failed, or_ok, warning
from signer.domain.keys import Key, KeyVersion, VersionState
from signer.errors import CertificateNotFound

NOTICE = timedelta(days=30)
# From this part of its limit on, a version should have a successor.
LIMIT_NOTICE = 0.9


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
            f"key {key.name} version {version.number} signs no more: its not-after was {moment(end)}", _rotate(key)
        )
    elif end - now < NOTICE:
        yield warning(f"key {key.name} version {version.number} signs until {moment(end)}", _rotate(key))


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
