"""What a crash leaves between token and database is named, ended on request, and never signs meanwhile.

The crashes are real: a process of its own takes the step and is killed before or after the token's part of it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from signer.doctor import Severity
from signer.domain.events import Event, EventType
from signer.domain.identity import Identity, Role
from signer.domain.keys import UNBOUNDED, Key, VersionState
from signer.errors import NoActiveVersion
from signer.services.lifecycle import NewKeyRequest
from signer.services.reconciliation import ACTOR, DEFAULT_PENDING_AGE
from tests.signer.doctor.crashes import CRASH_SECONDS, CRASHES, interrupt
from tests.signer.doctor.interrupting import NEW_KEY
from tests.signer.doctor.patient import ADMIN, KEY, ROOT, SIGNING_REQUEST, TOKEN, Patient, copied, findings
from tests.support.house import House
from tests.support.rows import slow_but

PIPELINE = Identity(name="api-token:pipeline", role=Role.SIGNER)
AGREED = "records and tokens agree, nothing was left half done"
Interrupted = Callable[[str], Patient]


@pytest.fixture(scope="session")
def crashes(original: Patient, tmp_path_factory: pytest.TempPathFactory) -> Interrupted:
    """Where a crash has happened, by its sentence: each made once, and not to be changed."""

    @cache
    def crashed(sentence: str) -> Patient:
        patient = copied(original, tmp_path_factory.mktemp("crashed") / "installation")
        interrupt(patient, CRASHES[sentence])
        return patient

    return crashed


@pytest.fixture
def interrupted(crashes: Interrupted, tmp_path: Path) -> Interrupted:
    """A copy of where a crash has happened, as it was left: what is on disk is all that there is."""
    return lambda sentence: copied(crashes(sentence), tmp_path / "installation")


AT_FIRST = {
    "a created pair is completed and signs",
    "a creation that never reached the token is closed",
    "a destruction that the token did by half is finished",
}
# What begins with the same crash runs in the same process, where that is made once.
BY_CRASH = [
    pytest.param(
        sentence,
        marks=[
            pytest.mark.xdist_group(f"crash: {sentence}"),
            *([] if sentence in AT_FIRST else [pytest.mark.slow]),
        ],
    )
    for sentence in CRASHES
]


def record(service: House, name: str) -> Key:
    """The key as it is on record."""
    return service.store.key(name)


def events(service: House, name: str) -> list[Event]:
    """What happened to a key, oldest first."""
    return [item.event for item in service.store.events(after=0, limit=1000, key=name)]


@pytest.mark.parametrize("sentence", BY_CRASH)
def test_a_crash_is_named_and_mended(sentence: str, interrupted: Interrupted) -> None:
    crash, patient = CRASHES[sentence], interrupted(sentence)
    subject = f"version {crash.version} of key {crash.key}"
    (named,) = findings(patient.examine(), "consistency")
    assert named.severity is Severity.FAILED
    assert named.sentence == f"{subject} {crash.says}"
    assert "--repair" in (named.hint or "")
    (repaired, *_) = findings(patient.examine(repair=True), "consistency")
    assert repaired.repaired
    assert repaired.sentence == f"{subject} {crash.says}; {crash.ends}"
    with patient.service() as service:
        version = record(service, crash.key).version(crash.version)
        assert version.state is crash.state
        (repair,) = [
            event for event in events(service, crash.key) if event.type is crash.event and event.actor == ACTOR
        ]
        assert repair.version == crash.version
        held = service.parts.tokens.find_keys(TOKEN)
        assert any(pair.key_id == version.cka_id for pair in held) is crash.in_token


@pytest.mark.parametrize("sentence", BY_CRASH)
def test_nothing_signs_or_is_published_between_crash_and_mending(sentence: str, interrupted: Interrupted) -> None:
    crash, patient = CRASHES[sentence], interrupted(sentence)
    with patient.service() as service:
        key = record(service, crash.key)
        version = key.version(crash.version)
        assert version.state in (VersionState.PENDING, VersionState.DESTROYING)
        assert version not in key.trusted
        if crash.step == "prepare":
            assert service.sign(PIPELINE, crash.key, SIGNING_REQUEST).version == 1
        else:
            with pytest.raises(NoActiveVersion):
                service.sign(PIPELINE, crash.key, SIGNING_REQUEST)


def test_what_was_mended_is_in_order_afterwards(interrupted: Interrupted) -> None:
    patient = interrupted("a created pair is completed and signs")
    patient.examine(repair=True)
    report = patient.examine(repair=True)
    assert [item.sentence for item in findings(report, "consistency")] == [AGREED]
    assert report.exit_status == 0
    with patient.service() as service:
        assert service.sign(PIPELINE, NEW_KEY, SIGNING_REQUEST).version == 1
        assert service.application.certificates.current(NEW_KEY, 1).self_signed


def test_a_completed_key_is_checked_in_the_same_examination(interrupted: Interrupted) -> None:
    patient = interrupted("a created pair is completed and signs")
    sentences = [item.sentence for item in findings(patient.examine(repair=True), "keys")]
    assert f"key {NEW_KEY} version 1 (active) is in token {TOKEN} as recorded and signs" in sentences


@pytest.mark.slow
def test_the_name_of_a_key_that_was_never_made_is_free_again(interrupted: Interrupted) -> None:
    patient = interrupted("a creation that never reached the token is closed")
    patient.examine(repair=True)
    patient.create(NEW_KEY)
    assert patient.version(key=NEW_KEY).state is VersionState.ACTIVE


@pytest.mark.slow
def test_another_version_can_be_prepared_after_one_that_was_never_made(interrupted: Interrupted) -> None:
    patient = interrupted("a preparation that never reached the token is closed")
    patient.examine(repair=True)
    with patient.service() as service:
        key = service.lifecycle.prepare(ADMIN, KEY, validity=UNBOUNDED).key
    assert [version.state for version in key.versions] == [
        VersionState.ACTIVE,
        VersionState.DESTROYED,
        VersionState.NEXT,
    ]


@pytest.mark.slow
def test_half_a_pair_that_was_given_up_is_told_and_left_in_the_token(interrupted: Interrupted) -> None:
    patient = interrupted("a created pair without its private half is given up")
    patient.examine(repair=True)
    for _ in range(2):
        (finding,) = findings(patient.examine(repair=True), "consistency")
        assert finding.severity is Severity.WARNING
        assert "holds a pair that no record names" in finding.sentence


@pytest.mark.parametrize("repair", slow_but({True}, [False, True]))
def test_a_pair_that_may_be_under_way_is_named_and_left_alone(interrupted: Interrupted, repair: bool) -> None:
    patient = interrupted("a created pair is completed and signs")
    patient.sql("UPDATE key_versions SET created_at = datetime('now') WHERE state = 'pending'")
    report = patient.examine(repair=repair, pending_age=DEFAULT_PENDING_AGE)
    (finding,) = findings(report, "consistency")
    assert finding.severity is Severity.WARNING
    assert finding.sentence.startswith(f"version 1 of key {NEW_KEY} is being made, or was interrupted ")
    assert "--pending-age" in (finding.hint or "")
    assert patient.version(key=NEW_KEY).state is VersionState.PENDING


def test_a_pending_version_from_the_future_is_left_alone(interrupted: Interrupted) -> None:
    patient = interrupted("a creation that never reached the token is closed")
    patient.sql("UPDATE key_versions SET created_at = '2999-01-01 00:00:00' WHERE state = 'pending'")
    patient.examine(repair=True)
    assert patient.version(key=NEW_KEY).state is VersionState.PENDING


def test_a_destruction_is_not_finished_while_the_token_cannot_be_asked(interrupted: Interrupted) -> None:
    patient = interrupted("a destruction that never reached the token is finished")
    patient.tamper("mistype")
    (finding,) = findings(patient.examine(repair=True), "consistency")
    assert finding.sentence == "not checked: no token can be logged in to"
    assert patient.version().state is VersionState.DESTROYING


@pytest.mark.slow
def test_another_pair_in_place_of_one_to_be_destroyed_is_left_in_the_token(interrupted: Interrupted) -> None:
    patient = interrupted("a destruction that never reached the token is finished")
    cka_id = patient.version().cka_id
    patient.tamper("replace", cka_id.hex(), "other")
    patient.examine(repair=True)
    assert patient.version().state is VersionState.DESTROYED
    with patient.service() as service:
        others = {service.store.key(name).versions[0].cka_id for name in ("log", "user-token", "device-token")}
        assert {pair.key_id for pair in service.parts.tokens.find_keys(TOKEN)} == {cka_id, *others}


def test_two_that_mend_at_once_make_one_key(interrupted: Interrupted) -> None:
    patient = interrupted("a created pair is completed and signs")
    command = [sys.executable, "-m", "signer", "doctor", "--config", patient.config, "--repair", "--pending-age", "0"]
    doctors = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    for doctor in doctors:
        _, errors = doctor.communicate(timeout=CRASH_SECONDS)
        assert errors == b""
    with patient.service() as service:
        assert [event.type for event in events(service, NEW_KEY)] == [
            EventType.CREATION_STARTED,
            EventType.KEY_CREATED,
            EventType.CERTIFICATE_ISSUED,
        ]
        assert record(service, NEW_KEY).active is not None


def test_a_version_that_a_worker_makes_meanwhile_is_not_touched(patient: Patient) -> None:
    """The worker is between generation and pinning when doctor looks; it finishes afterwards."""
    reports = []

    class Looking:
        def __init__(self, pool: object) -> None:
            self._pool = pool

        def __getattr__(self, name: str) -> object:
            if name == "has_key":
                reports.append(patient.examine(repair=True, pending_age=DEFAULT_PENDING_AGE))
            return getattr(self._pool, name)

    with patient.service(wrap=Looking) as service:  # type: ignore[arg-type]
        request = NewKeyRequest(unverified_name=NEW_KEY, unverified_algorithm="ecdsa-p256")
        made = service.lifecycle.create(ADMIN, request).key
    assert made.active is not None
    (finding,) = findings(reports[0], "consistency")
    assert f"version 1 of key {NEW_KEY} is being made" in finding.sentence
