"""A device's verbs: its key once, tokens kept and renewed, waits that are bounded, and what ends them."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest

from device.client import DeviceClient
from device.clock import EARLIEST
from device.errors import (
    AnswerInvalid,
    ClockWrong,
    DeviceError,
    KeyMissing,
    KeyUnreadable,
    NotAccepted,
    RequestRefused,
    ServiceBusy,
    ServiceUnreachable,
    TokenRefused,
)
from device.http import Response
from device.key_ring import KEY, NEXT_KEY
from device.requests import AUTH_REQUESTS
from tests.device.scene import BEGUN, LOST_ANSWER, LOST_REQUEST, MemoryService, MemoryStore, Time, a_device


@pytest.fixture
def device(store: MemoryStore, service: MemoryService, time: Time) -> DeviceClient:
    return a_device(store, service, time)


def sent(service: MemoryService) -> list[dict[str, object]]:
    return [json.loads(request.body) for request in service.seen if request.path == AUTH_REQUESTS]


class TestTheKey:
    def test_it_is_made_once(self, device: DeviceClient, store: MemoryStore) -> None:
        first = device.bootstrap()
        assert (first.made, first.algorithm) == (True, "secp256r1")
        content = store.files[KEY]
        assert (device.bootstrap().made, store.files[KEY]) == (False, content)

    def test_one_that_cannot_be_read_is_not_replaced(self, device: DeviceClient, store: MemoryStore) -> None:
        store.files[KEY] = b"half a key"
        for verb in (device.bootstrap, device.token, device.authenticate, device.rotate_key):
            with pytest.raises(KeyUnreadable):
                verb()
        assert store.files[KEY] == b"half a key"

    def test_a_next_key_without_a_present_one_is_not_taken_for_a_first_start(
        self, device: DeviceClient, store: MemoryStore
    ) -> None:
        device.bootstrap()
        store.files[NEXT_KEY] = store.files.pop(KEY)
        with pytest.raises(KeyMissing):
            device.token()
        assert KEY not in store.files


class TestTokens:
    def test_a_token_is_asked_for_once_and_found_again(
        self, device: DeviceClient, service: MemoryService, store: MemoryStore, time: Time
    ) -> None:
        token = device.token()
        assert a_device(store, service, time).token() == token
        assert len(service.seen) == 1

    def test_one_that_is_about_to_end_is_renewed_before(
        self, device: DeviceClient, service: MemoryService, time: Time
    ) -> None:
        token = device.token()
        time.now += service.lifetime - 90
        assert device.token() == token
        time.now += 60
        assert device.token() != token

    @pytest.mark.parametrize("kept", [b"", b"no token", b"a.b.c\n", b"\xff.b.c", b"a" * 20_000])
    def test_a_kept_file_that_is_no_token_is_asked_anew(
        self, device: DeviceClient, store: MemoryStore, kept: bytes
    ) -> None:
        device.bootstrap()
        store.files["token"] = kept
        assert device.token().text.encode() == store.files["token"] != kept

    def test_a_token_that_does_not_say_its_end_is_kept_until_it_is_refused(
        self, device: DeviceClient, service: MemoryService, store: MemoryStore
    ) -> None:
        device.bootstrap()
        for text in (b"a.b.c", b"e30.e30.AA", b"e30.eyJleHAiOiJzb29uIn0.AA", b"e30.eyJleHAiOjFlOTk5fQ.AA"):
            store.files["token"] = text
            assert device.token().text.encode() == text
        assert device.request("GET", "/x").status == 200
        assert service.statuses == [401, 200, 200]

    def test_two_that_were_refused_the_same_token_ask_once(self, device: DeviceClient, service: MemoryService) -> None:
        token = device.token()
        renewed = device.renew(token)
        assert device.renew(token) == renewed != token
        assert len(service.seen) == 2

    def test_a_new_token_that_is_refused_too_is_an_error(self, device: DeviceClient, service: MemoryService) -> None:
        device.token()
        service.faults.extend([401, None, 401])
        with pytest.raises(TokenRefused):
            device.request("GET", "/x")

    def test_other_statuses_are_the_callers(self, device: DeviceClient, service: MemoryService) -> None:
        device.token()
        service.faults.append(403)
        assert device.request("GET", "/x").status == 403

    @pytest.mark.parametrize(("method", "statuses"), [("GET", [200, 503, 200]), ("POST", [200, 503])])
    def test_only_what_may_be_repeated_is(
        self, device: DeviceClient, service: MemoryService, method: str, statuses: list[int]
    ) -> None:
        device.token()
        service.faults.append(503)
        device.request(method, "/x", body=b"x")
        assert service.statuses == statuses


class TestFreshness:
    def test_each_attempt_has_a_nonce_of_its_own(self, device: DeviceClient, service: MemoryService) -> None:
        service.faults.extend([LOST_ANSWER, LOST_REQUEST, 503])
        device.token()
        nonces = [members["nonce"] for members in sent(service)]
        assert len(set(nonces)) == len(nonces) == 3

    def test_a_clock_that_goes_back_a_little_sends_no_older_time(
        self, device: DeviceClient, service: MemoryService, time: Time
    ) -> None:
        device.authenticate()
        time.now -= 100
        device.authenticate()
        assert [members["ts"] for members in sent(service)] == [int(BEGUN)] * 2

    def test_a_time_that_was_far_ahead_is_forgotten(
        self, device: DeviceClient, service: MemoryService, store: MemoryStore
    ) -> None:
        device.bootstrap()
        store.files["asked-at"] = str(int(BEGUN) + 9_999).encode()
        device.authenticate()
        assert sent(service)[0]["ts"] == int(BEGUN)

    @pytest.mark.parametrize("kept", [b"", b"soon", b"-5", b"9" * 50, "٣".encode()])
    def test_a_kept_time_that_is_none_is_left_alone(
        self, device: DeviceClient, store: MemoryStore, kept: bytes
    ) -> None:
        store.files["asked-at"] = kept
        assert device.authenticate()


class Row(NamedTuple):
    """What goes wrong with each request, the error, and how often it was asked within 20 seconds."""

    faults: list[object]
    error: type[DeviceError]
    attempts: range


REFUSALS = {
    "a device that nobody accepted asks once": Row([401] * 9, NotAccepted, range(1, 2)),
    "what cannot be read is not sent again": Row([400] * 9, RequestRefused, range(1, 2)),
    "a redirection is not followed": Row([301] * 9, RequestRefused, range(1, 2)),
    "an answer without a token is none": Row([200] * 9, AnswerInvalid, range(1, 2)),
    "a busy service is asked less and less often": Row([503] * 99, ServiceBusy, range(4, 8)),
    "a service of too many requests is, too": Row([429] * 99, ServiceBusy, range(4, 8)),
    "what is not reached is tried again": Row([LOST_REQUEST] * 99, ServiceUnreachable, range(4, 8)),
}


@pytest.mark.parametrize("sentence", REFUSALS)
def test_a_refusal_ends_it_and_a_failure_is_tried_again(
    store: MemoryStore, service: MemoryService, time: Time, sentence: str
) -> None:
    row = REFUSALS[sentence]
    service.faults.extend(row.faults)
    with pytest.raises(row.error):
        a_device(store, service, time, deadline=20.0).token()
    assert len(row.faults) - len(service.faults) in row.attempts
    assert time.now <= BEGUN + 20.0
    assert "token" not in store.files
    bounds = [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    assert all(bound / 2 <= wait <= bound for wait, bound in zip(time.waits, bounds, strict=False))


def test_the_service_is_not_asked_before_it_said(device: DeviceClient, service: MemoryService, time: Time) -> None:
    service.retry_after = 20
    service.faults.append(429)
    device.token()
    assert 20.0 <= time.waits[0] <= 30.0


def test_what_would_wait_longer_than_the_deadline_ends_at_once(
    device: DeviceClient, service: MemoryService, time: Time
) -> None:
    service.retry_after = 3600
    service.faults.append(429)
    with pytest.raises(ServiceBusy) as busy:
        device.token()
    assert (busy.value.retry_after, time.waits) == (3600.0, [])


def test_a_clock_from_before_this_program_asks_nobody(device: DeviceClient, service: MemoryService, time: Time) -> None:
    time.now = EARLIEST.timestamp() - 1
    with pytest.raises(ClockWrong) as wrong:
        device.token()
    assert (service.seen, wrong.value.earliest) == ([], "2026-11-01T00:00:00+00:00")


@pytest.mark.parametrize(("date", "ahead"), [("", None), ("x", None), ("Fri, 15 Jan 2027 07:00:00 GMT", 3600)])
def test_who_is_refused_learns_of_a_clock_that_differs(
    device: DeviceClient, service: MemoryService, monkeypatch: pytest.MonkeyPatch, date: str, ahead: int | None
) -> None:
    def refused(*_: object, **__: object) -> Response:
        return Response(status=401, headers={"date": date}, body=b"")

    monkeypatch.setattr(service, "exchange", refused)
    with pytest.raises(NotAccepted) as error:
        device.token()
    assert error.value.clock_ahead == ahead


@pytest.mark.parametrize("verb", ["token", "rotate_key", "bootstrap"])
def test_no_secret_is_in_what_is_shown(
    device: DeviceClient, service: MemoryService, store: MemoryStore, verb: str
) -> None:
    token = device.token()
    shown = f"{token!r} {device.key()!r} {service.seen!r} {getattr(device, verb)()!r}"
    private = store.files[KEY].decode().split("\n")[1]
    assert token.text not in shown
    assert private not in shown
    assert "X-MEN" not in shown
