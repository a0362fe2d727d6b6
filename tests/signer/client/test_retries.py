"""What is asked again, when, and for how long; and what is not."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from signer.answers import ClientError, ConnectionFailed, ServiceRefusal, UnexplainedStatus
from signer.client import AsyncClient, Client, ClientSettings
from signer.client.retries import LONGEST_PAUSE_SECONDS, Attempts, is_transient
from tests.cli.test_strange_answers import http
from tests.support.canned import answering

JSON, PROBLEM = "application/json", "application/problem+json"
KEYS = http(200, b'{"keys": []}', JSON)


def refusal(status: int, retry_after: int | None = None, code: str = "some-code") -> ServiceRefusal:
    return ServiceRefusal(sentence="no", code=code, status=status, document={}, retry_after=retry_after)


ERRORS: dict[str, tuple[ClientError, bool]] = {
    "a connection that failed": (ConnectionFailed(sentence="no"), True),
    "a gateway that reached nobody": (UnexplainedStatus(sentence="no", status=502), True),
    "a gateway that is overloaded": (UnexplainedStatus(sentence="no", status=503), True),
    "a gateway that waited in vain": (UnexplainedStatus(sentence="no", status=504), True),
    "a service that is busy and says until when": (refusal(503, 5), True),
    "a limit that says when": (refusal(429, 1), True),
    "a service that fails for good": (refusal(503), False),
    "a limit for good": (refusal(429), False),
    "approvals that are missing": (refusal(403, 30, "approval-required"), False),
    "a refusal by the rules": (refusal(403), False),
    "an artifact that devices would refuse": (refusal(422), False),
    "a conflict": (refusal(409), False),
    "a defect of the service": (refusal(500, 5), False),
    "a page with another status": (UnexplainedStatus(sentence="no", status=500), False),
    "a page that says that something is not there": (UnexplainedStatus(sentence="no", status=404), False),
    "what is no answer of the service": (ClientError(sentence="no"), False),
}


@pytest.mark.parametrize("sentence", ERRORS)
def test_may_go_better_soon(sentence: str) -> None:
    error, transient = ERRORS[sentence]
    assert is_transient(error) is transient


@dataclass(slots=True)
class Clock:
    now: float = 100.0
    pauses: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now

    def until_given_up(self, error: ClientError, seconds: float, uniform: Callable[[float, float], float]) -> None:
        attempts = Attempts(seconds=seconds, monotonic=self.monotonic, uniform=uniform)
        while True:
            try:
                self.pauses.append(attempts.pause_after(error))
            except ClientError as raised:
                assert raised is error  # noqa: PT017  (the loop that it ends is what is tried)
                return
            self.now += self.pauses[-1]


def longest(_least: float, most: float) -> float:
    return most


def test_pauses_double_up_to_a_bound_and_end_in_time() -> None:
    clock = Clock()
    clock.until_given_up(ConnectionFailed(sentence="no"), 60.0, longest)
    assert clock.pauses == [0.5, 1.0, 2.0, 4.0, 8.0, LONGEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS]


def test_pauses_are_spread() -> None:
    clock = Clock()
    clock.until_given_up(ConnectionFailed(sentence="no"), 2.0, lambda least, most: (least + most) / 2)
    assert clock.pauses == [0.375, 0.75]


def test_a_pause_is_never_shorter_than_the_service_says() -> None:
    clock = Clock()
    clock.until_given_up(refusal(503, 7), 20.0, longest)
    assert clock.pauses == [7.0, 7.0]


@pytest.mark.parametrize("seconds", [0.0, 30.0])
def test_who_would_have_to_wait_too_long_does_not_wait(seconds: float) -> None:
    clock = Clock()
    clock.until_given_up(refusal(429, 31), seconds, longest)
    assert clock.pauses == []


@dataclass(slots=True)
class Script:
    """Answers, one after the other, the last one for ever."""

    answers: list[bytes]
    asked: int = 0

    def __call__(self, _head: str) -> bytes:
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def problem(status: int, code: str, *headers: str) -> bytes:
    return http(status, json.dumps({"code": code, "detail": "no", "status": status}).encode(), PROBLEM, *headers)


BUSY = problem(503, "service-busy", "Retry-After: 3")
Made = tuple[Any, list[float], list[str]]
Ask = Callable[[Any], Any]


def sync_made(settings: ClientSettings, ask: Ask) -> Made:
    waited: list[float] = []
    told: list[str] = []
    with Client(settings, wait=waited.append, told=lambda error, _: told.append(str(error))) as client:
        return ask(client), waited, told


def async_made(settings: ClientSettings, ask: Ask) -> Made:
    waited: list[float] = []
    told: list[str] = []

    async def wait(seconds: float) -> None:
        waited.append(seconds)

    async def made() -> Any:
        async with AsyncClient(settings, wait=wait, told=lambda error, _: told.append(str(error))) as client:
            return await ask(client)

    return asyncio.run(made()), waited, told


BOTH = {"sync": sync_made, "async": async_made}


def settings(url: str, retry_seconds: float = 30.0) -> ClientSettings:
    return ClientSettings(url=url, api_token="token", ca_file=None, timeout=20.0, retry_seconds=retry_seconds)


@pytest.mark.parametrize("client", BOTH)
class TestACall:
    """Of either client."""

    def test_is_made_again_until_it_is_answered(self, client: str) -> None:
        script = Script([BUSY, b"", http(502, b"<html>", "text/html"), KEYS])
        with answering(script) as server:
            value, waited, told = BOTH[client](settings(server.url), lambda asked: asked.keys())
        assert (value, script.asked, len(told)) == ((), 4, 3)
        assert waited[0] == 3.0
        assert all(0 < each < 30 for each in waited)

    def test_is_made_once_where_nobody_wants_more(self, client: str) -> None:
        script = Script([BUSY, KEYS])
        with answering(script) as server, pytest.raises(ServiceRefusal, match="no"):
            BOTH[client](settings(server.url, 0.0), lambda asked: asked.keys())
        assert script.asked == 1

    def test_that_is_refused_for_good_is_made_once(self, client: str) -> None:
        script = Script([problem(404, "key-not-found"), KEYS])
        with answering(script) as server, pytest.raises(ServiceRefusal):
            BOTH[client](settings(server.url), lambda asked: asked.keys())
        assert script.asked == 1

    def test_that_gets_garbage_is_made_once(self, client: str) -> None:
        script = Script([http(200, b'{"keys": 7}', JSON), KEYS])
        with answering(script) as server, pytest.raises(ClientError, match="is no list"):
            BOTH[client](settings(server.url), lambda asked: asked.keys())
        assert script.asked == 1


def begun(client: Any) -> bytes:
    with client.sign_artifact("firmware", io.BytesIO(b"an artifact"), 11) as incoming:
        return b"".join(incoming.chunks)


async def begun_async(client: Any) -> bytes:
    async with client.sign_artifact("firmware", io.BytesIO(b"an artifact"), 11) as incoming:
        return b"".join([chunk async for chunk in incoming.chunks])


UPLOADS: dict[str, Callable[[Any], bytes | Awaitable[bytes]]] = {"sync": begun, "async": begun_async}
SIGNED = http(200, b"signed", "application/vnd.mender-artifact", "X-Signing-Key-Version: 1",
              "X-Signing-Key-Fingerprint: " + "0" * 64)  # fmt: skip


@pytest.mark.parametrize("client", BOTH)
def test_a_whole_artifact_is_sent_again_from_its_start(client: str) -> None:
    script = Script([BUSY, SIGNED])
    with answering(script) as server:
        value, waited, _ = BOTH[client](settings(server.url), UPLOADS[client])
    assert (value, waited, script.asked) == (b"signed", [3.0], 2)


@pytest.mark.parametrize("client", BOTH)
def test_an_artifact_that_comes_back_is_not_asked_for_in_the_middle(client: str) -> None:
    broken = SIGNED.replace(b"Content-Length: 6", b"Content-Length: 99")
    script = Script([broken, SIGNED])
    with answering(script) as server, pytest.raises(ConnectionFailed):
        BOTH[client](settings(server.url), UPLOADS[client])
    assert script.asked == 1


@pytest.mark.parametrize("verb", ["ask", "change"])
def test_what_may_change_something_is_asked_once(verb: str) -> None:
    script = Script([BUSY, http(200, b"{}", JSON)])
    asks: dict[str, Ask] = {
        "ask": lambda client: client.ask("/v1/keys", {}),
        "change": lambda client: client.change("POST", "/v1/people/ada/disable"),
    }
    with answering(script) as server, pytest.raises(ServiceRefusal):
        sync_made(settings(server.url), asks[verb])
    assert script.asked == 1
