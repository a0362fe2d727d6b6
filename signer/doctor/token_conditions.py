"""Tokens as they present themselves without login, and whether a login would spend anything."""

from __future__ import annotations

import os
from dataclasses import dataclass

from hsm import TokenDescription
from hsm.config import TokenConfig
from hsm.errors import TokenError
from hsm.inspection import inspect
from signer.config import PinSettings, Settings, TokenSettings
from signer.token import token_config


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
        description = inspect(configured(settings, token), timeout=token.start_timeout)
    except TokenError as error:
        return TokenCondition(settings=token, error=error, pin_obstacle=obstacle)
    return TokenCondition(settings=token, description=description, pin_obstacle=obstacle)


def _pin_obstacle(pin: PinSettings) -> str | None:
    if pin.file is not None and not pin.file.is_file():
        return f"there is no file {pin.file}"
    if pin.env is not None and not os.environ.get(pin.env):
        return f"the environment variable {pin.env} is not set here"
    if pin.fd is not None:
        return f"descriptor {pin.fd} belongs to the service, not to this command"
    return None
