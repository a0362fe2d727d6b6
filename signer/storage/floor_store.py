"""Floors of versions in SQL, for people who look at them or set them. The recorder has statements of its own."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from signer.domain.access.versions import Order
from signer.domain.floors import Floor, FloorPlace, FloorSetting, floor_event
from signer.domain.leaves import event_draft
from signer.errors import FloorInvalid, KeyNotFound, LogMissing
from signer.services.approval_ports import Permit
from signer.services.ports import Clock
from signer.storage.access_tables import version_floors
from signer.storage.database import Database, retried
from signer.storage.log_transaction import logged
from signer.storage.permits import permitted
from signer.storage.tables import keys


class SqlFloorStore:
    """``services.access_ports.FloorStore`` on SQLAlchemy Core."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def floors(self, key: str | None) -> tuple[tuple[FloorPlace, Floor], ...]:
        """All, or those of a key, by their places."""
        with self._database.reading() as connection:
            return tuple(sorted(read_floors(connection, key=key).items()))

    @retried
    def set(self, setting: FloorSetting, *, actor: str, reason: str, permit: Permit | None = None) -> Floor:
        """Set one, higher or lower; raises ``KeyNotFound``, ``FloorInvalid`` or ``AccessMovedError``."""
        key, device, payload = setting.place
        with logged(self._database, self._clock) as log:
            if log.head.size == 0:
                raise LogMissing
            if log.connection.execute(select(keys.c.id).where(keys.c.name == key)).first() is None:
                raise KeyNotFound(key=key)
            before = read_floors(log.connection, key=key).get(setting.place)
            event = floor_event(setting.place, before, setting.order, setting.version, actor=actor, reason=reason)
            event = permitted(log, permit, event)
            if "after" not in event_draft(event).members:
                raise FloorInvalid(problem="its names and the reason are too long for a leaf")
            floor = Floor(order=setting.order, version=setting.version, leaf=log.head.size)
            table = version_floors.c
            here = (table.key == key, table.device_type == device, table.payload_type == payload)
            log.connection.execute(delete(version_floors).where(*here))
            log.connection.execute(insert(version_floors).values(floor_row(setting.place, floor)))
            log.tell(event)
        return floor


def floor_row(place: FloorPlace, floor: Floor) -> dict[str, object]:
    """A row of the table."""
    key, device, payload = place
    return {
        "key": key,
        "device_type": device,
        "payload_type": payload,
        "order": floor.order.value,
        "version": floor.version,
        "set_by_leaf": floor.leaf,
    }


def read_floors(connection: Connection, *, key: str | None = None) -> dict[FloorPlace, Floor]:
    """The table, or a key's part of it; raises ``ValueError`` where an order is none."""
    wanted = select(version_floors)
    if key is not None:
        wanted = wanted.where(version_floors.c.key == key)
    return {
        (row.key, row.device_type, row.payload_type): Floor(
            order=Order(row.order), version=row.version, leaf=row.set_by_leaf
        )
        for row in connection.execute(wanted)
    }
