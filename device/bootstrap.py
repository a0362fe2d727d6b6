"""The one place that puts a device together."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass

from device.bundle import TrustedServers
from device.certificates import ClientCertificates
from device.client import DeviceClient
from device.recalled import RecalledLists
from device.settings import Settings
from device.store import Directory
from device.transport import HttpsTransport


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device on this machine, what it believes servers by, and what it must not install."""

    client: DeviceClient
    servers: TrustedServers
    certificates: ClientCertificates | None
    recalled: RecalledLists | None


def open_device(settings: Settings) -> Device:
    """The device of these settings; nothing is read, made or asked before one of its verbs is called."""
    directory = Directory(settings.state_directory)

    def lock() -> AbstractContextManager[None]:
        return directory.locked(time.monotonic() + settings.deadline)

    servers = TrustedServers(file=settings.server_certificates, store=directory, lock=lock)
    given = settings.client_certificate
    certificates = None if given is None else ClientCertificates(directory=directory, given=given)
    transport = HttpsTransport(
        address=settings.server, servers=servers, trust=settings.server_trust, certificates=certificates
    )
    client = DeviceClient(
        store=directory,
        transport=transport,
        identity=settings.identity,
        kind=settings.key_type,
        deadline=settings.deadline,
    )
    keys = settings.recalled_keys
    recalled = None if keys is None else RecalledLists(keys=keys, store=directory, lock=lock)
    return Device(client=client, servers=servers, certificates=certificates, recalled=recalled)
