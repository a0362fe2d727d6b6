"""A power cut between any two writes, or a write that fails: the device goes on, with one key that is accepted."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from device.client import DeviceClient
from device.errors import DeviceError
from device.http import Response
from device.key_ring import KEY, RingState
from device.keys import DeviceKey
from device.requests import Request
from device.store import UNFINISHED, Directory
from signer.domain.device_keys import DevicePublicKey
from tests.device.power import Power, PowerCut
from tests.device.scene import LOST_ANSWER, MemoryService, Time, a_device

WRITES_AT_LEAST = {"first start": 15, "renewal": 7, "change of the key": 20}


class House:
    """A device on a disk, its service, and what was done before the power goes."""

    def __init__(self, directory: Path, scenario: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.place = directory / "state"
        self.time = Time()
        self.service = MemoryService(time=self.time)
        self.scenario = scenario
        if scenario != "first start":
            self.device().token()
        self.before = None if scenario == "first start" else self.device().key().fingerprint

    def device(self) -> DeviceClient:
        """As after a restart."""
        return a_device(Directory(self.place), self.service, self.time)

    def act(self) -> None:
        device = self.device()
        match self.scenario:
            case "first start":
                device.token()
            case "renewal":
                device.authenticate()
            case _:
                device.rotate_key()

    def require_whole(self) -> None:
        """It gets a token that holds, by a key that is accepted; a change can be ended; nothing half is left."""
        self.time.now += 1
        device = self.device()
        assert device.request("GET", "/x").status == 200
        self._require_accepted(device.key())
        device.rotate_key()
        self.time.now += 1
        assert device.request("GET", "/x").status == 200
        self._require_accepted(device.key())
        assert device.status().ring is RingState.STEADY
        assert device.key().fingerprint != self.before
        names = {path.name for path in self.place.iterdir()}
        assert names == {"lock", "asked-at", "token", KEY}
        assert not any(name.endswith(UNFINISHED) for name in names)

    def _require_accepted(self, key: DeviceKey) -> None:
        known = self.service.device
        assert known is not None
        assert known.accepted is not None
        assert known.accepted.key.sha256 == DevicePublicKey.of_pem(key.public_pem).sha256


def cuts(directory: Path, scenario: str, **how: bool) -> Iterator[tuple[House, Power]]:
    """One house for each call at which the power goes, after it has gone."""
    for at in itertools.count():
        house = House(directory / str(at), scenario)
        power = Power(place=house.place, at=at, **how)
        try:
            with power.on():
                house.act()
        except PowerCut:
            yield house, power
        else:
            assert at >= WRITES_AT_LEAST[scenario]
            return


@pytest.mark.parametrize("lost", [False, True], ids=["what was not synced is there", "what was not synced is lost"])
@pytest.mark.parametrize("after", [False, True], ids=["before the call", "after it"])
@pytest.mark.parametrize("scenario", WRITES_AT_LEAST)
def test_a_power_cut_leaves_a_device_that_works(tmp_path: Path, scenario: str, after: bool, lost: bool) -> None:
    for house, power in cuts(tmp_path, scenario, after=after):
        if lost:
            power.lose()
        house.require_whole()


@pytest.mark.parametrize("scenario", WRITES_AT_LEAST)
def test_a_write_that_fails_is_an_error_and_leaves_a_device_that_works(tmp_path: Path, scenario: str) -> None:
    for at in itertools.count():
        house = House(tmp_path / str(at), scenario)
        with Power(place=house.place, at=at, fails=True).on() as power:
            try:
                house.act()
            except DeviceError as error:
                assert error.code in ("state-unusable", "key-missing")  # noqa: PT017  (some calls may fail unnoticed)
        if power.made <= at:
            assert at >= WRITES_AT_LEAST[scenario]
            return
        house.require_whole()


class Cutting:
    """The power goes when a request has been answered, and before the answer is heard."""

    def __init__(self, service: MemoryService, at: int) -> None:
        self._service, self._left = service, at

    def require_shown(self, key: DeviceKey) -> None:
        """No certificate is asked for."""

    def exchange(self, request: Request, *, key: DeviceKey, until: float) -> Response:
        answer = self._service.exchange(request, key=key, until=until)
        self._left -= 1
        if self._left < 0:
            raise PowerCut
        return answer


# Whether the token is there; what the change asks for: a token, the announcement, the token of the next key.
@pytest.mark.parametrize(("fresh", "at"), [(True, 0), (True, 1), (False, 0), (False, 1), (False, 2)])
def test_a_power_cut_while_an_answer_is_under_way(tmp_path: Path, fresh: bool, at: int) -> None:
    house = House(tmp_path, "change of the key")
    if not fresh:
        (house.place / "token").unlink()
    device = a_device(Directory(house.place), Cutting(house.service, at), house.time)
    with pytest.raises(PowerCut):
        device.rotate_key()
    house.require_whole()


@pytest.mark.parametrize("lost", range(4))
def test_an_answer_that_is_lost_again_and_again(tmp_path: Path, lost: int) -> None:
    house = House(tmp_path, "change of the key")
    house.service.faults = deque([None] * lost + [LOST_ANSWER] * 3)
    house.device().rotate_key()
    house.service.faults.clear()
    house.require_whole()
