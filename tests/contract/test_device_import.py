"""Devices of another server on every database: taken as they are there, once, and nothing here is changed by it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from signer.device_lists import DeviceListFile
from signer.domain.device_lists import ListProblem, Outcome
from signer.errors import DeviceLimitReached
from signer.errors.imports import ListChanged, ListNotTaken, ListUnreadable
from signer.services.device_import import DeviceImport
from signer.storage.database import Database
from tests.support.clock import ManualClock
from tests.support.databases import Opener
from tests.support.device_office import Office, told
from tests.support.device_side import id_data, known_key, pem_of
from tests.support.foreign_lists import device_of, foreign_id, imported, importing_into, listed, listed_set, written

SERIAL = "SN-0042"
PEM, OTHER_PEM = pem_of(known_key("p-256")), pem_of(known_key("ed25519"))


@pytest.fixture
def database(open_database: Opener) -> Database:
    return open_database()


@pytest.fixture
def office(database: Database, clock: ManualClock) -> Office:
    return Office(database=database, clock=clock)


@pytest.fixture
def importing(office: Office) -> DeviceImport:
    return importing_into(office)


STATES = {
    "an accepted device gets a token": ("accepted", "token"),
    "a preauthorised one is accepted by asking": ("preauthorized", "token"),
    "a rejected one stays rejected": ("rejected", "rejected"),
    "one that nobody decided about asks again": ("pending", "pending"),
}


@pytest.mark.parametrize("sentence", STATES)
def test_what_was_decided_there_holds_here(
    sentence: str, office: Office, importing: DeviceImport, tmp_path: Path
) -> None:
    status, outcome = STATES[sentence]
    imported(importing, written(tmp_path / "l", [listed(status=status)]))
    assert office.outcome(device_of()) == outcome
    assert office.outcome(device_of(key="ed25519")) != "token"


def test_a_device_keeps_its_ids_and_each_key_is_a_leaf(office: Office, importing: DeviceImport, tmp_path: Path) -> None:
    sets = [listed_set(SERIAL, PEM), listed_set(SERIAL, OTHER_PEM, "rejected", name="2")]
    counts, _ = imported(importing, written(tmp_path / "l", [listed(auth_sets=sets)]))
    assert office.known(device_of()).id == foreign_id(SERIAL)
    assert sorted(office.statuses(device_of())) == ["accepted", "rejected"]
    assert told(office) == ["device-imported"] * 2
    facts = [event.after for event in office.events()]
    assert {(each["auth_set"], each["status"]) for each in facts} == {
        (foreign_id(f"{SERIAL}/key"), "accepted"),
        (foreign_id(f"{SERIAL}/2"), "rejected"),
    }
    assert {each["list_sha256"] for each in facts} == {counts.list_sha256}
    assert office.events()[0].actor == "tests"


def test_a_list_that_is_taken_twice_changes_nothing(office: Office, importing: DeviceImport, tmp_path: Path) -> None:
    path = written(tmp_path / "l", [listed(str(n)) for n in range(5)])
    assert imported(importing, path)[0].by_reason == {Outcome.IMPORTED: 5}
    before = told(office)
    office.decide(device_of("1"), "rejected")
    assert imported(importing, path)[0].by_reason == {Outcome.KNOWN: 5}
    assert told(office) == [*before, "device-rejected"]
    assert office.outcome(device_of("1")) == "rejected"


def test_nothing_is_written_before_it_is_asked_for(office: Office, importing: DeviceImport, tmp_path: Path) -> None:
    with DeviceListFile(written(tmp_path / "l", [listed()])) as devices:
        counts = importing.review(devices, lambda _: None, skip_faulty=False)
    assert counts.by_reason == {Outcome.IMPORTED: 1}
    assert told(office) == []


def test_a_device_that_only_asked_before_gives_way(office: Office, importing: DeviceImport, tmp_path: Path) -> None:
    office.outcome(device_of(key="ed25519"))  # a stranger may say to be anybody
    assert imported(importing, written(tmp_path / "l", [listed()]))[0].by_reason == {Outcome.IMPORTED: 1}
    assert office.known(device_of()).id == foreign_id(SERIAL)
    assert office.outcome(device_of()) == "token"
    assert office.outcome(device_of(key="ed25519")) == "key-differs"


def _decided_here(office: Office) -> None:
    office.outcome(device_of())
    office.decide(device_of(), "rejected")


def _held_back_here(office: Office) -> None:
    office.outcome(device_of())
    office.decide(device_of(), "rejected")
    office.decide(device_of(), "pending")


def _decommissioned_here(office: Office) -> None:
    office.outcome(device_of())
    office.administration.decommission(office.known(device_of()).id, actor="tests")


ON_RECORD: Mapping[str, tuple[Callable[[Office], None], Outcome | ListProblem]] = {
    "decided about, under another id": (_decided_here, ListProblem.IDENTITY_TAKEN),
    "held back by a person": (_held_back_here, ListProblem.IDENTITY_TAKEN),
    "decommissioned": (_decommissioned_here, Outcome.TAKEN_AWAY),
}


@pytest.mark.parametrize("name", ON_RECORD)
def test_a_device_that_is_on_record_is_left_alone_when_it_was(
    name: str, office: Office, importing: DeviceImport, tmp_path: Path
) -> None:
    prepare, reason = ON_RECORD[name]
    prepare(office)
    before = told(office)
    path = written(tmp_path / "l", [listed()])
    if isinstance(reason, ListProblem):
        with pytest.raises(ListNotTaken):
            imported(importing, path)
    counts, remarks = imported(importing, path, skip_faulty=True)
    assert (counts.by_reason, remarks) == ({reason: 1}, [(1, reason)])
    assert told(office) == before
    assert office.outcome(device_of()) != "token"


def test_a_device_imported_before_and_decommissioned_here_does_not_come_back(
    office: Office, importing: DeviceImport, tmp_path: Path
) -> None:
    path = written(tmp_path / "l", [listed()])
    imported(importing, path)
    office.administration.decommission(foreign_id(SERIAL), actor="tests")
    assert imported(importing, path)[0].by_reason == {Outcome.TAKEN_AWAY: 1}
    assert office.outcome(device_of()) == "pending"
    assert imported(importing, path)[0].by_reason == {Outcome.TAKEN_AWAY: 1}


def test_a_key_that_came_since_is_told_and_not_taken(office: Office, importing: DeviceImport, tmp_path: Path) -> None:
    imported(importing, written(tmp_path / "l", [listed()]))
    sets = [listed_set(SERIAL, PEM, "rejected"), listed_set(SERIAL, OTHER_PEM, name="2")]
    counts, remarks = imported(importing, written(tmp_path / "l", [listed(auth_sets=sets)]))
    assert (counts.by_reason, remarks) == ({Outcome.DIFFERS: 1}, [(1, Outcome.DIFFERS)])
    assert office.statuses(device_of()) == ["accepted"]


ANOTHER_INSTALLATION = {
    "the id of another device": ([listed("2", id=foreign_id("1"))], ListProblem.ID_TAKEN),
    "the key's set of another device": (
        [listed("2", auth_sets=[listed_set("2", PEM, id=foreign_id("1/key"))])],
        ListProblem.ID_TAKEN,
    ),
    "the same device under another id": (
        [listed("1", id=foreign_id("2"), auth_sets=[listed_set("1", PEM, name="2")])],
        ListProblem.IDENTITY_TAKEN,
    ),
}


@pytest.mark.parametrize("name", ANOTHER_INSTALLATION)
def test_the_list_of_another_installation_is_refused(
    name: str, office: Office, importing: DeviceImport, tmp_path: Path
) -> None:
    imported(importing, written(tmp_path / "l", [listed("1")]))
    entries, problem = ANOTHER_INSTALLATION[name]
    path = written(tmp_path / "other", [listed("3"), *entries])
    with pytest.raises(ListNotTaken) as refused:
        imported(importing, path)
    assert (refused.value.entries, refused.value.refused, refused.value.first) == (2, 1, 2)
    assert told(office) == ["device-imported"]
    counts, remarks = imported(importing, path, skip_faulty=True)
    assert (counts.by_reason, remarks) == ({Outcome.IMPORTED: 1, problem: 1}, [(2, problem)])


TWICE = {
    "a device": [listed("1"), listed("2"), listed("1")],
    "an identity": [listed("1"), listed("2"), listed("1", id=foreign_id("3"), auth_sets=[])],
    "an id": [listed("1"), listed("2"), listed("3", id=foreign_id("1"))],
    "a key's set": [listed("1"), listed("2"), listed("3", auth_sets=[listed_set("3", PEM, id=foreign_id("1/key"))])],
}


@pytest.mark.parametrize("name", TWICE)
def test_what_stands_twice_in_a_list_is_refused(
    name: str, office: Office, importing: DeviceImport, tmp_path: Path
) -> None:
    entries = [{**each, "status": "noauth"} if each["auth_sets"] == [] else each for each in TWICE[name]]
    path = written(tmp_path / "l", entries)
    with pytest.raises(ListNotTaken):
        imported(importing, path)
    assert told(office) == []
    assert imported(importing, path, skip_faulty=True)[1] == [(3, ListProblem.TWICE)]


def test_a_list_that_is_cut_off_imports_nothing(office: Office, importing: DeviceImport, tmp_path: Path) -> None:
    path = written(tmp_path / "l", [listed(str(n)) for n in range(6)])
    path.write_text(path.read_text()[:-40])
    with pytest.raises(ListUnreadable):
        imported(importing, path, skip_faulty=True)
    assert told(office) == []


def test_no_more_devices_are_accepted_than_may_be(office: Office, tmp_path: Path) -> None:
    few = importing_into(office, limit=3)
    with pytest.raises(DeviceLimitReached):
        imported(few, written(tmp_path / "l", [listed(str(n)) for n in range(4)]))
    assert told(office) == []
    rejected = [listed(str(n), "rejected") for n in range(3, 6)]
    counts, _ = imported(few, written(tmp_path / "l", [*(listed(str(n)) for n in range(3)), *rejected]))
    assert counts.of(Outcome.IMPORTED) == 6


def test_devices_that_were_accepted_meanwhile_count(office: Office, tmp_path: Path) -> None:
    few = importing_into(office, limit=1)
    with DeviceListFile(written(tmp_path / "l", [listed()])) as devices:
        reviewed = few.review(devices, lambda _: None, skip_faulty=False)
        office.accepted("another")
        with pytest.raises(DeviceLimitReached):
            few.take(devices, reviewed, actor="tests")
    assert "device-imported" not in told(office)


def test_a_file_that_changes_while_it_is_read_is_told(office: Office, importing: DeviceImport, tmp_path: Path) -> None:
    path = written(tmp_path / "l", [listed("1")])
    with DeviceListFile(path) as devices:
        reviewed = importing.review(devices, lambda _: None, skip_faulty=False)
        written(path, [listed("2")])
        with pytest.raises(ListChanged):
            importing.take(devices, reviewed, actor="tests")


def test_rows_of_csv_without_ids_are_taken_once(office: Office, importing: DeviceImport, tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    rows = [f"{_quoted(id_data(str(n)))},{_quoted(PEM)},accepted" for n in range(3)]
    path.write_text("\n".join(["identity,public_key,status", *rows]))
    assert imported(importing, path)[0].by_reason == {Outcome.IMPORTED: 3}
    assert imported(importing, path)[0].by_reason == {Outcome.KNOWN: 3}
    assert office.outcome(device_of("2")) == "token"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def test_pages_one_after_another_are_one_list(office: Office, importing: DeviceImport, tmp_path: Path) -> None:
    path = tmp_path / "l"
    path.write_text("\n".join(json.dumps([listed(str(n))]) for n in range(3)))
    assert imported(importing, path)[0].of(Outcome.IMPORTED) == 3
