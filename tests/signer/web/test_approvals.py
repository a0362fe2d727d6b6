"""Approvals over the routes and with the commands: what a build, an approver, and everybody else is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from signer.answers import refusal
from signer.cli import approval_sources, approvals
from signer.cli.main import run
from tests.artifacts import ArtifactBuilder, Script
from tests.support.clock import ManualClock
from tests.support.guarded_house import GuardedSite, guarded_site
from tests.support.house import open_house
from tests.support.memory_tokens import MemoryTokens

SCRIPT = Script(name="ArtifactInstall_Enter_00", content=b"#!/bin/sh\n\x1b[2Jecho one\n")
RELEASE = ArtifactBuilder(name="release-2", scripts=(SCRIPT,)).build()
SIGN = "/v1/keys/firmware/signatures"
NOBODY = "0" * 32


@pytest.fixture
def site(sqlite_url: str, tmp_path: Path, clock: ManualClock) -> Iterator[GuardedSite]:
    with open_house(sqlite_url, tmp_path, MemoryTokens("one"), clock) as house, guarded_site(house, clock) as made:
        yield made


def problem(site: GuardedSite, who: str = "build", body: bytes = RELEASE) -> Any:
    return site.ask(who, "POST", SIGN, body=body).json()


def approve(site: GuardedSite, facts: Any, *people: str) -> None:
    for person in people:
        vote = {"decision": "approve", "sha256": facts["sha256"]}
        answer = site.ask(f"{person}-laptop", "POST", f"/v1/approvals/{facts['approval']}/votes", vote)
        assert answer.status_code == 200, answer.json()


class TestOverTheRoutes:
    """What clients depend on."""

    def test_what_waits_is_403_with_an_id_and_when_to_ask_again(self, site: GuardedSite) -> None:
        answer = site.ask("build", "POST", SIGN, body=RELEASE)
        document = answer.json()
        assert (answer.status_code, document["code"]) == (403, "approval-required")
        assert int(answer.headers["retry-after"]) > 0
        assert document["facts"]["lacking"] == ["2 of qa"]
        assert document["facts"]["approval"] == problem(site)["facts"]["approval"]

    def test_the_same_request_later_yields_the_signature(self, site: GuardedSite) -> None:
        facts = problem(site)["facts"]
        approve(site, facts, "ada")
        assert problem(site)["facts"]["lacking"] == ["1 of qa"]
        approve(site, facts, "bob")
        listed = site.ask("cy-laptop", "GET", "/v1/approvals").json()["approvals"]
        assert [(each["id"], each["state"], each["lacking"]) for each in listed] == [
            (facts["approval"], "approved", [])
        ]

    def test_what_is_shown(self, site: GuardedSite) -> None:
        waiting = problem(site)["facts"]["approval"]
        document = site.ask("ada-laptop", "GET", f"/v1/approvals/{waiting}").json()
        artifact = document["artifact"]
        assert (artifact["name"], artifact["shown"], artifact["checked"]) == ("release-2", True, "artifact")
        assert artifact["scripts"][0]["text"] == SCRIPT.content.decode()
        assert {each["name"]: each["size"] for each in artifact["files"]} == {"hello.txt": 14, "image.bin": 768}
        assert (document["kind"], document["rule"], document["requester"]) == (
            "signature",
            "release",
            "api-token:build",
        )

    def test_changes_of_what_is_guarded_wait_in_the_same_form(self, site: GuardedSite) -> None:
        answer = site.ask("admin", "POST", "/v1/groups/qa/add", {"member": "person:dan"})
        document = answer.json()
        assert (answer.status_code, document["code"]) == (403, "approval-required")
        shown = site.ask("ada-laptop", "GET", f"/v1/approvals/{document['facts']['approval']}").json()
        assert shown["change"]["member"] == "person:dan"
        approve(site, document["facts"], "ada", "bob")
        assert site.ask("admin", "POST", "/v1/groups/qa/add", {"member": "person:dan"}).json()["changed"]


# Who sends what, after something waits: how it is answered.
REFUSED: dict[str, tuple[str, dict[str, Any], int, str]] = {
    "an administrator": ("admin", {"decision": "approve"}, 403, "access-denied"),
    "who is no caller of it": ("auditor", {"decision": "approve"}, 403, "access-denied"),
    "the build, whom a rule lets approve": ("build", {"decision": "approve"}, 403, "vote-refused"),
    "somebody in no group": ("dan-laptop", {"decision": "approve"}, 403, "vote-refused"),
    "without a digest": ("ada-laptop", {"decision": "approve", "sha256": None}, 409, "approval-digest-differs"),
    "with another digest": ("ada-laptop", {"decision": "approve", "sha256": "0" * 64}, 409, "approval-digest-differs"),
    "with no digest at all": ("ada-laptop", {"decision": "approve", "sha256": "digest"}, 400, "invalid-request"),
    "with another word": ("ada-laptop", {"decision": "perhaps"}, 400, "invalid-request"),
    "with a further member": ("ada-laptop", {"decision": "approve", "group": "qa"}, 400, "invalid-request"),
    "with a reason of two lines": ("ada-laptop", {"decision": "approve", "reason": "a\nb"}, 400, "reason-invalid"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_vote(site: GuardedSite, name: str) -> None:
    facts = problem(site)["facts"]
    who, vote, status, code = REFUSED[name]
    vote = {"sha256": facts["sha256"], **vote}
    answer = site.ask(who, "POST", f"/v1/approvals/{facts['approval']}/votes", vote)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert site.ask("cy-laptop", "GET", f"/v1/approvals/{facts['approval']}").json()["votes"] == []


def test_what_is_not_there_is_told_as_what_one_may_not_see(site: GuardedSite) -> None:
    for target in (f"/v1/approvals/{NOBODY}", "/v1/approvals/x'--"):
        answer = site.ask("ada-laptop", "GET", target)
        assert (answer.status_code, answer.json()["code"]) == (404, "approval-not-found")


class _Routes:
    """What ``signer.client.Client`` does, without a connection."""

    def __init__(self, site: GuardedSite, who: str) -> None:
        self._site, self._who = site, who

    def read(self, path: str) -> Any:
        return self._asked("GET", path, None)

    def ask(self, path: str, document: Any = None) -> Any:
        return self._asked("POST", path, document)

    def _asked(self, method: str, path: str, document: Any) -> Any:
        answer = self._site.ask(self._who, method, path, document)
        if answer.status_code >= 400:
            raise refusal(answer.status_code, "application/problem+json", answer.data)
        return answer.json()


class TestCommands:
    """``artifact-signer approvals``."""

    @pytest.fixture
    def shell(self, site: GuardedSite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
        def command(who: str, *arguments: str) -> tuple[int, str, str]:
            @contextmanager
            def connected() -> Iterator[_Routes]:
                yield _Routes(site, f"{who}-laptop")

            for module in (approval_sources, approvals):
                monkeypatch.setattr(module, "connected", connected)
            code = run(["approvals", *arguments])
            out, err = capsys.readouterr()
            return code, out, err

        return command

    def test_a_whole_session(self, site: GuardedSite, shell: Any) -> None:
        facts = problem(site)["facts"]
        waiting, sha256 = facts["approval"], facts["sha256"]
        code, out, _ = shell("ada", "list")
        assert code == 0
        assert out.splitlines()[1].split()[:4] == [waiting, "pending", "signature", "firmware"]
        code, out, err = shell("ada", "show", waiting)
        assert "release-2" in out
        assert "echo one" in out
        assert "\x1b" not in out
        assert f"--sha256 {sha256}" in err
        code, _, err = shell("ada", "approve", waiting, "--sha256", "0" * 64)
        assert (code, "something else" in err) == (1, True)
        code, _, err = shell("ada", "approve", waiting, "--sha256", sha256, "--reason", "tested")
        assert err == f"artifact-signer: {waiting} is pending, missing: 1 of qa\n"
        code, _, err = shell("bob", "reject", waiting, "--reason", "wrong branch")
        assert err == f"artifact-signer: {waiting} is rejected\n"
        code, out, _ = shell("cy", "show", waiting, "--json")
        votes = [(each["person"], each["decision"], each["reason"]) for each in json.loads(out)["votes"]]
        assert votes == [("ada", "approve", "tested"), ("bob", "reject", "wrong branch")]

    def test_approving_needs_the_digest(self, site: GuardedSite, shell: Any) -> None:
        code, _, err = shell("ada", "approve", problem(site)["facts"]["approval"])
        assert (code, "--sha256" in err) == (2, True)

    def test_a_change_is_shown(self, site: GuardedSite, shell: Any) -> None:
        answer = site.ask("admin", "POST", "/v1/groups/qa/add", {"member": "person:dan"})
        code, out, _ = shell("ada", "show", answer.json()["facts"]["approval"])
        assert (code, "person:dan" in out) == (0, True)

    def test_on_the_machine_all_of_it_is_seen(
        self, site: GuardedSite, sqlite_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        waiting = problem(site)["facts"]["approval"]
        config = tmp_path / "artifact-signer.toml"
        config.write_text(
            f'[database]\nurl = "{sqlite_url}"\n[[tokens]]\nname = "t"\n'
            'uri = "pkcs11:token=t?module-path=/nonexistent.so"\npin = { env = "PIN" }\n'
        )
        assert run(["approvals", "show", waiting, "--json", "--config", str(config)]) == 0
        assert json.loads(capsys.readouterr().out)["artifact"]["name"] == "release-2"
        assert run(["approvals", "list", "--config", str(config)]) == 0
        assert waiting in capsys.readouterr().out
