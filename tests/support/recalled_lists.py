"""Lists of recalled manifests, signed by keys that tests have in hand."""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives.asymmetric import ed25519

from verifier.log import KeyType, NoteSignature, VerifierKey
from verifier.log.notes import key_id

ORIGIN = "signer.example/log"


def note_key(seed: int, name: str = ORIGIN) -> tuple[ed25519.Ed25519PrivateKey, VerifierKey]:
    """A key of a log, the same for the same seed."""
    private = ed25519.Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    public = private.public_key().public_bytes_raw()
    content = base64.b64encode(bytes([KeyType.ED25519]) + public).decode()
    return private, VerifierKey.parse(f"{name}+{key_id(name, KeyType.ED25519, public).hex()}+{content}")


LOG, LOG_KEY = note_key(1)
OTHER, OTHER_KEY = note_key(2)


def digest(number: int) -> str:
    """The digest of some manifest; they ascend with their numbers."""
    return f"{number:064x}"


def list_text(version: int, *manifests: str, origin: str = ORIGIN) -> str:
    """The text of a list, whatever is wrong with it."""
    return "\n".join(["recalled/v1", origin, str(version), *manifests, ""])


def signed(text: str, private: ed25519.Ed25519PrivateKey = LOG, key: VerifierKey = LOG_KEY) -> bytes:
    """The note of a text."""
    line = NoteSignature(name=key.name, id=key.id, payload=private.sign(text.encode()))
    return f"{text}\n{line}\n".encode()


def recalled_note(version: int, *manifests: str) -> bytes:
    """A good list."""
    return signed(list_text(version, *manifests))
