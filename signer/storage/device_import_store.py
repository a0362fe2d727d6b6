"""Devices of another server in SQL: what of them is on record, and new ones in batches with a leaf for each key.

1. The order of locks is that of all who change devices: head of the log, devices, keys.
2. A device that asked here before it was imported, and about which nobody decided, gives way. One that asks at the same
   moment is told apart by an index, and the batch is taken again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, insert, or_, select
from sqlalchemy.exc import IntegrityError

from signer.domain.device_changes import event_of
from signer.domain.device_lists import (
    EntryRefused,
    ListedDevice,
    ListProblem,
    Outcome,
    RecordedDevice,
    placed,
)
from signer.domain.devices import AuthStatus
from signer.domain.events import EventType
from signer.errors import DeviceLimitReached
from signer.services.ports import Clock
from signer.storage.database import Database, retried
from signer.storage.device_tables import FORMER, auth_sets, devices
from signer.storage.log_transaction import LogTransaction, logged

# How often a batch is taken when strangers ask for the same devices at the same moment.
ROUNDS = 5
_PENDING = AuthStatus.PENDING.value


class SqlDeviceImport:
    """``services.device_import_ports.DeviceImportRecords`` on SQLAlchemy Core. ``limit``: of accepted devices."""

    def __init__(self, *, database: Database, clock: Clock, limit: int | None) -> None:
        self._database = database
        self._clock = clock
        self._limit = limit

    def placed(self, listed: Sequence[ListedDevice]) -> list[Outcome | ListProblem]:
        """As the port."""
        with self._database.snapshot() as connection:
            return [reason for reason, _ in _placed(connection, listed, lock=False)]

    def take(self, listed: Sequence[ListedDevice], *, actor: str, list_sha256: str) -> list[Outcome | ListProblem]:
        """As the port."""
        for _ in range(ROUNDS - 1):
            try:
                return self._take(listed, actor, list_sha256)
            except IntegrityError:
                continue
        return self._take(listed, actor, list_sha256)

    def require_room(self, number: int) -> None:
        """As the port."""
        with self._database.reading() as connection:
            self._require_room(connection, number)

    @retried
    def _take(self, listed: Sequence[ListedDevice], actor: str, list_sha256: str) -> list[Outcome | ListProblem]:
        with logged(self._database, self._clock) as log:
            found = _placed(log.connection, listed, lock=True)
            new = [
                (each, over) for each, (reason, over) in zip(listed, found, strict=True) if reason is Outcome.IMPORTED
            ]
            if new:
                self._require_room(log.connection, sum(each.device.accepted is not None for each, _ in new))
                _give_way(log.connection, [device_id for _, over in new for device_id in over])
                _add(log.connection, [each for each, _ in new])
                _tell(log, [each for each, _ in new], actor, list_sha256)
            return [reason for reason, _ in found]

    def _require_room(self, connection: Connection, number: int) -> None:
        if self._limit is None or not number:
            return
        accepted = select(func.count()).select_from(auth_sets).where(auth_sets.c.status == AuthStatus.ACCEPTED.value)
        if connection.execute(accepted).scalar_one() + number > self._limit:
            raise DeviceLimitReached(limit=self._limit)


def _placed(
    connection: Connection, listed: Sequence[ListedDevice], *, lock: bool
) -> list[tuple[Outcome | ListProblem, tuple[str, ...]]]:
    """What becomes of each, and the ids of the devices that give way to it."""
    recorded = _recorded(connection, listed, lock=lock)
    owners = _owners(connection, listed)
    found: list[tuple[Outcome | ListProblem, tuple[str, ...]]] = []
    for each in listed:
        device = each.device
        near = {other.id: other for name in (device.id, device.identity.sha256) for other in recorded[name]}
        taken = any(owners.get(auth_set.id, device.id) != device.id for auth_set in device.sets)
        try:
            reason: Outcome | ListProblem = placed(each, list(near.values()), set_taken=taken)
        except EntryRefused as refused:
            reason = refused.problem
        found.append((reason, tuple(near) if reason is Outcome.IMPORTED else ()))
    return found


def _recorded(connection: Connection, listed: Sequence[ListedDevice], *, lock: bool) -> dict[str, list[RecordedDevice]]:
    """The devices on record by their ids and by their identities."""
    ids = [each.device.id for each in listed]
    identities = [each.device.identity.sha256 for each in listed]
    near = (
        select(devices.c.id, devices.c.identity_sha256, devices.c.decommissioning)
        .where(or_(devices.c.id.in_(ids), devices.c.identity_sha256.in_(identities)))
        .order_by(devices.c.id)
    )
    rows = connection.execute(near.with_for_update() if lock else near).all()
    sets: dict[str, list[Any]] = defaultdict(list)
    query = select(auth_sets.c.device_id, auth_sets.c.pubkey_sha256, auth_sets.c.status, auth_sets.c.revision)
    for each in connection.execute(query.where(auth_sets.c.device_id.in_([row.id for row in rows]))):
        sets[each.device_id].append(each)
    found: dict[str, list[RecordedDevice]] = defaultdict(list)
    for row in rows:
        own = sets[row.id]
        device = RecordedDevice(
            id=row.id,
            identity_sha256=row.identity_sha256,
            decommissioned=row.decommissioning,
            keys=frozenset(key.pubkey_sha256 for key in own),
            # What somebody has decided about has moved the counter.
            untouched=bool(own) and all(key.status == _PENDING and key.revision == 0 for key in own),
        )
        for name in (device.id, device.identity_sha256):
            found[name].append(device)
    return found


def _owners(connection: Connection, listed: Sequence[ListedDevice]) -> dict[str, str]:
    """Whose the keys' sets of these ids are."""
    ids = [auth_set.id for each in listed for auth_set in each.device.sets]
    query = select(auth_sets.c.id, auth_sets.c.device_id).where(auth_sets.c.id.in_(ids))
    return {row.id: row.device_id for row in connection.execute(query)}


def _give_way(connection: Connection, device_ids: Sequence[str]) -> None:
    """Forget devices that only asked."""
    if device_ids:
        connection.execute(delete(auth_sets).where(auth_sets.c.device_id.in_(device_ids)))
        connection.execute(delete(devices).where(devices.c.id.in_(device_ids)))


def _add(connection: Connection, new: Sequence[ListedDevice]) -> None:
    connection.execute(
        insert(devices),
        [
            {
                "id": each.device.id,
                "identity_sha256": each.device.identity.sha256,
                "identity": each.device.identity.text,
                "status": each.device.status.value,
                "decommissioning": False,
                "created_at": each.device.created_at,
                "updated_at": each.device.updated_at,
            }
            for each in new
        ],
    )
    connection.execute(
        insert(auth_sets),
        [
            {
                "id": auth_set.id,
                "device_id": each.device.id,
                "pubkey_sha256": auth_set.key.sha256,
                "pubkey": auth_set.key.spki,
                "status": auth_set.status.value,
                "created_at": auth_set.created_at,
                "revision": FORMER if each.named and auth_set.status is AuthStatus.ACCEPTED else 0,
            }
            for each in new
            for auth_set in each.device.sets
        ],
    )


def _tell(log: LogTransaction, new: Sequence[ListedDevice], actor: str, list_sha256: str) -> None:
    for each in new:
        for auth_set in each.device.sets:
            log.tell(
                event_of(
                    EventType.DEVICE_IMPORTED,
                    actor,
                    each.device,
                    auth_set,
                    before=None,
                    after_status=auth_set.status,
                    more={"list_sha256": list_sha256},
                )
            )
