"""A clock behind the record, a record ahead of the clock, and the way out of the second."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from signer.bootstrap import utc_now
from signer.cli.main import run
from signer.doctor import Severity
from signer.doctor.clock import follows_a_time_server
from signer.domain.events import Event, EventType
from signer.domain.keys import UNBOUNDED
from signer.storage.database import Database
from signer.storage.key_store import SqlKeyStore
from tests.signer.doctor.patient import ADMIN, KEY, SIGNING_REQUEST, Patient, findings
from tests.support.records import event

FAILED, OK = Severity.FAILED, Severity.OK
YEAR = timedelta(days=365)


def ahead(patient: Patient) -> None:
    """A signature was made while the clock was a year ahead."""
    moment = (utc_now() + YEAR).replace(tzinfo=None).isoformat(" ")
    patient.sql("UPDATE key_versions SET last_signed_at = ?", moment)


def step_ahead(patient: Patient) -> None:
    """So was a step in the life of a key."""
    with closing(Database(patient.settings.database)) as database:
        SqlKeyStore(database=database, clock=lambda: utc_now() + YEAR).record(event())


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What stands on record and who vouches for the clock; what doctor says then."""

    breaks: Callable[[Patient], None] = ahead
    vouched: bool = False
    repair: bool = False
    reason: str | None = None
    severity: Severity = FAILED
    says: str
    hint: str = ""


ROWS = {
    "nobody vouches for the clock": Row(says="nobody vouches for the clock", hint="set the clock right"),
    "a time server does": Row(vouched=True, says="so the record is ahead", hint="--clock-is-right"),
    "a step is ahead": Row(breaks=step_ahead, vouched=True, says="so the record is ahead", hint="--clock-is-right"),
    "a repair without a word about the clock": Row(vouched=True, repair=True, says="so the record is ahead"),
    "a word about the clock without a repair": Row(reason="I looked", says="nobody vouches for the clock"),
    "a repair and a person who vouches": Row(
        repair=True, reason="I looked", severity=OK, says="the record was ahead until"
    ),
}


@pytest.mark.parametrize("sentence", ROWS)
def test_doctor_tells_the_two_apart(sentence: str, patient: Patient) -> None:
    row = ROWS[sentence]
    row.breaks(patient)
    report = patient.examine(repair=row.repair, clock_is_right=row.reason, follows_a_time_server=lambda: row.vouched)
    (finding,) = findings(report, "clock")
    assert (finding.severity, finding.repaired) == (row.severity, row.severity is OK)
    assert row.says in finding.sentence
    assert row.hint in (finding.hint or "")


def test_a_clock_before_the_certificate_is_wrong_whoever_says_otherwise(patient: Patient) -> None:
    ahead(patient)
    events = patient_events(patient)
    early = datetime(2020, 1, 1, tzinfo=UTC)
    report = patient.examine(
        repair=True, clock_is_right="I looked", clock=lambda: early, follows_a_time_server=lambda: True
    )
    (finding,) = findings(report, "clock")
    assert "before the TLS certificate begins to be valid" in finding.sentence
    assert patient_events(patient) == events


def test_a_corrected_record_says_so_and_the_service_signs_again(patient: Patient) -> None:
    ahead(patient)
    step_ahead(patient)
    with patient.service() as service, pytest.raises(Exception, match="clock-moved-back"):
        service.lifecycle.prepare(ADMIN, KEY, validity=UNBOUNDED)
    assert run(["doctor", "--config", str(patient.config), "--repair", "--clock-is-right", "the radio says so"]) == 0
    with patient.service() as service:
        service.sign(ADMIN, KEY, SIGNING_REQUEST)
        service.lifecycle.prepare(ADMIN, KEY, validity=UNBOUNDED)
    corrected = next(each for each in patient_events(patient) if each.type is EventType.CLOCK_CORRECTED)
    assert "the radio says so" in str(corrected.after)
    assert f"{KEY}/1" in str(corrected.before)
    (finding,) = findings(patient.examine(), "clock")
    assert finding.severity is OK


@pytest.mark.parametrize("arguments", [["--clock-is-right", "so"], ["--repair", "--clock-is-right", " "]])
def test_a_word_about_the_clock_needs_a_repair_and_a_reason(patient: Patient, arguments: list[str]) -> None:
    assert run(["doctor", "--config", str(patient.config), *arguments]) == 2


def test_the_kernel_can_be_asked() -> None:
    assert follows_a_time_server() in (True, False)


def patient_events(patient: Patient) -> list[Event]:
    """All events, as they are on record."""
    with closing(Database(patient.settings.database)) as database:
        recorded = SqlKeyStore(database=database, clock=utc_now).events(after=0, limit=1000, key=None)
    return [each.event for each in recorded]
