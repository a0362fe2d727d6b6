"""Sessions with ``policy``, ``people``, ``identities`` and ``groups``: on a database, and over the real routes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from signer.administration import administration
from signer.bootstrap import utc_now
from signer.cli import access_sources
from signer.cli.main import run
from signer.domain.access.presets import ROLES_TEXT
from signer.domain.identity import Role
from signer.storage.database import Database
from tests.docs.application import application
from tests.support.api_token_rows import add_api_token
from tests.support.databases import settings
from tests.support.rows import slow_but

CONFIG = """\
[database]
url = "sqlite:///signer.sqlite"
[[tokens]]
name = "unreached"
uri = "pkcs11:token=t?module-path=/nonexistent.so"
pin = { env = "PIN" }
"""
BOSS = """\
version = 1
[[rules]]
name = "boss"
effect = "allow"
principals = ["role:administrator"]
actions = ["administer", "read-log"]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str


class Shell:
    """Runs commands one after another."""

    def __init__(self, capsys: pytest.CaptureFixture[str], directory: Path, *more: str) -> None:
        self._capsys, self._more = capsys, more
        self.policy = directory / "policy.toml"
        self.policy.write_text(BOSS)

    def __call__(self, *arguments: str) -> Done:
        code = run([*arguments, *self._more])
        out, err = self._capsys.readouterr()
        assert "Traceback" not in err
        return Done(code=code, out=out, err=err)


class _Routes:
    """What ``signer.client.Client`` does, without a connection."""

    def __init__(self, site: Any) -> None:
        self._site = site

    def read(self, path: str, **parameters: object) -> Any:
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        return self._asked("GET", f"{path}?{query}" if query else path, b"")

    def ask(self, path: str, document: Any = None) -> Any:
        return self._asked("POST", path, json.dumps(document).encode())

    def _asked(self, method: str, path: str, body: bytes) -> Any:
        from signer.answers import refusal

        reply = self._site.ask(method, path, self._site.credentials[Role.ADMINISTRATOR], body)
        if reply.status_code >= 400:
            raise refusal(reply.status_code, "application/problem+json", reply.data)
        return json.loads(reply.data)


@pytest.fixture(params=["on the database", "over the API"])
def shell(
    request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shell]:
    if request.param == "over the API":
        site = application(tmp_path)

        @contextmanager
        def connected() -> Iterator[_Routes]:
            yield _Routes(site)

        monkeypatch.setattr(access_sources, "connected", connected)
        yield Shell(capsys, tmp_path)
        site.close()
        return
    request.getfixturevalue("sqlite_url")
    database = Database(settings(f"sqlite:///{tmp_path}/signer.sqlite"))
    add_api_token(database, "boss", "administrator")
    database.close()
    (tmp_path / "artifact-signer.toml").write_text(CONFIG)
    yield Shell(capsys, tmp_path, "--config", str(tmp_path / "artifact-signer.toml"))


def test_a_policy_is_shown_looked_at_applied_and_shown(shell: Shell) -> None:
    assert shell("policy", "show").out == ROLES_TEXT
    looked = shell("policy", "apply", str(shell.policy), "--dry-run")
    assert looked.out.splitlines()[0].split() == ["CHANGE", "RULE", "ABOUT", "NOW"]
    assert [line.split()[:2] for line in looked.out.splitlines()[1:3]] == [
        ["added", "boss"],
        ["removed", "role-administrator"],
    ]
    assert "nothing was changed" in looked.err
    done = shell("policy", "apply", str(shell.policy), "--reason", "only the boss", "--expected", "1")
    assert (done.code, done.out, done.err) == (0, "", "artifact-signer: the policy is at revision 2\n")
    shown = shell("policy", "show", "--json")
    document = json.loads(shown.out)
    assert (document["revision"], document["text"], document["reason"]) == (2, BOSS, "only the boss")
    assert shell("policy", "show", "--revision", "1").out == ROLES_TEXT
    listed = shell("policy", "show", "--all")
    assert [line.split()[0] for line in listed.out.splitlines()] == ["REVISION", "1", "2"]


def test_what_of_a_policy_can_do_nothing_is_told_at_a_look_and_when_it_is_applied(shell: Shell) -> None:
    rule = '[[rules]]\nname = "build"\neffect = "allow"\nprincipals = ["ci:forge/17", "group:qa"]\n'
    shell.policy.write_text(BOSS + rule + 'actions = ["sign"]\nkeys = ["firmware"]\n')
    warnings = [
        "artifact-signer: warning: rule build: nobody can prove to be ci:forge/17 now",
        "artifact-signer: warning: rule build: nobody can prove to be group:qa now",
        "artifact-signer: warning: rule build: there is no key named firmware",
    ]
    looked = shell("policy", "apply", str(shell.policy), "--dry-run").err.splitlines()
    assert [line for line in looked if "warning" in line] == warnings
    applied = shell("policy", "apply", str(shell.policy), "--reason", "x")
    assert (applied.code, applied.err.splitlines()[1:]) == (0, warnings)


