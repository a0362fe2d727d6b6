"""Addresses: which stay on this machine, and whom to ask over HTTP."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_PATH = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)*/?")
_PORTS = {"http": 80, "https": 443}


def is_loopback(host: str) -> bool:
    """Whether ``host``, a name or an address without brackets, means this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Whom to ask: a URL without a query. ``prefix``: its path, without a slash at the end."""

    scheme: str
    host: str
    port: int
    prefix: str

    @classmethod
    def parse(cls, url: str, *, plain: bool = False) -> Address:
        """Read a URL; raises ``ValueError`` with what it must be. ``plain``: http may leave this machine."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError("is not a URL") from None
        if parts.scheme not in _PORTS or not parts.hostname or parts.username is not None or "?" in url or "#" in url:
            raise ValueError("must be https://HOST[:PORT][/PATH]")
        if not url.isascii() or not _PATH.fullmatch(parts.path):
            raise ValueError("has a path or a name that no URL has")
        if parts.scheme == "http" and not plain and not is_loopback(parts.hostname):
            raise ValueError("must be https:// unless it is on this machine")
        chosen = _PORTS[parts.scheme] if port is None else port
        return cls(scheme=parts.scheme, host=parts.hostname, port=chosen, prefix=parts.path.rstrip("/"))

    @property
    def authority(self) -> str:
        """For the ``Host`` field."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"
