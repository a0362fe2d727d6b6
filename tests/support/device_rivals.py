"""What the processes of a crowd do to the devices of one database, each with threads."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from signer.domain.auth_requests import Freshness
from signer.domain.device_identity import DeviceIdentity
from signer.domain.device_keys import DevicePublicKey
from signer.errors import DeviceRefused
from signer.services.device_ports import Newcomer
from signer.storage.database import Database

from .crowd import in_threads
from .databases import settings
from .device_office import ACTOR, Office
from .device_side import id_data


def _now() -> datetime:
    return datetime.now(UTC)


def _outcomes(url: str, threads: int, step: Callable[[Office, int], str]) -> list[str]:
    database = Database(settings(url))
    office = Office(database, _now)

    def guarded(number: int) -> str:
        try:
            return step(office, number)
        except DeviceRefused as refused:
            return refused.reason.value

    try:
        return in_threads(threads, guarded)
    finally:
        database.close()


def meet(url: str, serial: str, pem: str, threads: int) -> list[str]:
    """Every thread sees the same device for the first time."""
    newcomer = Newcomer(
        identity=DeviceIdentity.of_text(id_data(serial)), key=DevicePublicKey.of_pem(pem), source="192.0.2.1"
    )
    return _outcomes(url, threads, lambda office, _: office.store.add_pending(newcomer).status.value)


def accept(url: str, device: str, sets: list[str]) -> list[str]:
    """Every thread accepts another key of one device."""
    return _outcomes(
        url,
        len(sets),
        lambda office, each: office.administration.decide(device, sets[each], "accepted", actor=ACTOR).status.value,
    )


def replay(url: str, serial: str, auth_set: str, threads: int, ts: int) -> list[str]:
    """Every thread is shown one request."""
    identity = DeviceIdentity.of_text(id_data(serial))

    def step(office: Office, _: int) -> str:
        device = office.store.known(identity)
        assert device is not None
        office.store.note(device, auth_set, Freshness(ts=ts, nonce="n" * 22))
        return "token"

    return _outcomes(url, threads, step)