def test_people_and_groups_are_kept(shell: Shell) -> None:
    assert shell("people", "create", "ada", "--display", "Ada L.", "--email", "ada@example.org").code == 0
    assert shell("identities", "assign", "ci:forge/17", "ada").err == "artifact-signer: ci:forge/17 belongs to ada\n"
    assert shell("groups", "create", "release").code == 0
    assert shell("groups", "add", "release", "person:ada").err == "artifact-signer: person:ada is in release\n"
    assert shell("groups", "add", "release", "person:ada").err.endswith("was in release before\n")
    assert shell("groups", "show", "release").out == "person:ada\n"
    person = json.loads(shell("people", "show", "ada", "--json").out)
    assert (person["display"], person["identities"], person["groups"]) == ("Ada L.", ["ci:forge/17"], ["release"])
    assert json.loads(shell("identities", "list", "--json").out)["identities"] == [
        {"identity": "ci:forge/17", "person": "ada"}
    ]
    assert "none of their identities proves anything" in shell("people", "disable", "ada", "--reason", "left").err
    assert shell("people", "disable", "ada", "--reason", "left").err.endswith("ada was disabled before\n")
    assert [line.split()[0] for line in shell("people", "list").out.splitlines()] == ["NAME", "ada"]
    assert shell("people", "enable", "ada", "--reason", "back").err == "artifact-signer: enabled ada\n"
    assert shell("groups", "remove", "release", "person:ada").err.endswith("is in release no more\n")
    assert shell("groups", "remove", "release", "person:ada").err.endswith("was not in release\n")
    assert shell("identities", "unassign", "ci:forge/17").code == 0


def test_floors_are_listed(shell: Shell) -> None:
    done = shell("policy", "floor", "show", "--key", "firmware")
    assert (done.code, done.out.split()) == (
        0,
        ["KEY", "DEVICE", "TYPE", "PAYLOAD", "TYPE", "VERSION", "ORDER", "LEAF"],
    )
    assert json.loads(shell("policy", "floor", "show", "--json").out) == {"floors": []}


FLOOR = ["policy", "floor", "set", "documented", "board", "rootfs", "--reason", "x"]
REFUSED = {
    "a floor that is no version": ([*FLOOR, "--version", "1.x", "--order", "numeric"], 1, "is no whole number"),
    "a floor without an order": ([*FLOOR, "--version", "1"], 2, "--order"),
    "a floor of a key that there is not": (
        [*FLOOR[:3], "nothing", *FLOOR[4:], "--version", "1", "--order", "numeric"], 1, "no",
    ),
    "a person twice": (["people", "create", "ada"], 1, "names are not used twice"),
    "a person of no name": (["people", "create", "Ada!"], 1, "cannot be the name"),
    "an address that is none": (["people", "create", "bob", "--email", "bob"], 1, "the email cannot be one"),
    "nobody": (["people", "show", "cy"], 1, "there is no person named cy"),
    "disabling nobody": (["people", "disable", "cy", "--reason", "x"], 1, "there is no person named cy"),
    "disabling for no reason": (["people", "disable", "ada", "--reason", " "], 1, "a reason is needed"),
    "an identity of no kind": (["identities", "assign", "robot:1", "ada"], 1, "the name of no person and no identity"),
    "a person as an identity": (["identities", "assign", "person:ada", "ada"], 1, "no person and no identity"),
    "an identity to nobody": (["identities", "assign", "ci:forge/17", "cy"], 1, "there is no person named cy"),
    "what belongs to nobody": (["identities", "unassign", "ci:forge/17"], 1, "ci:forge/17 belongs to nobody"),
    "no group": (["groups", "show", "qa"], 1, "there is no group named qa"),
    "a group in a group": (["groups", "add", "release", "group:qa"], 1, "no person and no identity"),
    "a member whom nobody knows": (["groups", "add", "release", "person:cy"], 1, "there is no person named cy"),
    "a revision that there is not": (["policy", "show", "--revision", "9"], 1, "the policy has no revision 9"),
    "one revision and all": (["policy", "show", "--revision", "1", "--all"], 2, "--all lists every revision"),
    "a policy without a reason": (["policy", "apply", "POLICY"], 2, "give a --reason"),
    "a policy for a later revision": (
        ["policy", "apply", "POLICY", "--reason", "x", "--expected", "4"], 1, "the policy is at revision 1",
    ),
    "a policy that locks out": (["policy", "apply", "EMPTY", "--reason", "x"], 1, "could apply the next one"),
    "no policy": (["policy", "apply", "BROKEN", "--reason", "x"], 1, "TOML"),
    "no text": (["policy", "apply", "BINARY", "--reason", "x"], 1, "is not UTF-8"),
    "no file": (["policy", "apply", "/nowhere.toml", "--reason", "x"], 2, "does not exist"),
    "a broken glass that is a dry run": (
        ["policy", "apply", "POLICY", "--dry-run", "--break-glass", "x"], 2, "no dry run",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    "sentence",
    slow_but(
        {
            "a floor that is no version",
            "a floor of a key that there is not",
            "a person twice",
            "disabling for no reason",
            "an identity to nobody",
            "a group in a group",
            "a policy without a reason",
            "a policy that locks out",
            "no text",
            "a broken glass that is a dry run",
        },
        REFUSED,
    ),
)
def test_it_is_refused(shell: Shell, sentence: str) -> None:
    arguments, code, told = REFUSED[sentence]
    files = {"POLICY": BOSS.encode(), "EMPTY": b"version = 1\n", "BROKEN": b"]", "BINARY": b"\xff\xfe"}
    for name, content in files.items():
        (shell.policy.parent / name).write_bytes(content)
    shell("people", "create", "ada")
    shell("groups", "create", "release")
    done = shell(*[str(shell.policy.parent / each) if each in files else each for each in arguments])
    assert (done.code, done.out) == (code, "")
    assert told in done.err


def test_the_glass_is_broken_on_the_machine_only(shell: Shell) -> None:
    done = shell("policy", "apply", str(shell.policy), "--break-glass", "at night")
    if not shell._more:
        assert (done.code, "needs --config" in done.err) == (2, True)
        return
    assert done.code == 0
    database = Database(settings(f"sqlite:///{shell.policy.parent}/signer.sqlite"))
    applied = administration(database, utc_now).policies.show()
    database.close()
    assert (applied.break_glass, applied.reason, applied.actor) == (True, "at night", "artifact-signer policy apply")
