"""Token URIs: a strict subset of RFC 7512.

``pkcs11:`` path ``?`` query, where the path selects the token (``token``, ``serial``, ``manufacturer``, ``model``,
``slot-id``, separated by ``;``) and the query says how to reach it (``module-path``, ``pin-source=file:…``,
separated by ``&``). Everything else is refused by name:

1. an attribute that is unknown, empty or given twice;
2. ``pin-value``, which would put a PIN into a configuration file, and every ``pin-source`` that is not a file;
3. characters outside RFC 7512 section 2.3, broken percent-encoding, values that are not UTF-8;
4. a value longer than the field of ``CK_TOKEN_INFO`` that it is compared with.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes

from hsm.errors import ConfigurationError
from hsm.types import TokenDescription

SCHEME = "pkcs11:"
MAX_URI = 4096
MAX_SLOT_ID = 2**64 - 1
# Sizes of the fields of CK_TOKEN_INFO, PKCS#11 v2.40 section 3.3.
FIELD_SIZES = {"token": 32, "serial": 16, "manufacturer": 32, "model": 16, "slot-id": 20}
QUERY_ATTRIBUTES = ("module-path", "pin-source")
_VALUE = re.compile(r"(?:[A-Za-z0-9\-._~:\[\]@!$'()*+,=&/?|]|%[0-9A-Fa-f]{2})+")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUri:
    """Which token is meant and how to reach it; None where the URI is silent.

    ``module_path`` and ``pin_file`` are as written: resolving relative ones is the caller's job.
    """

    token: str | None = None
    serial: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    slot_id: int | None = None
    module_path: Path | None = None
    pin_file: Path | None = None

    def matches(self, token: TokenDescription) -> bool:
        """Whether it means this token (RFC 7512 section 2.5: an attribute that is absent matches all)."""
        wanted = (
            (self.token, token.label),
            (self.serial, token.serial),
            (self.manufacturer, token.manufacturer),
            (self.model, token.model),
            (self.slot_id, token.slot_id),
        )
        return token.initialized and all(expected in (None, actual) for expected, actual in wanted)

    @classmethod
    def parse(cls, text: str) -> TokenUri:
        """Parse ``text``; raises ``ConfigurationError`` whose ``reason`` names the attribute, not its value."""
        if len(text) > MAX_URI:
            raise _refused(f"longer than {MAX_URI} characters")
        if not text.startswith(SCHEME):
            raise _refused("does not begin with pkcs11:")
        path, question, query = text.removeprefix(SCHEME).partition("?")
        selectors = _attributes(path, ";", tuple(FIELD_SIZES))
        access = _attributes(query, "&", QUERY_ATTRIBUTES) if question else {}
        for name, value in selectors.items():
            if len(value.encode()) > FIELD_SIZES[name]:
                raise _refused(f"{name} is longer than {FIELD_SIZES[name]} bytes")
        if not selectors.keys() & {"token", "serial", "slot-id"}:
            raise _refused("needs one of token, serial and slot-id")
        return cls(
            token=selectors.get("token"),
            serial=selectors.get("serial"),
            manufacturer=selectors.get("manufacturer"),
            model=selectors.get("model"),
            slot_id=_slot_id(selectors.get("slot-id")),
            module_path=_path("module-path", access.get("module-path")),
            pin_file=_pin_file(access.get("pin-source")),
        )


def _attributes(text: str, separator: str, known: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text.split(separator) if text else ():
        name, equals, value = part.partition("=")
        if name == "pin-value":
            raise _refused("pin-value is not accepted: name a file, a variable or a descriptor instead")
        if name not in known:
            raise _refused(f"unknown attribute {name[:32]!r}, expected one of {', '.join(known)}")
        if name in found:
            raise _refused(f"{name} is given twice")
        if not equals or not _VALUE.fullmatch(value):
            raise _refused(f"{name} is empty or holds a character that has to be percent-encoded")
        found[name] = _decoded(name, value)
    return found


def _decoded(name: str, value: str) -> str:
    try:
        text = unquote_to_bytes(value).decode("utf-8")
    except UnicodeDecodeError:
        raise _refused(f"{name} is not UTF-8") from None
    if "\0" in text:
        raise _refused(f"{name} holds a NUL")
    return text


def _slot_id(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and int(text) <= MAX_SLOT_ID):
        raise _refused("slot-id is not a number")
    return int(text)


def _path(name: str, text: str | None) -> Path | None:
    if text is None:
        return None
    if text.startswith("|"):
        raise _refused(f"{name} names a command; only files are accepted")
    return Path(text)


def _pin_file(text: str | None) -> Path | None:
    if text is None:
        return None
    if not text.startswith("file:"):
        raise _refused("pin-source is not a file: URI")
    location = text.removeprefix("file:")
    if location.startswith("//"):  # RFC 8089: an authority follows; only the empty one is this machine
        location = location.removeprefix("//")
        if not location.startswith("/"):
            raise _refused("pin-source names another host")
    if not location:
        raise _refused("pin-source names no file")
    return Path(location)


def _refused(reason: str) -> ConfigurationError:
    return ConfigurationError(setting="uri", reason=reason)
