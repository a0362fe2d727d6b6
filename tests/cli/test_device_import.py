"""``artifact-signer devices import``: sessions on an installation, and imports that are cut off."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from signer.bootstrap import utc_now
from signer.cli.main import run
from signer.services.device_import import BATCH
from signer.storage.database import Database
from tests.cli.test_access_commands import CONFIG
from tests.support.cut_command import cut
from tests.support.databases import settings
from tests.support.device_office import Office
from tests.support.foreign_lists import device_of, foreign_id, listed, written
from tests.support.rows import slow_but

STORE = "signer.storage.device_import_store"


class Place:
    """An installation, and the import of lists there."""

    def __init__(self, directory: Path, url: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.directory = directory
        self.config = directory / "artifact-signer.toml"
        self.config.write_text(CONFIG.replace("sqlite:///signer.sqlite", url))
        self.database = Database(settings(url))
        self.office = Office(self.database, utc_now)
        self._capsys = capsys

    def arguments(self, path: Path, *more: str) -> list[str]:
        return ["devices", "import", str(path), *more, "--config", str(self.config)]

    def __call__(self, path: Path, *more: str) -> tuple[int, str, str]:
        code = run(self.arguments(path, *more))
        captured = self._capsys.readouterr()
        return code, captured.out, captured.err

    def outcomes(self, path: Path, *more: str) -> dict[str, int]:
        code, out, err = self(path, "--json", *more)
        assert code == 0, err
        document: dict[str, Any] = json.loads(out)
        assert document["entries"] == sum(document["outcomes"].values())
        return dict(document["outcomes"])


@pytest.fixture
def place(sqlite_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Place]:
    made = Place(tmp_path, sqlite_url, capsys)
    yield made
    made.database.close()


@pytest.fixture(params=slow_but({"sqlite"}, ("sqlite", "postgresql")))
def either_place(request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Place]:
    """The same on each kind of database."""
    url = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    made = Place(tmp_path, url, capsys)
    yield made
    made.database.close()


def test_a_session(place: Place) -> None:
    path = written(place.directory / "devices.json", [listed("1"), listed("2", "pending"), listed("3", "rejected")])
    seen = "artifact-signer: entry 2 (" + foreign_id("2") + "): undecided\n"
    counts = "artifact-signer: {} 3 entries: 2 {}, 1 undecided\n"
    assert place(path, "--dry-run") == (0, "", seen + counts.format("would take", "imported"))
    assert place.office.events() == []
    assert place(path) == (0, "", seen + counts.format("took", "imported"))
    assert place(path) == (0, "", seen + counts.format("took", "known"))
    assert place.office.outcome(device_of("1")) == "token"
    assert len(place.office.events()) == 2
    assert place.outcomes(path) == {"known": 2, "undecided": 1}


def test_what_is_not_understood_is_told_line_by_line_and_nothing_of_it_repeated(place: Place) -> None:
    path = written(
        place.directory / "devices.json",
        [listed("1"), listed("2", "trusted-by-me"), {"id": "secret", "identity_data": "secret"}],
    )
    report = place.directory / "report.jsonl"
    code, out, err = place(path, "--report", str(report))
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        "artifact-signer: 2 of 3 entries are not understood, or contradict what is on record; the first is 2",
        "hint: nothing was imported; --report FILE tells of each, --skip-faulty leaves them out",
    ]
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert lines == [
        {"entry": 2, "reason": "status-unknown", "id": foreign_id("2")},
        {"entry": 3, "reason": "id-invalid"},
    ]
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    assert place.office.events() == []
    assert place.outcomes(path, "--skip-faulty", "--report", str(report)) == {
        "imported": 1,
        "status-unknown": 1,
        "id-invalid": 1,
    }


def test_many_are_told_of_in_a_report_alone(place: Place) -> None:
    path = written(place.directory / "devices.json", [listed(str(n), "pending") for n in range(20)])
    told = place(path)[2].splitlines()
    assert len(told) == 12
    assert told[10] == "artifact-signer: and others; --report FILE tells of each"


BROKEN = {
    "half a list": ("[" + json.dumps(listed()), "it is not whole"),
    "half a line": (json.dumps(listed()) + "\n" + json.dumps(listed("2"))[:30], "it is not whole"),
    "no list": ('"devices"', "its first line does not name the columns"),
    "nothing": ("", "it is empty"),
    "an error page": ("<html>", "its first line does not name the columns"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_list_that_is_none_is_refused(name: str, place: Place) -> None:
    text, sentence = BROKEN[name]
    path = place.directory / "devices.json"
    path.write_text(text)
    code, out, err = place(path, "--skip-faulty")
    assert (code, out) == (1, "")
    assert sentence in err
    assert "nothing was imported" in err
    assert place.office.events() == []


# Where the process ends, and how many batches are whole then, before that in which it does.
CUTS = {
    "before a batch": (f"before {STORE}:SqlDeviceImport._take", 0),
    "with the rows of a batch, and without its leaves": (f"after {STORE}:_add", 0),
    "after a batch": (f"after {STORE}:SqlDeviceImport._take", 1),
}


@pytest.mark.parametrize("sentence", slow_but({"with the rows of a batch, and without its leaves"}, CUTS))
@pytest.mark.parametrize("call", slow_but({2}, [1, 2]))
def test_an_import_that_is_cut_off_goes_on_with_the_same_command(either_place: Place, sentence: str, call: int) -> None:
    place, (moment, whole) = either_place, CUTS[sentence]
    total = 2 * BATCH + 1
    path = written(place.directory / "devices.json", [listed(str(n)) for n in range(total)])
    cut(moment, *place.arguments(path), call=call)
    done = (call - 1 + whole) * BATCH
    assert (place.office.store.count(None), len(place.office.events())) == (done, done)
    expected = {"imported": total - done, "known": done}
    assert place.outcomes(path) == {name: number for name, number in expected.items() if number}
    assert place.outcomes(path) == {"known": total}
    assert place.office.store.count(None) == total
