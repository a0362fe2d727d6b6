"""Sessions with ``artifact-signer api-tokens``: what is printed where, which files are left, and what is on record."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from signer.bootstrap import utc_now
from signer.caller_bootstrap import CREDENTIAL_CACHE_SECONDS
from signer.cli.api_tokens import COLUMNS, HEADINGS
from signer.cli.main import run
from signer.domain.events import EventType
from signer.domain.identity import Role
from signer.storage.database import Database
from signer.storage.key_store import SqlKeyStore
from signer.storage.people_store import SqlPeopleStore
from tests.support.databases import settings
from tests.support.records import event

TOKEN = re.compile(r"ast_([0-9a-f]{16})_([0-9A-Za-z]{49})")
CONFIG = """\
[database]
url = "sqlite:///signer.sqlite"
[[tokens]]
name = "unreached"
uri = "pkcs11:token=t?module-path=/nonexistent.so"
pin = { env = "PIN" }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str


class Shell:
    """Runs the commands on one database, in a directory of its own."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.directory = directory
        self._capsys = capsys
        (directory / "artifact-signer.toml").write_text(CONFIG)

    def __call__(self, *arguments: str) -> Done:
        code = run(["api-tokens", *arguments, "--config", str(self.directory / "artifact-signer.toml")])
        out, err = self._capsys.readouterr()
        assert "Traceback" not in err
        return Done(code=code, out=out, err=err)

    def names(self) -> list[tuple[str, str, bool]]:
        """Name, role and whether it is revoked, of all."""
        done = self("list", "--json")
        return [(item["name"], item["role"], bool(item["revoked_at"])) for item in json.loads(done.out)["api_tokens"]]

    def add_person(self, name: str) -> None:
        """Somebody, on record."""
        with closing(Database(settings(f"sqlite:///{self.directory}/signer.sqlite"))) as database:
            people = SqlPeopleStore(database=database, clock=utc_now)
            people.add_person(name=name, display=name, email=None, event=event(EventType.PERSON_CREATED))

    def events(self) -> list[tuple[str, str, dict[str, object]]]:
        """Type, actor and facts of all events."""
        with closing(Database(settings(f"sqlite:///{self.directory}/signer.sqlite"))) as database:
            found = SqlKeyStore(database=database, clock=utc_now).events(after=0, limit=100, key=None)
        return [(item.event.type.value, item.event.actor, dict(item.event.after)) for item in found]


@pytest.fixture
def shell(sqlite_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    """Over a migrated database without any token."""
    return Shell(tmp_path, capsys)


class TestCreate:
    @pytest.mark.parametrize("role", Role)
    def test_the_token_alone_is_on_standard_output(self, shell: Shell, role: Role) -> None:
        done = shell("create", "build", "--role", role.value)
        assert done.code == 0
        token = TOKEN.fullmatch(done.out.removesuffix("\n"))
        assert token is not None
        assert token[2] not in done.err
        assert shell.names() == [("build", role.value, False)]
        assert shell.events() == [
            ("api-token-created", "artifact-signer api-tokens create", {"name": "build", "role": role.value})
        ]

    def test_a_file_is_its_owners_alone_and_nothing_is_on_standard_output(self, shell: Shell) -> None:
        path = shell.directory / "build.token"
        done = shell("create", "build", "--role", "signer", "--output", str(path))
        assert (done.code, done.out) == (0, "")
        assert TOKEN.fullmatch(path.read_text().removesuffix("\n"))
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_text().strip() not in done.err

    def test_a_file_that_exists_is_left_alone_and_no_token_is_made(self, shell: Shell) -> None:
        path = shell.directory / "build.token"
        path.write_text("another token\n")
        done = shell("create", "build", "--role", "signer", "--output", str(path))
        assert (done.code, done.out) == (1, "")
        assert "build.token: file exists" in done.err
        assert path.read_text() == "another token\n"
        assert (shell.names(), shell.events()) == ([], [])

    def test_a_link_is_not_followed(self, shell: Shell) -> None:
        (shell.directory / "link").symlink_to(shell.directory / "elsewhere")
        assert shell("create", "build", "--role", "signer", "--output", str(shell.directory / "link")).code == 1
        assert not (shell.directory / "elsewhere").exists()
        assert shell.names() == []


REFUSALS = {
    "with a role of odd characters": (1, ("create", "new", "--role", "Root user"), "cannot be the name"),
    "with a person of odd characters": (1, ("create", "new", "--person", "../ada"), "cannot be the name"),
    "with a person that there is none of": (1, ("create", "new", "--person", "nobody"), "nobody"),
    "with an action that is none": (2, ("create", "new", "--action", "everything"), "'everything'"),
    "with a pattern that is none": (1, ("create", "new", "--key", "fw-[a-z]"), "--key: must be letters"),
    "with an empty pattern": (1, ("create", "new", "--key", ""), "--key: must have 1 to"),
    "with an end that is over": (1, ("create", "new", "--expires-at", "2020-01-01"), "choose a later end"),
    "with two ends": (2, ("create", "new", "--expires-at", "2999-01-01", "--expires-in", "1d"), "one of"),
    "with no time at all": (2, ("create", "new", "--expires-in", "0d"), "must be like 12h or 90d"),
    "with a time without a unit": (2, ("create", "new", "--expires-in", "90"), "must be like 12h or 90d"),
    "with a negative time": (2, ("create", "new", "--expires-in=-1d",), "must be like 12h or 90d"),
    "with a time in other digits": (2, ("create", "new", "--expires-in", "\u0669d"), "must be like 12h or 90d"),
    "with a time that no calendar has": (2, ("create", "new", "--expires-in", "999999999w"), "must be like"),
    "with a name of odd characters": (1, ("create", "A token", "--role", "reader"), "cannot be the name"),
    "with an empty name": (1, ("create", "", "--role", "reader"), "cannot be the name"),
    "with a newline in its name": (1, ("create", "new\n", "--role", "reader"), "cannot be the name"),
    "with a name that is taken": (1, ("create", "taken", "--role", "reader"), "names are not used twice"),
    "with the name of a revoked token": (1, ("create", "revoked", "--role", "reader"), "names are not used twice"),
    "into a folder that is not there": (
        1, ("create", "new", "--role", "reader", "--output", "/nowhere/new.token"), "/nowhere/new.token: no such file"
    ),
    "revoking one that does not exist": (1, ("revoke", "nobody"), "no API token named nobody"),
    "revoking one with odd characters": (1, ("revoke", "\x1b[2J"), "no API token named \\x1b[2J"),
    "a command that does not exist": (2, ("show", "taken"), "No such command"),
}  # fmt: skip


@pytest.mark.parametrize("sentence", REFUSALS)
def test_what_is_refused_leaves_neither_record_nor_file(shell: Shell, sentence: str) -> None:
    for name in ("taken", "revoked"):
        shell("create", name, "--role", "signer")
    shell("revoke", "revoked")
    names, events, files = shell.names(), shell.events(), set(shell.directory.iterdir())
    code, arguments, says = REFUSALS[sentence]
    done = shell(*arguments)
    assert (done.code, done.out) == (code, "")
    assert says in done.err
    assert (shell.names(), shell.events(), set(shell.directory.iterdir())) == (names, events, files)


def test_a_name_that_is_taken_leaves_no_output_file(shell: Shell) -> None:
    shell("create", "taken", "--role", "signer")
    path = shell.directory / "again.token"
    assert shell("create", "taken", "--role", "signer", "--output", str(path)).code == 1
    assert not path.exists()


def test_revoking_is_recorded_once_and_may_be_repeated(shell: Shell) -> None:
    shell("create", "build", "--role", "signer")
    first, second = shell("revoke", "build"), shell("revoke", "build")
    assert (first.code, first.out, second.code, second.out) == (0, "", 0, "")
    assert f"after at most {CREDENTIAL_CACHE_SECONDS:g} seconds" in first.err
    assert "was revoked before" in second.err
    assert shell.names() == [("build", "signer", True)]
    assert shell.events()[1:] == [("api-token-revoked", "artifact-signer api-tokens revoke", {"name": "build"})]


def test_the_list_tells_people_what_it_tells_machines_and_no_secret(shell: Shell) -> None:
    token = TOKEN.fullmatch(shell("create", "b", "--role", "signer").out.strip())
    assert token is not None
    shell("create", "a", "--role", "reader")
    shell("revoke", "a")
    people, machines = shell("list"), shell("list", "--json")
    lines = [line.split() for line in people.out.replace("LAST USED", "LAST-USED").splitlines()]
    assert lines[0] == [heading.replace(" ", "-") for heading in HEADINGS]
    assert lines[1:] == [list(item.values()) for item in _shown(machines.out)]
    assert lines[2][:3] == [token[1], "b", "signer"]
    for item in json.loads(machines.out)["api_tokens"]:
        assert item["created_at"].endswith("Z")
    assert token[2] not in people.out + machines.out


def _shown(document: str) -> list[dict[str, Any]]:
    return [
        {name: ",".join(item[name]) if isinstance(item[name], list) else item[name] or "-" for name in COLUMNS}
        for item in json.loads(document)["api_tokens"]
    ]


def test_what_a_token_is_limited_to_is_on_record(shell: Shell) -> None:
    shell.add_person("ada")
    done = shell(
        "create", "build", "--person", "ada", "--key", "fw-*", "--key", "boot", "--action", "sign", "--action", "read",
        "--expires-in", "90d",
    )  # fmt: skip
    assert done.code == 0, done.err
    (listed,) = json.loads(shell("list", "--json").out)["api_tokens"]
    assert (listed["role"], listed["person"]) == (None, "ada")
    assert (listed["keys"], listed["actions"]) == (["fw-*", "boot"], ["sign", "read"])
    left = datetime.fromisoformat(listed["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=89, hours=23) < left <= timedelta(days=90)
    assert f"until {listed['expires_at']}" in done.err
    ((_, _, facts),) = (event for event in shell.events() if event[0] == "api-token-created")
    assert facts == {name: listed[name] for name in ("name", "person", "keys", "actions", "expires_at")}


@pytest.mark.parametrize(
    ("written", "days"), [("1w", 7), ("90d", 90), ("12h", 0.5), ("1440m", 1), ("86400s", 1), ("36500d", 36500)]
)
def test_an_end_is_written_as_people_write_times(shell: Shell, written: str, days: float) -> None:
    assert shell("create", "build", "--expires-in", written).code == 0
    (listed,) = json.loads(shell("list", "--json").out)["api_tokens"]
    left = datetime.fromisoformat(listed["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=days) - timedelta(minutes=10) < left <= timedelta(days=days)


def test_an_end_is_a_day_as_well(shell: Shell) -> None:
    assert shell("create", "build", "--expires-at", "2999-12-31").code == 0
    (listed,) = json.loads(shell("list", "--json").out)["api_tokens"]
    assert listed["expires_at"] == "2999-12-31T00:00:00Z"


def test_a_database_that_is_missing_is_refused_and_not_made(shell: Shell) -> None:
    (shell.directory / "signer.sqlite").unlink()
    done = shell("create", "build", "--role", "signer", "--output", str(shell.directory / "build.token"))
    assert (done.code, done.out) == (1, "")
    assert "the database is lost: file missing" in done.err
    assert not (shell.directory / "signer.sqlite").exists()


def test_a_database_of_another_revision_is_refused_by_name(shell: Shell) -> None:
    (shell.directory / "signer.sqlite").write_bytes(b"")
    done = shell("create", "build", "--role", "signer", "--output", str(shell.directory / "build.token"))
    assert (done.code, done.out) == (1, "")
    assert "hint: run artifact-signer database upgrade" in done.err
    assert not (shell.directory / "build.token").exists()


def test_a_configuration_that_is_not_there_is_exit_code_2(shell: Shell) -> None:
    (shell.directory / "artifact-signer.toml").unlink()
    assert shell("list").code == 2


@pytest.mark.parametrize(
    "arguments",
    [(), ("--reason", "why"), ("console", "--all", "--reason", "why"), ("console",), ("console", "--reason", " ")],
)
def test_taking_back_needs_names_or_all_and_a_reason(shell: Shell, arguments: tuple[str, ...]) -> None:
    assert shell("reinstate", *arguments).code == 2


def test_what_is_not_suspended_is_not_taken_back(shell: Shell) -> None:
    shell("create", "console", "--role", "reader")
    done = shell("reinstate", "console", "--reason", "why")
    assert (done.code, done.out) == (0, "")
    assert "is not suspended" in done.err
    assert shell("reinstate", "--all", "--reason", "why").err == ""
