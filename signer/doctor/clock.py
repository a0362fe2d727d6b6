"""The clock behind the record, or the record ahead of the clock: which of the two, whoever vouches for it tells.

1. A clock before the day on which the certificate was made is wrong, whoever says otherwise.
2. A time server that the kernel follows, or the clock of the database's server, vouches for the clock: then the record
   is ahead, put there while a clock was wrong, and every key waits until that time has come.
3. Nothing is corrected unless a person says that the clock is right, and why they know.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from datetime import datetime, timedelta

from signer.doctor.examination import Examination
from signer.doctor.report import Finding, Unchecked, failed, ok, or_ok, timestamp, warning
from signer.doctor.service import served_certificate
from signer.storage.inspection import server_time

SET_THE_CLOCK = "set the clock right, and let it follow a time server (timedatectl set-ntp true)"
CORRECT = "artifact-signer doctor --repair --clock-is-right 'HOW YOU KNOW' lets the record go on from now"
ACTOR = "artifact-signer doctor"
# adjtimex(2): what it returns where the clock follows no time server, and more room than struct timex needs.
TIME_ERROR, FAILED = 5, -1
TIMEX_BYTES = 512


def clock(examination: Examination) -> Iterator[Finding]:
    """The clock against the newest record, the day on which the certificate was made, and the database's server."""
    now = examination.surroundings.clock()
    yield from or_ok(_wrong(examination, now), f"the clock says {timestamp(now)}, after everything on record")


def follows_a_time_server() -> bool:
    """Whether the kernel says so of this machine's clock."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(TIMEX_BYTES))
    except (OSError, AttributeError):
        return False
    return state not in (TIME_ERROR, FAILED)


def _wrong(examination: Examination, now: datetime) -> Iterator[Finding]:
    certificate = served_certificate(examination)
    begin = certificate.not_valid_before_utc if certificate is not None else None
    if begin is not None and now < begin:
        yield failed(
            f"the clock says {timestamp(now)}, before the TLS certificate begins to be valid ({timestamp(begin)})",
            SET_THE_CLOCK,
        )
        return
    try:
        newest, server = examination.store.newest_timestamp(), server_time(examination.usable_database())
    except Unchecked as unchecked:
        yield warning(f"the clock cannot be compared with the records: {unchecked.reason}", "repair the database first")
        return
    tolerance = timedelta(seconds=examination.settings.signing.clock_tolerance)
    # The database's server has just been asked: the clock went on meanwhile, and a test's stands still.
    apart = abs(server - now) if server is not None else None
    if apart is not None and apart > tolerance:
        yield failed(
            f"the clock says {timestamp(now)}, {apart.total_seconds():.0f} seconds apart from the database's server",
            SET_THE_CLOCK,
        )
    if newest is not None and now < newest - tolerance:
        vouched = examination.surroundings.follows_a_time_server() or (apart is not None and apart <= tolerance)
        yield _behind(examination, now, newest, vouched=vouched)
    elif newest is not None and now < newest:
        yield ok(f"the clock is behind the newest record ({timestamp(newest)}) by less than signing.clock_tolerance")


def _behind(examination: Examination, now: datetime, newest: datetime, *, vouched: bool) -> Finding:
    told = f"the clock says {timestamp(now)}, but {timestamp(newest)} is on record already: nothing is signed"
    reason = examination.request.clock_is_right
    if reason is not None and examination.request.repair:
        actor = f"{ACTOR} (user {examination.surroundings.user_id})"
        if examination.store.correct_clock(actor=actor, reason=reason) is not None:
            return ok(f"the record was ahead until {timestamp(newest)}, it goes on from now", repaired=True)
    if vouched:
        return failed(f"{told}; a time server or the database vouches for the clock, so the record is ahead", CORRECT)
    return failed(f"{told}; nobody vouches for the clock", f"{SET_THE_CLOCK}; if it is right, {CORRECT}")
