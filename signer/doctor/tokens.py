"""Tokens as they present themselves without login: whether one would spend anything, and what the modules show."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hsm import TokenDescription
from hsm.config import TokenConfig
from hsm.errors import TokenAmbiguous, TokenError, TokenNotFound
from hsm.inspection import list_slots
from signer.config import PinSettings, Settings, TokenSettings
from signer.token import token_config

FLAGS = (
    "initialized",
    "login_required",
    "user_pin_initialized",
    "user_pin_count_low",
    "user_pin_final_try",
    "user_pin_locked",
    "write_protected",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCondition:
    """One configured token.

    Attributes:
        description: what it says of itself; None where it does not answer.
        error: why it does not answer; None where it does.
        pin_obstacle: why the PIN cannot even be read here; None where it can.
    """

    settings: TokenSettings
    description: TokenDescription | None = None
    error: TokenError | None = None
    pin_obstacle: str | None = None

    @property
    def openable(self) -> bool:
        """Whether a login can be tried without risk: nothing tells of a PIN that was refused before."""
        return self.description is not None and self.pin_obstacle is None and not at_risk(self.description)


def at_risk(description: TokenDescription) -> bool:
    """Whether the token tells of a PIN that was refused since it last took one."""
    return description.user_pin_count_low or description.user_pin_final_try or description.user_pin_locked


def token_conditions(settings: Settings) -> tuple[TokenCondition, ...]:
    """Every configured token, in the order of the file."""
    return tuple(_condition(settings, token) for token in settings.tokens)


def configured(settings: Settings, token: TokenSettings) -> TokenConfig:
    """The token as the token layer wants it described; raises ``hsm.errors.ConfigurationError``."""
    return token_config(token, sign_timeout=settings.signing.timeout, lock_directory=settings.spool.directory)


def _condition(settings: Settings, token: TokenSettings) -> TokenCondition:
    obstacle = _pin_obstacle(token.pin)
    try:
        description = _only(configured(settings, token))
    except TokenError as error:
        return TokenCondition(settings=token, error=error, pin_obstacle=obstacle)
    return TokenCondition(settings=token, description=description, pin_obstacle=obstacle)


def slots(config: TokenConfig) -> tuple[TokenDescription, ...]:
    """All that the module of a token shows, without login; raises ``hsm.errors.TokenError``."""
    return list_slots(
        config.module_path, config.environment, timeout=config.start_timeout, directory=config.lock_directory
    )


def _only(config: TokenConfig) -> TokenDescription:
    found = [description for description in slots(config) if config.uri.matches(description)]
    if not found:
        raise TokenNotFound(token=config.name, reason="no slot holds it")
    if len(found) > 1:
        raise TokenAmbiguous(token=config.name, count=len(found))
    return found[0]


def _pin_obstacle(pin: PinSettings) -> str | None:
    if pin.file is not None and not pin.file.is_file():
        return f"there is no file {pin.file}"
    if pin.env is not None and not os.environ.get(pin.env):
        return f"the environment variable {pin.env} is not set here"
    if pin.fd is not None:
        return f"descriptor {pin.fd} belongs to the service, not to this command"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A token in a slot. ``configured_as``: its name in the configuration; None where none means it."""

    description: TokenDescription
    configured_as: str | None

    def document(self) -> dict[str, Any]:
        """The JSON form: the description, its flags as a list of those that are set."""
        facts = asdict(self.description)
        flags = [name.replace("_", "-") for name in FLAGS if facts.pop(name)]
        for version in ("library_version", "cryptoki_version"):
            facts[version] = ".".join(map(str, facts[version]))
        return {"configured_as": self.configured_as, **facts, "flags": flags, "mechanisms": list(facts["mechanisms"])}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleListing:
    """What one module shows, or the code of why it shows nothing."""

    module: Path
    slots: tuple[Slot, ...] = ()
    error: str | None = None

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {"module": str(self.module), "error": self.error, "slots": [slot.document() for slot in self.slots]}


def listed(settings: Settings) -> tuple[ModuleListing, ...]:
    """Each module with its environment once, in the order of the configuration.

    Raises ``hsm.errors.ConfigurationError`` where a token's settings make no sense.
    """
    configs = [configured(settings, token) for token in settings.tokens]
    groups: dict[tuple[Path, tuple[tuple[str, str], ...]], list[TokenConfig]] = {}
    for config in configs:
        groups.setdefault((config.module_path, tuple(sorted(config.environment.items()))), []).append(config)
    return tuple(_module(module, group) for (module, _), group in groups.items())


def _module(module: Path, configs: list[TokenConfig]) -> ModuleListing:
    try:
        found = slots(configs[0])
    except TokenError as error:
        return ModuleListing(module=module, error=error.code)
    shown = tuple(Slot(description=item, configured_as=_name(item, configs)) for item in found)
    return ModuleListing(module=module, slots=shown)


def _name(found: TokenDescription, configs: list[TokenConfig]) -> str | None:
    return next((config.name for config in configs if config.uri.matches(found)), None)
