"""The configuration of a device: one TOML file, of which every member is known, or the file is refused."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device.errors import SettingsInvalid
from device.http import ServerAddress
from device.keys import KeyKind
from device.requests import Identity
from device.transport import ServerTrust

MOST_BYTES = 1 << 16
MOST_SECONDS = 3600.0
NAMES = {
    "server",
    "server_certificates",
    "server_trust",
    "state_directory",
    "key_type",
    "deadline",
    "client_certificate",
    "recalled_keys",
    "identity",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a device is told.

    Attributes:
        server: where the service is.
        server_certificates: the file of certificates that servers are believed by.
        server_trust: how they are.
        state_directory: where key and token are kept.
        key_type: of the key that is made.
        deadline: seconds for each command.
        client_certificate: a file of a certificate for the key; None: none is shown.
        recalled_keys: a file of keys of logs, whose lists of recalled artifacts hold; None: no list does.
        identity: what the device says of itself.
    """

    server: ServerAddress
    server_certificates: Path
    server_trust: ServerTrust
    state_directory: Path
    key_type: KeyKind
    deadline: float
    client_certificate: Path | None
    recalled_keys: Path | None
    identity: Identity


def read_settings(path: Path) -> Settings:
    """The settings in a file; raises ``SettingsInvalid``."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise SettingsInvalid(problem=f"{path} cannot be read: {error.strerror}") from None
    if len(content) > MOST_BYTES:
        raise SettingsInvalid(problem=f"{path} is too large")
    try:
        members = tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        raise SettingsInvalid(problem=f"{path} is no TOML") from None
    return settings_of(members)


def settings_of(members: Mapping[str, Any]) -> Settings:
    """The settings in a document; raises ``SettingsInvalid``."""
    unknown = sorted(set(members) - NAMES)
    if unknown:
        raise SettingsInvalid(problem=f"{unknown[0]} is no setting")
    return Settings(
        server=ServerAddress.of_url(_text(members, "server")),
        server_certificates=_path(members, "server_certificates"),
        server_trust=ServerTrust(_choice(members, "server_trust", [each.value for each in ServerTrust])),
        state_directory=_path(members, "state_directory"),
        key_type=KeyKind(_choice(members, "key_type", [each.value for each in KeyKind])),
        deadline=_seconds(members.get("deadline", 60.0)),
        client_certificate=_optional_path(members, "client_certificate"),
        recalled_keys=_optional_path(members, "recalled_keys"),
        identity=_identity(members.get("identity")),
    )


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not value or "\0" in value:
        raise SettingsInvalid(problem=f"{name} is missing, or no text")
    return value


def _path(members: Mapping[str, Any], name: str) -> Path:
    path = Path(_text(members, name))
    if not path.is_absolute():
        raise SettingsInvalid(problem=f"{name} is no absolute path")
    return path


def _optional_path(members: Mapping[str, Any], name: str) -> Path | None:
    return None if members.get(name) is None else _path(members, name)


def _choice(members: Mapping[str, Any], name: str, values: list[str]) -> str:
    """The first value is what holds where nothing is said."""
    value = members.get(name, values[0])
    if value not in values:
        raise SettingsInvalid(problem=f"{name} is none of {', '.join(values)}")
    return str(value)


def _seconds(value: object) -> float:
    if type(value) not in (int, float) or not 1 <= value <= MOST_SECONDS:  # type: ignore[operator]  # a number by then
        raise SettingsInvalid(problem=f"deadline is not 1 to {MOST_SECONDS:.0f} seconds")
    return float(value)  # type: ignore[arg-type]


def _identity(value: object) -> Identity:
    if not isinstance(value, dict) or not value:
        raise SettingsInvalid(problem="identity is missing, or empty")
    for name, said in value.items():
        texts = said if isinstance(said, list) else [said]
        if not texts or not all(isinstance(text, str) and text for text in texts):
            raise SettingsInvalid(problem=f"identity.{name} is no text, nor a list of texts")
    return value
