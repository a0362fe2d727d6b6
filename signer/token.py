"""From the settings to the token layer: names the PKCS#11 tokens and where their PINs come from."""

from __future__ import annotations

import os
import time
from pathlib import Path

from hsm import PinSource, TokenConfig, TokenPool, TokenUri, sealed_pin_source
from signer.config import Settings, TokenSettings


def token_config(token: TokenSettings, *, sign_timeout: float, lock_directory: Path) -> TokenConfig:
    """The token as the token layer wants it described."""
    pin = token.pin
    return TokenConfig(
        name=token.name,
        uri=TokenUri.parse(token.uri),
        pin=PinSource(file=pin.file, env=pin.env, fd=pin.fd),
        environment=token.environment,
        sessions=token.sessions,
        sign_timeout=sign_timeout,
        start_timeout=token.start_timeout,
        lock_directory=lock_directory,
    )


def with_sealed_pins(settings: Settings) -> Settings:
    """The settings with each PIN that is on a pipe or in a variable moved where every process can read it.

    To be called before workers are forked. A PIN on a pipe goes into sealed memory without passing through here.
    """
    return settings.model_copy(update={"tokens": tuple(_with_sealed_pin(token) for token in settings.tokens)})


def _with_sealed_pin(token: TokenSettings) -> TokenSettings:
    if token.pin.file is not None:
        return token
    source = sealed_pin_source(
        PinSource(env=token.pin.env, fd=token.pin.fd), clock=time.monotonic, environment=os.environ
    )
    return token.model_copy(update={"pin": token.pin.model_copy(update={"fd": source.fd, "env": None})})


def open_tokens(settings: Settings) -> TokenPool:
    """All configured tokens, not started yet."""
    return TokenPool(
        [
            token_config(
                token,
                sign_timeout=settings.signing.timeout,
                lock_directory=settings.spool.directory,
            )
            for token in settings.tokens
        ]
    )
