"""Frozen dataclasses as tagged values, checked against their annotations when they come back."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Self, TypeVar, Union, get_args, get_origin, get_type_hints

from hsm.algorithms import Algorithm
from hsm.protocol.messages import VERSION
from hsm.protocol.values import Value, WireError, pack_values, unpack_values
from hsm.uri import TokenUri

Record = TypeVar("Record")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a token's process has to know; sent as its first message. None of it is secret.

    ``pin_file`` or ``pin_fd`` says where the PIN is; ``pin_identity`` tells one configuration of the PIN source
    from the next where the file's own status cannot. ``timeout``: seconds to wait for a session inside; ``grace``:
    seconds that opening or writing may still take when the process is to end.
    ``lock_group``: names what must not be opened at the same time. ``inspect_only``: describe tokens and end.
    """

    version: int = VERSION
    module_path: str
    uri_token: str | None
    uri_serial: str | None
    uri_manufacturer: str | None
    uri_model: str | None
    uri_slot_id: int | None
    lock_directory: str
    lock_group: str
    pin_file: str | None = None
    pin_fd: int | None = None
    pin_identity: str | None = None
    sessions: int = 1
    timeout: float = 30.0
    grace: float = 30.0
    inspect_only: bool = False

    @classmethod
    def of(
        cls, module: Path, uri: TokenUri, *, lock_directory: Path, lock_group: str, inspect_only: bool = False
    ) -> Self:
        """For a look without login; the rest is for ``dataclasses.replace``."""
        return cls(
            module_path=str(module),
            uri_token=uri.token,
            uri_serial=uri.serial,
            uri_manufacturer=uri.manufacturer,
            uri_model=uri.model,
            uri_slot_id=uri.slot_id,
            lock_directory=str(lock_directory),
            lock_group=lock_group,
            inspect_only=inspect_only,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What an opened token does: by digest, or only when it is given the whole message."""

    by_digest: tuple[str, ...]
    by_message: tuple[str, ...]


def pack_record(record: Any) -> bytes:
    """The fields of a dataclass in order."""
    return pack_values(*(getattr(record, item.name) for item in fields(record)))


def unpack_record(kind: type[Record], body: bytes) -> Record:
    """A ``kind`` from its packed fields; raises ``WireError`` where number or types differ."""
    annotated: Any = kind
    hints = _hints(annotated)
    values = unpack_values(body)
    if len(values) != len(hints):
        raise WireError("wrong number of fields")
    return kind(**{name: _converted(value, hint) for (name, hint), value in zip(hints.items(), values, strict=True)})


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {item.name: hints[item.name] for item in fields(kind)}


def _converted(value: Value, hint: Any) -> Any:
    """``value`` as ``hint`` asks for it, which is one of the few shapes that records use."""
    if get_origin(hint) in (Union, UnionType):
        options = get_args(hint)
        if value is None and NoneType in options:
            return None
        (hint,) = (option for option in options if option is not NoneType)
    if get_origin(hint) is tuple and isinstance(value, tuple):
        item, *others = get_args(hint)
        if Ellipsis not in others and len(value) != 1 + len(others):
            raise WireError("tuple of a wrong length")
        return tuple(_converted(part, item) for part in value)
    if hint is Algorithm and isinstance(value, str):
        try:
            return Algorithm(value)
        except ValueError:
            raise WireError("unknown algorithm") from None
    if type(value) is not hint:
        raise WireError("field of a wrong type")
    return value
