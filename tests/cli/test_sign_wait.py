"""``artifact-signer sign --wait``: what is waited for, how long, and what is not."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from signer.answers import ServiceRefusal
from signer.cli import approval_wait
from signer.cli.approval_wait import ApprovalWait
from signer.cli.exit_codes import REFUSED, UNREACHABLE, WAITING
from tests.cli.test_sign import Service, Sign, http, sign, verified

__all__ = ["sign"]

MODES = {"whole": ("--whole",), "by its head": ()}
ID, DIGEST = "0123456789abcdef" * 2, "ab" * 32
FACTS = {"about": "a signature", "approval": ID, "sha256": DIGEST, "lacking": ["2 of qa"]}
TOLD = f"approval {ID} of sha256 {DIGEST} waits for 2 of qa"


def problem(status: int, code: str, *headers: str, **members: Any) -> bytes:
    document = {"code": code, "detail": f"it is {code}", "hint": "do something", **members}
    return http(status, json.dumps(document).encode(), "application/problem+json", *headers)


WAITS = problem(403, "approval-required", "Retry-After: 0", facts=FACTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded(Service):
    """It answers so first, then signs."""

    first: list[bytes] = field(default_factory=list)

    def answer(self, head: str) -> bytes:
        if head.startswith("POST") and self.first:
            return self.first.pop(0)
        return Service.answer(self, head)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approval_wait, "LEAST_PAUSE_SECONDS", 0.0)


@pytest.mark.parametrize("option", ["--wait", "--wait=1m"])
@pytest.mark.parametrize("mode", MODES)
def test_it_asks_until_it_is_approved(sign: Sign, mode: str, option: str) -> None:
    done = sign(Guarded(first=[WAITS] * 3), *MODES[mode], option)
    verified(done)
    assert len([line for line in done.asked if line.startswith("POST")]) == 4
    assert done.err.count(TOLD) == 1


@pytest.mark.parametrize("mode", MODES)
def test_nobody_waits_unasked(sign: Sign, mode: str) -> None:
    done = sign(Guarded(first=[WAITS] * 9), *MODES[mode])
    assert (done.code, done.files, len(done.asked)) == (WAITING, {}, 1)
    assert TOLD in done.err
    assert "artifact-signer: it is approval-required\nhint: do something" in done.err


def test_waiting_ends(sign: Sign) -> None:
    slow = problem(403, "approval-required", "Retry-After: 300", facts=FACTS)
    done = sign(Guarded(first=[slow] * 99), "--wait=1s")
    assert (done.code, done.files) == (WAITING, {})


NOT_WAITED_FOR = {
    "a rejection": (problem(403, "approval-rejected", "Retry-After: 0"), REFUSED),
    "a refusal by the rules": (problem(403, "access-denied", "Retry-After: 0"), REFUSED),
    "the same code with another status": (problem(503, "approval-required", "Retry-After: 0"), WAITING),
    "a limit": (problem(429, "rate-limited", "Retry-After: 0"), REFUSED),
    "a key that is not there": (problem(404, "key-not-found"), REFUSED),
    "a page of a proxy": (http(403, b"<html>", "text/html", "Retry-After: 0"), UNREACHABLE),
    "a refusal that is none of the service's": (
        http(403, b'{"code": "approval-required"}', "application/json", "Retry-After: 0"),
        UNREACHABLE,
    ),
}


@pytest.mark.parametrize("sentence", NOT_WAITED_FOR)
def test_is_not_waited_for(sign: Sign, sentence: str) -> None:
    answer, code = NOT_WAITED_FOR[sentence]
    done = sign(Guarded(first=[answer] * 9), "--wait")
    assert (done.code, done.files, len(done.asked)) == (code, {}, 1)


@pytest.mark.parametrize("sentence", ["a rejection", "a refusal by the rules"])
def test_a_refusal_ends_the_waiting(sign: Sign, sentence: str) -> None:
    answer, code = NOT_WAITED_FOR[sentence]
    done = sign(Guarded(first=[WAITS, WAITS, answer, WAITS]), "--wait")
    assert (done.code, done.files, len(done.asked)) == (code, {}, 3)


@pytest.mark.parametrize("duration", ["", "0s", "-1m", "1", "8d", "release.mender"])
def test_what_is_no_length_of_time(sign: Sign, duration: str) -> None:
    done = sign(Service(), f"--wait={duration}")
    assert (done.code, done.asked) == (2, ())


@dataclass(slots=True)
class Clock:
    """Time that passes only where somebody waits."""

    now: float = 100.0
    pauses: list[float] = field(default_factory=list)

    def wait(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def monotonic(self) -> float:
        return self.now


def waited(clock: Clock, patience: float, **members: Any) -> ServiceRefusal:
    def refuse() -> None:
        raise ServiceRefusal(sentence="wait", code="approval-required", status=403, **members)

    with pytest.raises(ServiceRefusal) as refused:
        ApprovalWait(patience=patience, wait=clock.wait, monotonic=clock.monotonic)(refuse)
    return refused.value


PAUSES: dict[str, tuple[int | None, list[float]]] = {
    "as the service says": (40, [40.0, 40.0, 20.0]),
    "no longer than anybody waits": (10_000, [100.0]),
    "as nobody says": (None, [30.0, 30.0, 30.0, 10.0]),
}


@pytest.mark.parametrize("sentence", PAUSES)
def test_it_asks_again(sentence: str) -> None:
    retry_after, pauses = PAUSES[sentence]
    clock = Clock()
    waited(clock, 100.0, document={}, retry_after=retry_after)
    assert clock.pauses == pauses


def test_a_service_that_is_asked_at_once_is_not_asked_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approval_wait, "LEAST_PAUSE_SECONDS", 1.0)
    clock = Clock()
    waited(clock, 10.0, document={}, retry_after=0)
    assert clock.pauses == [1.0] * 10


STRANGE: dict[str, Any] = {
    "no facts": {},
    "facts that are a list": {"facts": [1]},
    "an id that is a number": {"facts": {"approval": 5, "sha256": None, "lacking": "qa"}},
    "what a terminal would obey": {"facts": {**FACTS, "lacking": ["\x1b[2J" * 9999]}},
}


@pytest.mark.parametrize("sentence", STRANGE)
def test_what_the_service_says_is_shown_as_far_as_it_can_be(sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    waited(Clock(), 0.0, document=STRANGE[sentence])
    told = capsys.readouterr().err
    assert "waits for" in told
    assert "\x1b" not in told
    assert len(told) < 3000
