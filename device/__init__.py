"""A device's own side: its key, requests and tokens, which servers it believes, and what was recalled.

``open_device(read_settings(path)).client`` has one verb for each thing that a device does: ``bootstrap``, ``token``,
``renew``, ``request``, ``rotate_key``. Each returns what came of it or raises a ``DeviceError``, within its deadline.
Needs the standard library and ``cryptography``.
"""

from __future__ import annotations

from device.bootstrap import Device, open_device
from device.client import Bootstrapped, DeviceClient, KeyStatus
from device.errors import DeviceError
from device.http import Response, ServerAddress
from device.keys import DeviceKey, KeyKind
from device.recalled import RecalledList, RecalledLists
from device.renewal import Renewed
from device.rotation import Rotated
from device.settings import Settings, read_settings
from device.store import Directory, Store
from device.tokens import Token
from device.transport import HttpsTransport, ServerTrust, Transport

__all__ = [
    "Bootstrapped",
    "Device",
    "DeviceClient",
    "DeviceError",
    "DeviceKey",
    "Directory",
    "HttpsTransport",
    "KeyKind",
    "KeyStatus",
    "RecalledList",
    "RecalledLists",
    "Renewed",
    "Response",
    "Rotated",
    "ServerAddress",
    "ServerTrust",
    "Settings",
    "Store",
    "Token",
    "Transport",
    "open_device",
    "read_settings",
]
