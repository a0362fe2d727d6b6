"""The secret that notices are signed with, and the signature (Standard Webhooks, version 1).

The signature is HMAC-SHA256 over the message's id, the time of sending in seconds and the body, with dots between.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import stat
from pathlib import Path

PREFIX = "whsec_"
LEAST_BYTES, MOST_BYTES = 24, 64
MAX_FILE_BYTES = 1024


class WebhookSecretUnusable(Exception):
    """The file holds no secret that can be used; the text says why."""


def read_secret(path: Path) -> bytes:
    """The secret of the file; raises ``WebhookSecretUnusable``."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise WebhookSecretUnusable(f"cannot be read: {(error.strerror or 'unknown').lower()}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise WebhookSecretUnusable("may be used by others than its owner: chmod 600")
    text = content.decode("ascii", "replace").strip()
    try:
        secret = base64.b64decode(text.removeprefix(PREFIX), validate=True) if text.startswith(PREFIX) else b""
    except (binascii.Error, ValueError):
        secret = b""
    if not LEAST_BYTES <= len(secret) <= MOST_BYTES:
        raise WebhookSecretUnusable(f"must hold {PREFIX} and {LEAST_BYTES} to {MOST_BYTES} bytes in base64")
    return secret


def signed_headers(secret: bytes, message_id: str, seconds: int, body: bytes) -> tuple[tuple[str, str], ...]:
    """The header fields by which a receiver knows who sent it, what, and when."""
    signed = b".".join([message_id.encode("ascii"), str(seconds).encode("ascii"), body])
    signature = base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode("ascii")
    return (
        ("webhook-id", message_id),
        ("webhook-timestamp", str(seconds)),
        ("webhook-signature", f"v1,{signature}"),
    )
