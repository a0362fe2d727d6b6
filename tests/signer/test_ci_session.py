"""The client's exchange of a job's token: what is tried again, what is kept, and what is never told."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from signer.answers import ClientError, ServiceRefusal
from signer.client import ClientSettings
from signer.client.ci_session import LONGEST_RETRY_SECONDS, TRY_SECONDS, ci_session
from tests.cli.test_strange_answers import http
from tests.support.canned import answering
from tests.support.crowd import in_threads

TOKEN, SESSION = "header.claims.signature", "asx_the-session"


def given(minutes: float = 15) -> bytes:
    until = datetime.now(UTC) + timedelta(minutes=minutes)
    document = {"session": SESSION, "identity": "ci:gitlab/20", "expires_at": until.isoformat()}
    return http(201, json.dumps(document).encode(), "application/json")


def refused(status: int, code: str, retry_after: int | None = None) -> bytes:
    document = {"code": code, "detail": code, "status": status, "request_id": "0123456789abcdef"}
    more = () if retry_after is None else (f"Retry-After: {retry_after}",)
    return http(status, json.dumps(document).encode(), "application/problem+json", *more)


@dataclass(slots=True)
class Script:
    """Answers, one after the other, the last one for ever; and how long the client waited."""

    answers: list[bytes]
    waited: list[float] = field(default_factory=list)
    asked: int = 0
    nonces: set[str] = field(default_factory=set)
    heads: list[str] = field(default_factory=list)

    def wait(self, seconds: float) -> None:
        """No time passes, so that there has to be an end to it."""
        assert len(self.waited) < 10
        self.waited.append(seconds)

    def __call__(self, head: str, body: bytes) -> bytes:
        self.heads.append(head.lower())
        self.nonces.add(json.loads(body)["nonce"])
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return answer


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Script], str]:
    def exchange(script: Script, token: str = TOKEN, retry_seconds: float = 30) -> str:
        environment = {"ARTIFACT_SIGNER_CI_TOKEN": token, "XDG_STATE_HOME": str(tmp_path)}
        with answering(script) as server:
            settings = ClientSettings(url=server.url, api_token="another", ca_file=None, retry_seconds=retry_seconds)
            return ci_session(settings, environment, wait=script.wait)

    return exchange


def test_what_passes_is_tried_again_with_the_same_nonce(run: Callable[[Script], str]) -> None:
    script = Script([b"", refused(503, "ci-keys-unavailable", 3), refused(429, "x", 2), given()])
    assert run(script) == SESSION
    assert (script.asked, len(script.nonces)) == (4, 1)
    assert len(script.waited) == 3
    assert script.waited[1:] == [3, 2]


def test_it_is_asked_without_any_other_credential(run: Callable[[Script], str]) -> None:
    script = Script([given()])
    assert run(script) == SESSION
    assert ["authorization" in head for head in script.heads] == [False]


ENDS: dict[str, tuple[float, int]] = {
    "a pause beyond the nonce's minute is not begun, however long one may wait": (3600, 50),
    "nor one beyond what was said": (5, 6),
    "0 asks once": (0, 1),
}


@pytest.mark.parametrize("sentence", ENDS)
def test_it_ends(run: Callable[..., str], sentence: str) -> None:
    retry_seconds, retry_after = ENDS[sentence]
    script = Script([refused(503, "ci-keys-unavailable", retry_after)])
    with pytest.raises(ServiceRefusal, match="ci-keys-unavailable"):
        run(script, retry_seconds=retry_seconds)
    assert (script.asked, script.waited) == (1, [])


def test_all_tries_lie_within_the_minute_of_a_nonce() -> None:
    assert LONGEST_RETRY_SECONDS + TRY_SECONDS < 60


FINAL: dict[str, tuple[bytes, str]] = {
    "a token that is refused": (refused(401, "credentials-rejected"), "does not take the token of this job"),
    "an older service": (refused(404, "route-not-found"), "route-not-found"),
    "no session in the answer": (http(201, b"{}", "application/json"), "without a session"),
    "a session that is none": (
        http(201, b'{"session": 1, "expires_at": "x"}', "application/json"), "without a session"),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "sentence"), FINAL.values(), ids=FINAL)
def test_it_is_told(run: Callable[[Script], str], answer: bytes, sentence: str) -> None:
    script = Script([answer])
    with pytest.raises(ClientError, match=sentence) as told:
        run(script)
    assert TOKEN not in repr(told.value.__dict__)


def test_a_refusal_is_not_tried_again(run: Callable[[Script], str]) -> None:
    script = Script([refused(401, "credentials-rejected")])
    with pytest.raises(ServiceRefusal):
        run(script)
    assert script.asked == 1


class TestKept:
    URL = "http://127.0.0.1:1"  # where nobody answers

    def ask(self, tmp_path: Path, token: str = TOKEN) -> str:
        environment = {"ARTIFACT_SIGNER_CI_TOKEN": token, "XDG_STATE_HOME": str(tmp_path)}
        settings = ClientSettings(url=self.URL, api_token=None, ca_file=None, retry_seconds=0)
        return ci_session(settings, environment, wait=lambda _: None)

    def keep(self, tmp_path: Path, content: str) -> None:
        from signer.client.ci_session import _path

        path = _path({"XDG_STATE_HOME": str(tmp_path)}, self.URL, TOKEN)
        assert path is not None
        path.parent.mkdir(parents=True)
        path.write_text(content)

    def test_a_session_is_used_again(self, tmp_path: Path) -> None:
        until = datetime.now(UTC) + timedelta(minutes=10)
        self.keep(tmp_path, json.dumps({"session": SESSION, "expires_at": until.isoformat()}))
        assert self.ask(tmp_path) == SESSION

    USELESS: dict[str, str] = {  # noqa: RUF012  (a table)
        "one that is about to end": json.dumps(
            {"session": SESSION, "expires_at": (datetime.now(UTC) + timedelta(seconds=90)).isoformat()}
        ),
        "no JSON": "{",
        "a list": "[]",
        "no end": json.dumps({"session": SESSION}),
        "an end that is none": json.dumps({"session": SESSION, "expires_at": "soon"}),
        "an end without a zone": json.dumps({"session": SESSION, "expires_at": "2999-01-01T00:00:00"}),
    }

    @pytest.mark.parametrize("content", USELESS.values(), ids=USELESS)
    def test_what_is_of_no_use_is_passed_over(self, tmp_path: Path, content: str) -> None:
        self.keep(tmp_path, content)
        with pytest.raises(ClientError, match="no connection"):
            self.ask(tmp_path)

    def test_another_token_has_another_session(self, tmp_path: Path) -> None:
        until = datetime.now(UTC) + timedelta(minutes=10)
        self.keep(tmp_path, json.dumps({"session": SESSION, "expires_at": until.isoformat()}))
        with pytest.raises(ClientError, match="no connection"):
            self.ask(tmp_path, token="another")


def test_where_nothing_can_be_kept_the_session_is_used(tmp_path: Path) -> None:
    (tmp_path / "artifact-signer").write_text("a file where the directory would be")
    environment = {"ARTIFACT_SIGNER_CI_TOKEN": TOKEN, "XDG_STATE_HOME": str(tmp_path)}
    with answering(given()) as server:
        settings = ClientSettings(url=server.url, api_token=None, ca_file=None)
        assert ci_session(settings, environment, wait=lambda _: None) == SESSION


def test_commands_at_the_same_time_exchange_the_token_once(tmp_path: Path) -> None:
    environment = {"ARTIFACT_SIGNER_CI_TOKEN": TOKEN, "XDG_STATE_HOME": str(tmp_path)}
    script = Script([given(), refused(401, "credentials-rejected")])
    with answering(script) as server:
        settings = ClientSettings(url=server.url, api_token=None, ca_file=None)
        found = in_threads(8, lambda _: ci_session(settings, environment, wait=lambda _: None))
    assert found == [SESSION] * 8
    assert script.asked == 1


def test_files_of_sessions_that_are_over_are_taken_away(tmp_path: Path) -> None:
    directory = tmp_path / "artifact-signer" / "ci-sessions"
    directory.mkdir(parents=True)
    for name, age in (("old", 3700), ("new", 60)):
        (directory / name).write_text("{}")
        os.utime(directory / name, (time.time() - age,) * 2)
    environment = {"ARTIFACT_SIGNER_CI_TOKEN": TOKEN, "XDG_STATE_HOME": str(tmp_path)}
    with answering(given()) as server:
        ci_session(ClientSettings(url=server.url, api_token=None, ca_file=None), environment)
    assert not (directory / "old").exists()
    assert (directory / "new").exists()
