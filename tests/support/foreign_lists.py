"""Lists as another Mender server gives them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from signer.device_lists import DeviceListFile
from signer.domain.device_lists import ListProblem, Outcome
from signer.services.device_import import DeviceImport, ImportCounts, Remark
from signer.storage.device_import_store import SqlDeviceImport
from tests.support.device_office import Office
from tests.support.device_side import SomeDevice, id_data, known_key, pem_of

FOREIGN = uuid.UUID("5e1f0000-0000-4000-8000-000000000000")
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def foreign_id(name: str) -> str:
    """An id that the other server gave."""
    return str(uuid.uuid5(FOREIGN, name))


def listed_set(serial: str, pem: str, status: str = "accepted", *, name: str = "key", **more: Any) -> dict[str, Any]:
    """A key of a device, in the list."""
    return {
        "id": foreign_id(f"{serial}/{name}"),
        "identity_data": json.loads(id_data(serial)),
        "pubkey": pem,
        "ts": "2025-02-03T04:05:06.789Z",
        "status": status,
        **more,
    }


def listed(serial: str = "SN-0042", status: str = "accepted", *, key: str = "p-256", **more: Any) -> dict[str, Any]:
    """A device with one key, as ``GET /api/management/v2/devauth/devices`` has it."""
    return {
        "id": foreign_id(serial),
        "identity_data": json.loads(id_data(serial)),
        "status": status,
        "created_ts": "2025-02-03T04:05:06.789Z",
        "updated_ts": "2025-02-04T04:05:06.789Z",
        "auth_sets": [listed_set(serial, pem_of(known_key(key)), status)],
        "decommissioning": False,
        **more,
    }


def device_of(serial: str = "SN-0042", key: str = "p-256") -> SomeDevice:
    """The device itself."""
    return SomeDevice(serial=serial, key=known_key(key))


def written(path: Path, devices: Iterable[object]) -> Path:
    """A list in a file."""
    path.write_text(json.dumps(list(devices)))
    return path


def importing_into(office: Office, *, limit: int | None = None, batch: int = 2) -> DeviceImport:
    """The import where the office is."""
    records = SqlDeviceImport(database=office.database, clock=office.clock, limit=limit)
    return DeviceImport(records=records, clock=office.clock, batch=batch)


def imported(
    importing: DeviceImport, path: Path, *, skip_faulty: bool = False
) -> tuple[ImportCounts, list[tuple[int, Outcome | ListProblem]]]:
    """What an import counted, and what it remarked."""
    remarks: list[Remark] = []
    with DeviceListFile(path) as devices:
        counts = importing.review(devices, remarks.append, skip_faulty=skip_faulty)
        counts = importing.take(devices, counts, actor="tests")
    return counts, [(each.number, each.reason) for each in remarks]


def problems(path: Path) -> Iterator[ListProblem | None]:
    """Of each entry of a file, what is not understood."""
    with DeviceListFile(path) as devices:
        for entry in devices.entries(now=NOW):
            yield entry.problem
