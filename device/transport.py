"""Connections of a device: what it believes servers by, and what it shows them, as they are on the disk now."""

from __future__ import annotations

import ssl
import threading
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from device.bundle import Bundle, TrustedServers
from device.certificates import ClientCertificates, ShownFiles
from device.errors import ClientCertificateRefused
from device.http import Channel, Response, ServerAddress, exchange
from device.keys import DeviceKey
from device.requests import Request


class ServerTrust(StrEnum):
    """``CHAIN``: a certificate of the bundle is the server's, or of a CA of it. ``PIN``: is the server's."""

    CHAIN = "chain"
    PIN = "pin"


class Transport(Protocol):
    """One request and its answer."""

    def exchange(self, request: Request, *, key: DeviceKey, until: float) -> Response:
        """``key``: whose certificate is shown, where one is. ``until``: of the monotonic clock. Any ``DeviceError``."""

    def require_shown(self, key: DeviceKey) -> None:
        """Raises ``ClientCertificateRefused`` where one is to be shown with this key and there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """A context, and from what it was made."""

    bundle: Bundle
    shown: ShownFiles | None
    context: ssl.SSLContext


class HttpsTransport:
    """``Transport`` over the network. Safe for threads. ``certificates``: None: none is shown."""

    def __init__(
        self,
        *,
        address: ServerAddress,
        servers: TrustedServers,
        trust: ServerTrust,
        certificates: ClientCertificates | None = None,
    ) -> None:
        self._address = address
        self._servers = servers
        self._trust = trust
        self._certificates = certificates
        self._alone = threading.Lock()
        self._made: _Made | None = None

    def exchange(self, request: Request, *, key: DeviceKey, until: float) -> Response:
        """As the port."""
        bundle = self._servers.current()
        pinned = bundle.certificates if self._trust is ServerTrust.PIN else None
        channel = Channel(address=self._address, context=self._context(bundle, key), pinned=pinned)
        return exchange(channel, request, until)

    def require_shown(self, key: DeviceKey) -> None:
        """As the port."""
        if self._certificates is not None:
            self._certificates.files_for(key)

    def _context(self, bundle: Bundle, key: DeviceKey) -> ssl.SSLContext:
        shown = None if self._certificates is None else self._certificates.files_for(key)
        with self._alone:
            made = self._made
            if made is None or made.bundle != bundle or made.shown != shown:
                made = _Made(bundle=bundle, shown=shown, context=_new_context(bundle, shown, key))
                self._made = made
            return made.context


def _new_context(bundle: Bundle, shown: ShownFiles | None, key: DeviceKey) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # names and certificates are checked
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A certificate of the bundle is believed as it is, also where it is no CA's and another one has signed it.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=b"".join(bundle.certificates))
    if shown is not None:
        try:
            context.load_cert_chain(shown.certificate, shown.key)
        except (OSError, ssl.SSLError):
            problem = "the certificate or its chain cannot be read"
            raise ClientCertificateRefused(fingerprint=key.fingerprint, problem=problem) from None
    return context
