"""Whether the clock can be right: it never runs behind what is on record."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from signer.doctor.examination import Examination
from signer.doctor.report import Finding, Unchecked, failed, ok, or_ok, warning
from signer.doctor.tls import served_certificate

HINT = "set the clock right, and let it follow a time server (timedatectl set-ntp true)"


def clock(examination: Examination) -> Iterator[Finding]:
    """The clock against the newest record, and against the day on which the TLS certificate was made."""
    now = examination.surroundings.clock()
    yield from or_ok(_behind(examination, now), f"the clock says {moment(now)}, after everything on record")


def _behind(examination: Examination, now: datetime) -> Iterator[Finding]:
    certificate = served_certificate(examination)
    if certificate is not None and now < certificate.not_valid_before_utc:
        yield failed(
            f"the clock says {moment(now)}, before the TLS certificate begins to be valid "
            f"({moment(certificate.not_valid_before_utc)})",
            HINT,
        )
    try:
        newest = examination.store.newest_moment()
    except Unchecked as unchecked:
        yield warning(f"the clock cannot be compared with the records: {unchecked.reason}", "mend the database first")
        return
    tolerance = timedelta(seconds=examination.settings.signing.clock_tolerance)
    if newest is not None and now < newest - tolerance:
        yield failed(
            f"the clock says {moment(now)}, but {moment(newest)} is on record already: nothing is signed", HINT
        )
    elif newest is not None and now < newest:
        yield ok(f"the clock is behind the newest record ({moment(newest)}) by less than signing.clock_tolerance")


def moment(value: datetime) -> str:
    """A moment to the second, in UTC."""
    return value.strftime("%Y-%m-%d %H:%M:%S UTC")
