"""What a gateway says of the request that it asks about, and which of Mender's add-ons that request belongs to.

The two fields are the gateway's words, never a client's; what they say badly is the gateway's configuration.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from signer.errors import ForwardedRequestInvalid

METHOD_FIELD, URI_FIELD = "X-Forwarded-Method", "X-Forwarded-Uri"
_METHOD = re.compile(r"[A-Z]{1,20}")
# Origin form (RFC 9112 section 3.2.1), with the three slashes that each of Mender's routes has.
_URI = re.compile(r"/[!-~]*/[!-~]*/[!-~]*")
MAX_URI_CHARACTERS = 16 << 10
# Which add-on the routes of a service below /api/devices/vN/ are for.
ADDONS: Mapping[str, str] = MappingProxyType(
    {"deviceconfig": "configure", "deviceconnect": "troubleshoot", "devicemonitor": "monitor"}
)
_DEVICE_SERVICE = re.compile(r"/api/devices/v[0-9]+/([a-z]+)(?:[/?]|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardedRequest:
    """The request that a gateway asks about. ``uri``: path and query, as they were sent."""

    method: str
    uri: str

    @classmethod
    def parse(cls, *, method: str | None, uri: str | None) -> ForwardedRequest:
        """The two fields; raises ``ForwardedRequestInvalid``."""
        if method is None or not _METHOD.fullmatch(method):
            raise ForwardedRequestInvalid(header=METHOD_FIELD)
        if uri is None or len(uri) > MAX_URI_CHARACTERS or not _URI.fullmatch(uri):
            raise ForwardedRequestInvalid(header=URI_FIELD)
        return cls(method=method, uri=uri)

    @property
    def addon(self) -> str | None:
        """The add-on that a device needs for it; None where it needs none."""
        found = _DEVICE_SERVICE.match(self.uri)
        return ADDONS.get(found[1]) if found else None
