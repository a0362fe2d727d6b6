"""Where commands about devices do their work: over the API, or on the database of an installation.

Both take and give the JSON documents of the API.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from signer.cli.connection import connected
from signer.cli.local_database import local_database

if TYPE_CHECKING:
    from signer.client import Client
    from signer.services.devices import DeviceAdministration

Document = Mapping[str, Any]
DEVAUTH = "/api/management/v2/devauth"
PER_PAGE = 500


class DeviceSource(Protocol):
    """What the commands ask for."""

    def devices(self, statuses: Sequence[str]) -> list[Document]:
        """All, or those of these statuses."""

    def device(self, device: str) -> Document:
        """One."""

    def decide(self, device: str, auth_set: str, status: str) -> None:
        """Accept or reject a key."""

    def preauthorize(self, identity: str, public_key: str, *, force: bool) -> None:
        """Have a device accepted as soon as it asks."""

    def replace(
        self, device: str, auth_set: str, public_key: str, awaited_for: timedelta | None, overlap: timedelta
    ) -> None:
        """Plan its next key."""

    def dismiss(self, device: str, auth_set: str) -> None:
        """Take a key from it."""

    def decommission(self, device: str) -> None:
        """Let it be none of the installation's."""


class OverTheApi:
    """Asks a service."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def devices(self, statuses: Sequence[str]) -> list[Document]:
        """All, or those of these statuses."""
        found: list[Document] = []
        full = True
        while full:
            number = len(found) // PER_PAGE + 1
            page = self._client.listed(f"{DEVAUTH}/devices", status=list(statuses), page=number, per_page=PER_PAGE)
            found += page
            full = len(page) == PER_PAGE
        return found

    def device(self, device: str) -> Document:
        """One."""
        return self._client.read(_path(device))

    def decide(self, device: str, auth_set: str, status: str) -> None:
        """Accept or reject a key."""
        self._client.change("PUT", _path(device, "auth", auth_set, "status"), {"status": status})

    def preauthorize(self, identity: str, public_key: str, *, force: bool) -> None:
        """Have a device accepted as soon as it asks."""
        document = {"identity_data": json.loads(identity), "pubkey": public_key, "force": force}
        self._client.change("POST", f"{DEVAUTH}/devices", document)

    def replace(
        self, device: str, auth_set: str, public_key: str, awaited_for: timedelta | None, overlap: timedelta
    ) -> None:
        """Plan its next key."""
        document: dict[str, Any] = {"pubkey": public_key, "overlap": int(overlap.total_seconds())}
        if awaited_for is not None:
            document["expires_in"] = int(awaited_for.total_seconds())
        self._client.ask(_path(device, "auth", auth_set, "replace"), document)

    def dismiss(self, device: str, auth_set: str) -> None:
        """Take a key from it."""
        self._client.change("DELETE", _path(device, "auth", auth_set))

    def decommission(self, device: str) -> None:
        """Let it be none of the installation's."""
        self._client.change("DELETE", _path(device))


class OnTheDatabase:
    """Works on the database itself; whoever can open it may."""

    def __init__(self, devices: DeviceAdministration, *, actor: str) -> None:
        self._devices = devices
        self._actor = actor

    def devices(self, statuses: Sequence[str]) -> list[Document]:
        """All, or those of these statuses."""
        from signer.domain.devices import DeviceStatus
        from signer.services.device_documents import device_document
        from signer.services.device_ports import DeviceQuery

        found: list[Document] = []
        chosen, number, more = tuple(DeviceStatus(each) for each in statuses), 1, True
        while more:
            page = self._devices.devices(DeviceQuery(statuses=chosen, page=number, per_page=PER_PAGE))
            found += [device_document(each, self._devices.now()) for each in page.devices]
            number, more = number + 1, page.more
        return found

    def device(self, device: str) -> Document:
        """One."""
        from signer.services.device_documents import device_document

        return device_document(self._devices.device(device), self._devices.now())

    def decide(self, device: str, auth_set: str, status: str) -> None:
        """Accept or reject a key."""
        self._devices.decide(device, auth_set, status, actor=self._actor)

    def preauthorize(self, identity: str, public_key: str, *, force: bool) -> None:
        """Have a device accepted as soon as it asks."""
        from signer.errors import DeviceKnown
        from signer.services.devices import Preauthorization

        new = Preauthorization(unverified_identity=identity, unverified_pem=public_key, force=force)
        device, done = self._devices.preauthorize(new, actor=self._actor)
        if not done:
            raise DeviceKnown(device=device.id)

    def replace(
        self, device: str, auth_set: str, public_key: str, awaited_for: timedelta | None, overlap: timedelta
    ) -> None:
        """Plan its next key."""
        from signer.services.devices import Replacement

        new = Replacement(unverified_pem=public_key, awaited_for=awaited_for, overlap=overlap)
        self._devices.replace(device, auth_set, new, actor=self._actor)

    def dismiss(self, device: str, auth_set: str) -> None:
        """Take a key from it."""
        self._devices.dismiss(device, auth_set, actor=self._actor)

    def decommission(self, device: str) -> None:
        """Let it be none of the installation's."""
        self._devices.decommission(device, actor=self._actor)


@contextmanager
def opened(config: Path | None, command: str) -> Iterator[DeviceSource]:
    """The database of the installation, or the service where no configuration is given."""
    if config is None:
        with connected() as client:
            yield OverTheApi(client)
        return
    from signer.administration import configured_administration
    from signer.bootstrap import utc_now

    with local_database(config) as (settings, database):
        services = configured_administration(settings, database, utc_now)
        yield OnTheDatabase(services.devices, actor=f"artifact-signer {command}")


def _path(device: str, *parts: str) -> str:
    return "/".join([f"{DEVAUTH}/devices", *(quote(part, safe="") for part in (device, *parts))])
