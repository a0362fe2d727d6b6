"""What may be decided about keys of devices: every step from every status, and what devices are by it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from signer.domain.devices import AuthSet, AuthStatus, Device, DeviceStatus, checked_step, status_of
from signer.errors import AuthSetNotFound, DeviceRefusal, DeviceStepNotAllowed
from tests.support.device_side import SomeDevice

NOW = datetime(2026, 1, 1, tzinfo=UTC)
P, A, R, W, D = (
    AuthStatus.PENDING,
    AuthStatus.ACCEPTED,
    AuthStatus.REJECTED,
    AuthStatus.PREAUTHORIZED,
    AuthStatus.DISMISSED,
)
REACHED = {(P, A), (P, R), (A, P), (A, R), (R, A), (R, P)}
WANTED = [*(status.value for status in AuthStatus), "noauth", "Accepted", "accepted ", "", "x" * 1000]
ALL = {f"{have} to {want[:20]!r}": (have, want) for have in AuthStatus for want in WANTED}


@pytest.mark.parametrize("sentence", ALL)
def test_every_step(sentence: str) -> None:
    have, want = ALL[sentence]
    if (have, want) in {(status.value, status.value) for status in (P, A, R)}:
        assert checked_step(have, want) is None
    elif (have.value, want) in {(one.value, other.value) for one, other in REACHED}:
        assert checked_step(have, want) is AuthStatus(want)
    else:
        with pytest.raises(DeviceStepNotAllowed):
            checked_step(have, want)


STATUSES = {
    "no key": ((), DeviceStatus.NOAUTH),
    "dismissed keys alone": ((D, D), DeviceStatus.NOAUTH),
    "rejected": ((R, D), DeviceStatus.REJECTED),
    "pending over rejected": ((R, P), DeviceStatus.PENDING),
    "preauthorised over pending": ((R, P, W), DeviceStatus.PREAUTHORIZED),
    "accepted over all": ((R, P, W, A), DeviceStatus.ACCEPTED),
}


@pytest.mark.parametrize("sentence", STATUSES)
def test_a_device_has_the_highest_status_of_its_keys(sentence: str) -> None:
    sets, expected = STATUSES[sentence]
    assert status_of(sets) is expected


def auth_set(status: AuthStatus, *, number: int = 1, valid_until: datetime | None = None) -> AuthSet:
    return AuthSet(id=str(number), key=SomeDevice().public_key, status=status, created_at=NOW, valid_until=valid_until)


def device(*sets: AuthSet) -> Device:
    identity = SomeDevice().identity
    return Device(id="d", identity=identity, created_at=NOW, updated_at=NOW, checked_in_at=None, sets=sets)


REASONS = {
    "accepted": (device(auth_set(A)), None),
    "preauthorised": (device(auth_set(W)), None),
    "preauthorised in time": (device(auth_set(W, valid_until=NOW + timedelta(seconds=1))), None),
    "preauthorised until now": (device(auth_set(W, valid_until=NOW)), DeviceRefusal.EXPIRED),
    "pending": (device(auth_set(P)), DeviceRefusal.PENDING),
    "pending beside a rejected key": (device(auth_set(P), auth_set(R, number=2)), DeviceRefusal.PENDING),
    "pending beside an accepted key": (device(auth_set(P), auth_set(A, number=2)), DeviceRefusal.KEY_DIFFERS),
    "pending beside a preauthorised key": (device(auth_set(P), auth_set(W, number=2)), DeviceRefusal.KEY_DIFFERS),
    "rejected": (device(auth_set(R)), DeviceRefusal.REJECTED),
    "dismissed": (device(auth_set(D)), DeviceRefusal.REJECTED),
}


@pytest.mark.parametrize("sentence", REASONS)
def test_why_a_key_gets_no_token(sentence: str) -> None:
    found, reason = REASONS[sentence]
    assert found.refusal_of(found.sets[0], NOW) is reason


def test_the_sets_of_a_device_are_found() -> None:
    one, other = auth_set(A), auth_set(R, number=2)
    both = device(other, one)
    assert both.accepted is one
    assert both.set_of("2") is other
    assert both.with_key(other.key) is other
    assert both.with_key(SomeDevice().public_key) is None
    with pytest.raises(AuthSetNotFound):
        both.set_of("3")
