"""The change of a device's key, and who is in force after each of its refusals."""

from __future__ import annotations

from dataclasses import replace

import pytest

from device.client import DeviceClient
from device.errors import (
    AnswerInvalid,
    ClientCertificateRefused,
    DeviceError,
    KeyUnreadable,
    NotAccepted,
    RequestRefused,
    RotationRefused,
    RotationUnconfirmed,
    ServiceBusy,
    TokenRefused,
)
from device.key_ring import ANNOUNCED, KEY, NEXT_KEY, RingState
from device.keys import DeviceKey, KeyKind, made
from device.requests import KEY as KEY_PATH
from signer.domain.devices import AuthStatus
from tests.device.scene import MemoryService, MemoryStore, Time, a_device


@pytest.fixture
def device(store: MemoryStore, service: MemoryService, time: Time) -> DeviceClient:
    made = a_device(store, service, time)
    made.token()
    return made


def test_the_next_key_takes_the_place_of_the_present_one(
    device: DeviceClient, service: MemoryService, store: MemoryStore
) -> None:
    before, token = device.key().fingerprint, device.token()
    rotated = device.rotate_key()
    assert (rotated.resumed, rotated.fingerprint == before) == (False, False)
    assert service.statuses_of_sets() == ["rejected", "accepted"]
    assert device.token() != token
    assert device.request("GET", "/x").status == 200
    assert set(store.files) == {KEY, "token", "asked-at"}


def test_again_and_again_each_key_is_another_one(device: DeviceClient, service: MemoryService) -> None:
    keys = {device.rotate_key().fingerprint for _ in range(3)}
    assert len(keys) == 3
    assert service.statuses_of_sets() == ["rejected"] * 3 + ["accepted"]


def test_a_token_that_was_taken_away_is_renewed_first(device: DeviceClient, service: MemoryService) -> None:
    service.tokens.clear()
    device.rotate_key()
    assert service.statuses == [200, 401, 200, 200, 200]


# Answers to the announcement, to a token for it, and to the next key's request; None: as it is.
REFUSALS: dict[str, tuple[list[object], type[DeviceError], RingState]] = {
    "the announcement is refused for good": ([400], RequestRefused, RingState.ANNOUNCED),
    "the announcement finds a busy service": ([503] * 50, ServiceBusy, RingState.ANNOUNCED),
    "a new token is refused as well": ([401, None, 401], TokenRefused, RingState.ANNOUNCED),
    "nobody is accepted any more": ([401, 401, 401], NotAccepted, RingState.ANNOUNCED),
    "the next key is not accepted": ([None, 401], RotationUnconfirmed, RingState.ANNOUNCED),
    "the next key finds a busy service": ([None] + [503] * 50, ServiceBusy, RingState.ANNOUNCED),
}


@pytest.mark.parametrize("sentence", REFUSALS)
def test_the_present_key_is_in_force_after_a_refusal_and_the_change_can_be_ended(
    device: DeviceClient, service: MemoryService, store: MemoryStore, sentence: str
) -> None:
    faults, error, state = REFUSALS[sentence]
    before, following = device.key().fingerprint, None
    service.faults.extend(faults)
    with pytest.raises(error):
        device.rotate_key()
    service.faults.clear()
    following = device.status().next_fingerprint
    assert (device.key().fingerprint, device.status().ring) == (before, state)
    assert device.request("GET", "/x").status == 200
    assert (device.rotate_key().fingerprint, device.key().fingerprint) == (following, following)


def test_a_next_key_that_was_taken_from_the_device_is_given_up(
    device: DeviceClient, service: MemoryService, store: MemoryStore
) -> None:
    before = device.key().fingerprint
    service.faults.extend([None, 401])
    with pytest.raises(RotationUnconfirmed):
        device.rotate_key()
    following = DeviceKey.of_pem(NEXT_KEY, store.files[NEXT_KEY])
    device.authenticate()
    let_the_plan_end(service)
    with pytest.raises(RotationRefused) as refused:
        device.rotate_key()
    assert (refused.value.problem, refused.value.fingerprint) == ("device-key-taken", following.fingerprint)
    assert (device.key().fingerprint, device.status().ring) == (before, RingState.STEADY)
    assert not {NEXT_KEY, ANNOUNCED} & set(store.files)
    assert device.rotate_key().fingerprint != following.fingerprint


def let_the_plan_end(service: MemoryService) -> None:
    """The time in which the next key is awaited is over, which shows as rejected."""
    assert service.device is not None
    sets = tuple(
        replace(each, status=AuthStatus.REJECTED) if each.status is AuthStatus.PREAUTHORIZED else each
        for each in service.device.sets
    )
    service.device = replace(service.device, sets=sets)


def test_a_device_that_was_rejected_changes_nothing(
    device: DeviceClient, service: MemoryService, store: MemoryStore
) -> None:
    service.decide(device.key(), "rejected")
    before = store.files[KEY]
    for verb in (device.rotate_key, device.authenticate):
        with pytest.raises(NotAccepted):
            verb()
    assert store.files[KEY] == before
    assert service.statuses_of_sets()[0] == "rejected"


def test_a_key_that_was_never_announced_asks_nobody(
    device: DeviceClient, service: MemoryService, store: MemoryStore
) -> None:
    store.files[NEXT_KEY] = made(KeyKind.P256)
    assert device.status().ring is RingState.PREPARED
    service.decide(device.key(), "rejected")
    with pytest.raises(NotAccepted):
        device.authenticate()
    assert service.statuses_of_sets() == ["rejected"]


def test_a_next_key_without_a_certificate_is_not_put_in_force(
    device: DeviceClient, service: MemoryService, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = device.key().fingerprint

    def missing(key: DeviceKey) -> None:
        if key.fingerprint != before:
            raise ClientCertificateRefused(fingerprint=key.fingerprint, problem="none")

    monkeypatch.setattr(service, "require_shown", missing)
    mutual = a_device(store, service, service.time)
    # Refused, no certificate, and a token that is refused.
    for fault, error in ((409, RequestRefused), (200, AnswerInvalid), (401, TokenRefused)):
        service.faults.append(fault)
        with pytest.raises(error):
            mutual.rotate_key()
        assert (mutual.key().fingerprint, mutual.status().ring) == (before, RingState.ANNOUNCED)
    assert mutual.request("GET", "/x").status == 200
    assert not any(request.path == KEY_PATH for request in service.seen)


def test_a_next_key_that_cannot_be_read_leaves_the_present_one_in_force(
    device: DeviceClient, store: MemoryStore
) -> None:
    store.files[NEXT_KEY] = b"half a key"
    assert device.authenticate() == device.token()
    with pytest.raises(KeyUnreadable):
        device.rotate_key()
    assert store.files[NEXT_KEY] == b"half a key"


@pytest.mark.parametrize("mark", [b"", b"another", "0" * 64])
def test_a_mark_for_another_key_is_none(device: DeviceClient, store: MemoryStore, mark: bytes | str) -> None:
    store.files[ANNOUNCED] = mark if isinstance(mark, bytes) else mark.encode()
    assert device.status().ring is RingState.STEADY
    device.rotate_key()
    assert ANNOUNCED not in store.files
