"""From the settings to the token layer: names the PKCS#11 tokens and where their PINs come from."""

from __future__ import annotations

from pathlib import Path

from hsm import PinSource, TokenConfig, TokenPool
from signer.config import Settings, TokenSettings


def token_config(token: TokenSettings, *, sign_timeout: float, lock_directory: Path) -> TokenConfig:
    """The token as the token layer wants it described."""
    pin = token.pin
    return TokenConfig(
        name=token.name,
        uri=token.uri,
        pin=PinSource(file=pin.file, environment=pin.env, descriptor=pin.fd),
        environment=token.environment,
        sessions=token.sessions,
        sign_timeout=sign_timeout,
        start_timeout=token.start_timeout,
        lock_directory=lock_directory,
    )


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
