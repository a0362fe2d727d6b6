"""Where other products' clients look for what they know, as the paths that the table of routes has.

Vault's transit engine may be mounted anywhere: what lies below a mount is looked up below ``VAULT_PREFIX``. What is
switched off leads nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable

from signer.web.families import SIGNSERVER_PREFIX, VAULT_PREFIX

NOWHERE = b""


class DialectPaths:
    """``mounts``: of Vault's engine; ``signserver``: whether there are workers."""

    def __init__(self, *, mounts: Iterable[str] = ("transit",), signserver: bool = True) -> None:
        self._mounts = tuple(f"/v1/{mount}/".encode("ascii") for mount in mounts)
        self._vault, self._signserver = VAULT_PREFIX.encode("ascii"), SIGNSERVER_PREFIX.encode("ascii")
        self._signserver_off = not signserver

    def route_path(self, raw_path: bytes) -> bytes:
        """The path to look up; most are their own."""
        for mount in self._mounts:
            if raw_path.startswith(mount):
                return self._vault + raw_path[len(mount) :]
        if raw_path.startswith(self._vault) or (self._signserver_off and raw_path.startswith(self._signserver)):
            return NOWHERE
        return raw_path
