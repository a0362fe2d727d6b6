"""Where the keys of an issuer come from: its discovery document (OpenID Connect Discovery 1.0), or a file.

1. Everything is asked once, under one deadline, over TLS (plain HTTP for loopback alone), and bounded. A redirect is an
   answer that is no key set.
2. The document is the issuer's own: its ``issuer`` is the configured one, exactly.
3. The keys are on the issuer's host, or on the one that the settings name.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from signer.addresses import Address
from signer.auth.ci.key_cache import Keys, KeysUnavailable
from signer.auth.ci.key_set import KeySetRefused, key_set
from signer.domain.strict_json import NotStrictJson, strict_object
from signer.http_exchange import ExchangeFailed, Limits, exchange

DISCOVERY_PATH = "/.well-known/openid-configuration"
FETCH_SECONDS = 5.0
MAX_DOCUMENT_BYTES = 256 * 1024
OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """An issuer that publishes its keys. ``key_host``: where they may be beside its own host."""

    issuer: str
    algorithms: Collection[str]
    key_host: str | None
    ca_file: Path | None


def published_keys(place: Published) -> Callable[[], Keys]:
    """What fetches the keys; raises ``KeysUnavailable`` or ``KeySetRefused`` within ``FETCH_SECONDS``."""
    trust = lru_cache(maxsize=1)(partial(_trust, place.ca_file))

    def fetch() -> Keys:
        try:
            return key_set(asyncio.run(_fetched(place, trust())), place.algorithms)
        except ExchangeFailed as error:
            raise KeysUnavailable(str(error)) from None
        except TimeoutError:
            raise KeysUnavailable(f"no answer within {FETCH_SECONDS:g} seconds") from None

    return fetch


def file_keys(path: Path, algorithms: Collection[str]) -> Callable[[], Keys]:
    """What reads the keys from a file; raises ``KeysUnavailable`` or ``KeySetRefused``."""

    def read() -> Keys:
        try:
            with path.open("rb") as file:
                raw = file.read(MAX_DOCUMENT_BYTES + 1)
        except OSError as error:
            raise KeysUnavailable(f"{path}: {error.strerror}") from None
        if len(raw) > MAX_DOCUMENT_BYTES:
            raise KeySetRefused(f"it has more than {MAX_DOCUMENT_BYTES} bytes")
        return key_set(raw, algorithms)

    return read


async def _fetched(place: Published, tls: ssl.SSLContext) -> bytes:
    async with asyncio.timeout(FETCH_SECONDS):
        described = await _document(Address.parse(place.issuer), DISCOVERY_PATH, tls)
        address, path = _key_address(described, place)
        return await _document(address, path, tls)


async def _document(address: Address, path: str, tls: ssl.SSLContext) -> bytes:
    limits = Limits(seconds=FETCH_SECONDS, body_bytes=MAX_DOCUMENT_BYTES)
    answered = await exchange(address, "GET", path, b"", tls=tls, limits=limits)
    if answered.status != OK:
        raise KeysUnavailable(f"{address.authority} answers with status {answered.status}")
    return answered.body


def _key_address(described: bytes, place: Published) -> tuple[Address, str]:
    """Where the keys are, as the discovery document says: whom to ask, and the path."""
    try:
        members = strict_object(described)
    except NotStrictJson:
        raise KeySetRefused("its discovery document is not a JSON object with each member once") from None
    if members.get("issuer") != place.issuer:
        raise KeySetRefused("its discovery document is that of another issuer")
    url = members.get("jwks_uri")
    try:
        address = Address.parse(url if isinstance(url, str) else "")
    except ValueError:
        raise KeySetRefused("its discovery document names no place of keys that may be asked") from None
    own = Address.parse(place.issuer)
    if (address.host, address.port) != (own.host, own.port) and address.authority != place.key_host:
        raise KeySetRefused("its discovery document names another host than its own or key_set_host")
    return Address(scheme=address.scheme, host=address.host, port=address.port, prefix=""), address.prefix or "/"


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise KeysUnavailable(f"the CA file {ca_file} cannot be read: {error.strerror or 'not PEM'}") from None
