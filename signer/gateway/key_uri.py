"""URIs of the gateway's own TLS key: a strict subset of RFC 7512, of what the OpenSSL engine of libp11 reads.

``pkcs11:`` path ``?`` query. The path names the token (``token``, ``serial``, ``manufacturer``, ``model``) and the key
(``object``, ``id``, ``type=private``), separated by ``;``; the query may say where the PIN is (``pin-source=file:…``).
Refused by name:

1. an attribute that is unknown, empty or given twice; characters that could end the value in the written file;
2. ``pin-value``: the PIN would stand in a configuration, and in the process list;
3. a URI that could mean a token of the service's own configuration. A PIN opens every key of its token, and a second
   program in the store of a token can lose all of its keys (ADR 0015).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from hsm.uri import FIELD_SIZES
from signer.errors import GatewayOptionRefused

OPTION = "--tls-key"
SCHEME = "pkcs11:"
MAX_URI = 1024
# What tells one token from another, in both kinds of URI.
TOKEN_ATTRIBUTES = ("token", "serial", "manufacturer", "model")
KEY_ATTRIBUTES = ("object", "id", "type")
PATH_ATTRIBUTES = (*TOKEN_ATTRIBUTES, *KEY_ATTRIBUTES)
PIN_SOURCE = "pin-source"
# Of RFC 7512 section 2.3 those characters that mean nothing to the configurations that are written.
_VALUE = re.compile(r"(?:[A-Za-z0-9._~:\[\]@()*+,/-]|%[0-9A-Fa-f]{2})+")


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsKeyUri:
    """A URI that names one private key, in a token that is none of the service's. ``text``: as given."""

    text: str

    @classmethod
    def parse(cls, unverified: str, *, configured: Mapping[str, str]) -> TlsKeyUri:
        """``configured``: the URIs of the service's tokens, by their names. Raises ``GatewayOptionRefused``."""
        if len(unverified) > MAX_URI or not unverified.startswith(SCHEME):
            raise _refused(f"must begin with {SCHEME} and have at most {MAX_URI} characters")
        path, question, query = unverified.removeprefix(SCHEME).partition("?")
        key = _attributes(path.split(";"), PATH_ATTRIBUTES)
        access = _attributes(query.split("&"), (PIN_SOURCE,)) if question else {}
        if "token" not in key or not key.keys() & {"object", "id"}:
            raise _refused("needs token, and one of object and id")
        if key.get("type", "private") != "private":
            raise _refused("type must be private")
        if PIN_SOURCE in access and not access[PIN_SOURCE].startswith("file:/"):
            raise _refused("pin-source must be file:/PATH")
        for name, uri in configured.items():
            if not _differ(key, _selectors(uri)):
                raise _refused(f"may mean the token {name} of the service: give the gateway a token of its own")
        return cls(text=unverified)


def _differ(key: Mapping[str, str], configured: Mapping[str, str]) -> bool:
    """Whether some attribute that both name says that they are two tokens; silence says nothing."""
    return any(name in configured and configured[name] != key[name] for name in TOKEN_ATTRIBUTES if name in key)


def _selectors(uri: str) -> dict[str, str]:
    """The token's attributes in a URI of the configuration, which ``hsm`` has accepted."""
    parts = (part.partition("=") for part in uri.removeprefix(SCHEME).partition("?")[0].split(";"))
    return {name: _decoded(value) for name, _, value in parts if name in FIELD_SIZES}


def _attributes(parts: Iterable[str], known: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in parts:
        name, _, value = part.partition("=")
        if name == "pin-value":
            raise _refused("pin-value would show the PIN: name a file with pin-source=file:/PATH")
        if name not in known:
            raise _refused(f"knows the attributes {', '.join(known)} there, and no others")
        if name in found:
            raise _refused(f"{name} is given twice")
        if not _VALUE.fullmatch(value):
            raise _refused(f"{name} is empty or holds a character that has to be percent-encoded")
        found[name] = _decoded(value)
    return found


def _decoded(value: str) -> str:
    # An id is bytes, and no text; a token's label is padded with blanks, which say nothing.
    return unquote_to_bytes(value).decode("latin-1").rstrip(" ")


def _refused(reason: str) -> GatewayOptionRefused:
    return GatewayOptionRefused(option=OPTION, reason=reason)
