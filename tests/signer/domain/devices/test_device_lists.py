"""Lists of devices: what of them is understood, and each thing that is not, by its name."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from signer.device_lists import MAX_ROW_BYTES, DeviceListFile
from signer.domain.device_lists import ListedDevice, ListProblem, Outcome
from signer.domain.devices import MAX_KEYS, AuthStatus
from signer.errors.imports import ListUnreadable
from tests.support.device_side import id_data, known_key, pem_of
from tests.support.foreign_lists import NOW, device_of, foreign_id, listed, listed_set, problems, written

PEM, OTHER_PEM = pem_of(known_key("p-256")), pem_of(known_key("ed25519"))
SERIAL = "SN-0042"


def _with_sets(*sets: object, status: str = "accepted", **more: Any) -> dict[str, Any]:
    return listed(status=status, **{"auth_sets": list(sets), **more})


def _weak_pem() -> str:
    return pem_of(rsa.generate_private_key(65537, 1024))


FAULTY: Mapping[str, tuple[Callable[[], object], ListProblem]] = {
    "members twice": (lambda: None, ListProblem.NOT_AN_OBJECT),
    "no id": (lambda: listed(id=None), ListProblem.ID),
    "an id that is no server's": (lambda: listed(id="../etc"), ListProblem.ID),
    "a number for an id": (lambda: listed(id=7), ListProblem.ID),
    "no identity": (lambda: listed(identity_data=None), ListProblem.IDENTITY),
    "an empty identity": (lambda: listed(identity_data={}), ListProblem.IDENTITY),
    "an identity with null": (lambda: listed(identity_data={"mac": None}), ListProblem.IDENTITY),
    "an identity too deep": (lambda: listed(identity_data={"a": [[[[[[[[[1]]]]]]]]]}), ListProblem.IDENTITY),
    "a key of another identity": (
        lambda: _with_sets(listed_set(SERIAL, PEM, identity_data={"mac": "other"})),
        ListProblem.IDENTITY_DIFFERS,
    ),
    "no key": (lambda: _with_sets(listed_set(SERIAL, "")), ListProblem.KEY),
    "half a key": (lambda: _with_sets(listed_set(SERIAL, PEM[:60])), ListProblem.KEY),
    "a key that is a number": (lambda: _with_sets(listed_set(SERIAL, PEM, pubkey=1)), ListProblem.KEY),
    "a key of 1024 bits": (lambda: _with_sets(listed_set(SERIAL, _weak_pem())), ListProblem.KEY),
    "one key twice": (
        lambda: _with_sets(listed_set(SERIAL, PEM), listed_set(SERIAL, PEM, "rejected", name="2")),
        ListProblem.KEY_TWICE,
    ),
    "two keys under one id": (
        lambda: _with_sets(listed_set(SERIAL, PEM), listed_set(SERIAL, OTHER_PEM, "rejected")),
        ListProblem.KEY_TWICE,
    ),
    "two accepted keys": (
        lambda: _with_sets(listed_set(SERIAL, PEM), listed_set(SERIAL, OTHER_PEM, name="2")),
        ListProblem.SEVERAL_ACCEPTED,
    ),
    "more decided keys than a device has": (
        lambda: _with_sets(*(listed_set(SERIAL, PEM, "rejected", name=str(n)) for n in range(MAX_KEYS + 1))),
        ListProblem.KEYS,
    ),
    "an unknown status": (lambda: listed(status="trusted"), ListProblem.STATUS),
    "no status": (lambda: _with_sets(listed_set(SERIAL, PEM, status="accepted"), status=None), ListProblem.STATUS),
    "a key that was dismissed": (lambda: _with_sets(listed_set(SERIAL, PEM, "dismissed")), ListProblem.STATUS),
    "a status that is a list": (lambda: _with_sets(listed_set(SERIAL, PEM), status=[]), ListProblem.STATUS),
    "another status than its keys have": (
        lambda: _with_sets(listed_set(SERIAL, PEM, "rejected"), status="accepted"),
        ListProblem.STATUS_DIFFERS,
    ),
    "a key that is no object": (lambda: _with_sets("key"), ListProblem.NOT_AN_OBJECT),
    "a time that is none": (lambda: listed(created_ts="yesterday"), ListProblem.TIME),
    "a time without its zone": (lambda: listed(created_ts="2025-02-03T04:05:06"), ListProblem.TIME),
}


@pytest.mark.parametrize("name", FAULTY)
def test_what_is_not_understood_has_a_name(name: str, tmp_path: Path) -> None:
    make, problem = FAULTY[name]
    entry = make()
    path = tmp_path / "devices.json"
    path.write_text('[{"id":"1","id":"2"}]' if entry is None else json.dumps([entry]))
    assert list(problems(path)) == [problem]


def _one(path: Path) -> ListedDevice:
    with DeviceListFile(path) as devices:
        (entry,) = devices.entries(now=NOW)
    assert entry.device is not None
    return entry.device


def test_a_device_is_the_same_that_asks_here(tmp_path: Path) -> None:
    found = _one(written(tmp_path / "l", [listed()]))
    assert found.device.identity == device_of().identity
    assert found.device.sets[0].key == device_of().public_key
    assert (found.device.id, found.device.sets[0].id) == (foreign_id(SERIAL), foreign_id(f"{SERIAL}/key"))
    assert (found.named, found.left) == (True, None)


def test_ids_of_installations_from_before_uuids_are_taken(tmp_path: Path) -> None:
    assert _one(written(tmp_path / "l", [listed(id="5f0e1d2c3b4a59687786950a")])).device.id.startswith("5f0e")


def test_keys_that_nobody_decided_about_are_left_whatever_they_are(tmp_path: Path) -> None:
    strangers = [listed_set(SERIAL, "no key at all", "pending", name=str(n)) for n in range(MAX_KEYS * 2)]
    found = _one(written(tmp_path / "l", [_with_sets(listed_set(SERIAL, PEM), *strangers)]))
    assert [each.status for each in found.device.sets] == [AuthStatus.ACCEPTED]


LEFT = {
    "nobody decided": (_with_sets(listed_set(SERIAL, PEM, "pending"), status="pending"), Outcome.UNDECIDED),
    "it has no key": (_with_sets(status="noauth"), Outcome.WITHOUT_KEY),
    "its keys are null": (listed(status="noauth", auth_sets=None), Outcome.WITHOUT_KEY),
    "it is being decommissioned": (listed(decommissioning=True), Outcome.LEAVING),
}


@pytest.mark.parametrize("name", LEFT)
def test_a_device_is_left_where(name: str, tmp_path: Path) -> None:
    entry, outcome = LEFT[name]
    assert _one(written(tmp_path / "l", [entry])).left is outcome


class TestCsv:
    """A row for each device, with the columns that its first line names."""

    def _written(self, path: Path, *rows: tuple[str, ...], heading: str = "identity,public_key,status") -> Path:
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([heading.split(","), *rows])
        return path

    def test_a_row_without_ids_gets_new_ones(self, tmp_path: Path) -> None:
        found = _one(self._written(tmp_path / "l", (id_data(SERIAL), PEM, "accepted")))
        assert found.device.identity == device_of().identity
        assert not found.named

    def test_a_row_with_ids_keeps_them(self, tmp_path: Path) -> None:
        ids = (foreign_id(SERIAL), foreign_id("set"))
        path = self._written(
            tmp_path / "l",
            (*ids, id_data(SERIAL), PEM, "preauthorized"),
            heading="device,auth_set,identity,public_key,status",
        )
        found = _one(path)
        assert (found.device.id, found.device.sets[0].id, found.named) == (*ids, True)

    def test_a_pending_row_is_left(self, tmp_path: Path) -> None:
        assert _one(self._written(tmp_path / "l", (id_data(SERIAL), "", "pending"))).left is Outcome.UNDECIDED

    def test_one_id_of_two_is_none(self, tmp_path: Path) -> None:
        path = self._written(
            tmp_path / "l", (foreign_id("1"), "", id_data(SERIAL), PEM, "accepted"),
            heading="device,auth_set,identity,public_key,status",
        )  # fmt: skip
        assert list(problems(path)) == [ListProblem.ID]

    @pytest.mark.parametrize("problem", ["key", "status", "identity"])
    def test_what_is_not_understood_has_a_name(self, problem: str, tmp_path: Path) -> None:
        rows = {
            "key": (id_data(SERIAL), PEM[:50], "accepted"),
            "status": (id_data(SERIAL), PEM, "accep"),
            "identity": ("mac=1", PEM, "accepted"),
        }
        found = list(problems(self._written(tmp_path / "l", rows[problem])))
        assert [each.value.partition("-")[0] for each in found if each is not None] == [problem]

    BROKEN: Mapping[str, bytes] = {
        "no columns": b"",
        "other columns": b"mac,key\n",
        "a column twice": b"identity,identity,public_key,status\n",
        "half a row": b'identity,public_key,status\n{""mac',
        "a quote that is never closed": b'identity,public_key,status\n"' + b"a\n" * MAX_ROW_BYTES,
        "a row without an end": b"identity,public_key,status\n" + b"a" * (MAX_ROW_BYTES + 1),
        "no text": b"identity,public_key,status\n\xff,a,b\n",
        "a quote in the wrong place": b'identity,public_key,status\n"a"b,c,d\n',
    }

    @pytest.mark.parametrize("name", BROKEN)
    def test_what_is_no_list_is_refused(self, name: str, tmp_path: Path) -> None:
        (tmp_path / "l").write_bytes(self.BROKEN[name])
        with pytest.raises(ListUnreadable) as refused:
            list(problems(tmp_path / "l"))
        if name in ("a quote that is never closed", "a row without an end"):
            assert refused.value.problem == f"a row is longer than {MAX_ROW_BYTES} bytes"
