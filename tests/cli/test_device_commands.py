"""``artifact-signer devices``: on a database, and over the real routes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from signer.answers import json_list, refusal
from signer.bootstrap import utc_now
from signer.cli import device_sources
from signer.domain.identity import Role
from signer.storage.database import Database
from tests.cli.test_access_commands import CONFIG, Shell, _Routes
from tests.docs.application import application
from tests.support.databases import settings
from tests.support.device_office import Office
from tests.support.device_side import SomeDevice, id_data, known_key, new_key, pem_of

DEVICE = SomeDevice(key=known_key("p-256"))
NOBODY = "00000000-0000-0000-0000-000000000000"


class _DeviceRoutes(_Routes):
    """What ``signer.client.Client`` does for these commands, without a connection."""

    def listed(self, path: str, **parameters: Any) -> Any:
        return json_list(self._sent("GET", f"{path}?{urlencode(parameters, doseq=True)}", None).data)

    def change(self, method: str, path: str, document: Mapping[str, Any] | None = None) -> None:
        self._sent(method, path, document)

    def _sent(self, method: str, path: str, document: Mapping[str, Any] | None) -> Any:
        body = b"" if document is None else json.dumps(document).encode()
        reply = self._site.ask(method, path, self._site.credentials[Role.ADMINISTRATOR], body)
        if reply.status_code >= 400:
            raise refusal(reply.status_code, reply.content_type or "", reply.data)
        return reply


class Place:
    """A shell, and devices that ask."""

    def __init__(self, shell: Shell, database: Database, directory: Path) -> None:
        self.run, self.office, self._directory = shell, Office(database, utc_now), directory

    def key_file(self, device: SomeDevice) -> str:
        path = self._directory / "device.pem"
        path.write_text(pem_of(device.key))
        return str(path)

    @property
    def id(self) -> str:
        return self.office.known(DEVICE).id


@pytest.fixture(params=["on the database", "over the API"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """With one pending device."""
    site, more = None, []
    if request.param == "over the API":
        site, name = application(tmp_path), "test.sqlite"

        @contextmanager
        def connected() -> Iterator[_DeviceRoutes]:
            yield _DeviceRoutes(site)

        monkeypatch.setattr(device_sources, "connected", connected)
    else:
        request.getfixturevalue("sqlite_url")
        (tmp_path / "artifact-signer.toml").write_text(CONFIG)
        name, more = "signer.sqlite", ["--config", str(tmp_path / "artifact-signer.toml")]
    database = Database(settings(f"sqlite:///{tmp_path / name}"))
    made = Place(Shell(capsys, tmp_path, *more), database, tmp_path)
    made.office.outcome(DEVICE)
    yield made
    database.close()
    if site is not None:
        site.close()


def test_a_device_is_listed_accepted_rejected_and_decommissioned(place: Place) -> None:
    listed = place.run("devices", "list")
    heading, line = (each.split() for each in listed.out.splitlines())
    assert heading == ["DEVICE", "STATUS", "IDENTITY", "REFUSED", "SEEN"]
    assert line == [place.id, "pending", id_data(DEVICE.serial), "pending", "-"]
    done = place.run("devices", "accept", place.id)
    assert (done.code, done.out) == (0, "")
    assert done.err == f"artifact-signer: accepted {place.id} by the key of {place.office.set_of(DEVICE)}\n"
    assert place.office.outcome(DEVICE) == "token"
    assert place.run("devices", "reject", place.id).code == 0
    assert place.office.outcome(DEVICE) == "rejected"
    assert place.run("devices", "decommission", place.id).code == 0
    assert json.loads(place.run("devices", "list", "--json").out) == []


def test_a_device_is_shown_with_its_keys(place: Place) -> None:
    shown = place.run("devices", "show", place.id).out
    assert DEVICE.public_key.sha256[:16] in shown
    assert place.office.set_of(DEVICE) in shown
    document = json.loads(place.run("devices", "show", place.id, "--json").out)
    assert (document["id"], document["auth_sets"][0]["reason"]) == (place.id, "pending")


def test_devices_of_a_status_are_listed(place: Place) -> None:
    place.office.accepted("2")
    for status, number in (("pending", 1), ("accepted", 1), ("rejected", 0)):
        found = json.loads(place.run("devices", "list", "--json", "--status", status).out)
        assert [each["status"] for each in found] == [status] * number
    both = place.run("devices", "list", "--json", "--status", "pending", "--status", "accepted").out
    assert len(json.loads(both)) == 2


def test_a_device_is_preauthorised(place: Place) -> None:
    other = SomeDevice(serial="2")
    arguments = ("devices", "preauthorize", "--identity", id_data("2"), "--public-key", place.key_file(other))
    assert place.run(*arguments).code == 0
    again = place.run(*arguments)
    assert (again.code, again.err.splitlines()[0]) == (
        1,
        f"artifact-signer: the identity is that of device {place.office.known(other).id}, which is known",
    )
    assert place.run(*arguments, "--force").code == 0
    assert place.office.outcome(other) == "token"


def test_the_next_key_is_planned(place: Place) -> None:
    place.run("devices", "accept", place.id)
    following = SomeDevice()
    path = place.key_file(following)
    done = place.run("devices", "replace", place.id, "--public-key", path, "--awaited-for", "1d", "--overlap", "1h")
    assert done.code == 0
    assert place.office.statuses(DEVICE) == ["accepted", "preauthorized"]
    assert place.office.outcome(following) == "token"
    assert place.office.statuses(DEVICE) == ["preauthorized", "accepted"]
    taken = place.office.known(DEVICE).sets[0].id
    assert place.run("devices", "dismiss", place.id, taken).code == 0
    assert place.office.outcome(DEVICE) == "key-differs"


def test_one_of_several_keys_has_to_be_named(place: Place) -> None:
    place.office.outcome(SomeDevice(key=new_key()))
    asked = place.run("devices", "accept", place.id)
    assert (asked.code, asked.out) == (3, "")
    assert asked.err.splitlines() == [
        f"artifact-signer: 2 keys of {place.id} could be meant",
        f"hint: artifact-signer devices show {place.id} lists them; name one with --auth-set",
    ]
    assert place.run("devices", "accept", place.id, "--auth-set", place.office.set_of(DEVICE)).code == 0


REFUSED = {
    "a device that nobody knows": (("show", NOBODY), 1, "there is no device"),
    "one to accept": (("accept", NOBODY), 1, "there is no device"),
    "one to decommission": (("decommission", NOBODY), 1, "there is no device"),
    "a set that nobody knows": (("accept", "{id}", "--auth-set", NOBODY), 1, "has no authentication set"),
    "a set to dismiss": (("dismiss", "{id}", NOBODY), 1, "has no authentication set"),
    "an identity that is no JSON": (("preauthorize", "--identity", "x", "--public-key", "{key}"), 2, "JSON object"),
    "an identity that is a list": (("preauthorize", "--identity", "[]", "--public-key", "{key}"), 2, "JSON object"),
    "an identity without members": (("preauthorize", "--identity", "{{}}", "--public-key", "{key}"), 1, "no members"),
    "a key that is none": (("preauthorize", "--identity", '{{"a":"1"}}', "--public-key", "{policy}"), 1, "PEM block"),
    "a next key of a pending device": (
        ("replace", "{id}", "--auth-set", "{set}", "--public-key", "{key}"),
        1,
        "cannot become replaced",
    ),
    "a status that is none": (("list", "--status", "nothing"), 2, "nothing"),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_cannot_be_done_is_told(place: Place, sentence: str) -> None:
    arguments, code, told = REFUSED[sentence]
    facts = {
        "id": place.id,
        "set": place.office.set_of(DEVICE),
        "key": place.key_file(SomeDevice(key=new_key())),
        "policy": str(place.run.policy),
    }
    done = place.run("devices", *(each.format(**facts) for each in arguments))
    assert (done.code, done.out) == (code, "")
    assert told in done.err
    assert place.office.statuses(DEVICE) == ["pending"]
