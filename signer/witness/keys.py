"""The key of a witness: Ed25519, in a file of its own, made once and never overwritten.

The file holds one line in the form of Go's note package, ``PRIVATE+KEY+<name>+<id>+<base64(01 || seed)>``.
"""

from __future__ import annotations

import base64
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signer.errors import WitnessKeyInvalid
from verifier.errors import VerifierKeyInvalid
from verifier.log import KeyType, NoteSignature, VerifierKey
from verifier.log.encoding import canonical_base64
from verifier.log.notes import TIME_BYTES, checked_name, cosigned_message, key_id

OWNER_ONLY = 0o600
SEED_BYTES = 32
MAX_FILE_BYTES = 1024
DEFAULT_NAME = "artifact-signer-witness/"
RANDOM_BYTES = 8
_START = "PRIVATE+KEY+"


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessKey:
    """Signs checkpoints with the time (C2SP tlog-cosignature, v1). ``verifier``: what readers verify it with."""

    verifier: VerifierKey
    _private: Ed25519PrivateKey = field(repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> WitnessKey:
        """From the line of its file; raises ``ValueError`` without repeating any of it."""
        parts = text.removesuffix("\n").removeprefix(_START).split("+", 2)
        if not text.startswith(_START) or len(parts) < len(("name", "id", "key")):
            raise ValueError("it is not a line PRIVATE+KEY+name+id+base64")
        name, written_id, encoded = parts
        content = canonical_base64(encoded)
        if len(content) != 1 + SEED_BYTES or content[0] != KeyType.ED25519:
            raise ValueError("it is not a key for Ed25519")
        made = cls._of(name, content[1:])
        if key_id(name, KeyType.ED25519, made.verifier.public_bytes).hex() != written_id:
            raise ValueError("its identifier is not that of its key")
        return made

    @classmethod
    def _of(cls, name: str, seed: bytes) -> WitnessKey:
        private = Ed25519PrivateKey.from_private_bytes(seed)
        public = private.public_key().public_bytes_raw()
        try:
            checked_name(name)
        except VerifierKeyInvalid as error:
            raise ValueError(error.problem) from None
        content = base64.b64encode(bytes([KeyType.COSIGNATURE]) + public).decode("ascii")
        verifier = VerifierKey.parse(f"{name}+{key_id(name, KeyType.COSIGNATURE, public).hex()}+{content}")
        return cls(verifier=verifier, _private=private)

    def cosignature(self, text: str, seconds: int) -> NoteSignature:
        """The line for the text of a checkpoint, made at this time (seconds since 1970)."""
        signature = self._private.sign(cosigned_message(text.encode("utf-8"), seconds))
        payload = seconds.to_bytes(TIME_BYTES, "big") + signature
        return NoteSignature(name=self.verifier.name, id=self.verifier.id, payload=payload)


def read_key(path: Path) -> WitnessKey:
    """The key in the file; raises ``WitnessKeyInvalid``, or ``FileNotFoundError`` where there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise WitnessKeyInvalid(path=str(path), problem=error.strerror or "it cannot be read") from None
    with os.fdopen(descriptor, "rb") as file:
        if os.fstat(descriptor).st_mode & 0o077:
            raise WitnessKeyInvalid(path=str(path), problem="others may read it: its mode has to be 0600")
        try:
            content = file.read(MAX_FILE_BYTES + 1)
            return WitnessKey.parse(content.decode("ascii"))
        except UnicodeDecodeError:
            raise WitnessKeyInvalid(path=str(path), problem="it is not text") from None
        except ValueError as error:
            raise WitnessKeyInvalid(path=str(path), problem=str(error)) from None
        except OSError as error:
            raise WitnessKeyInvalid(path=str(path), problem=error.strerror or "it cannot be read") from None


def make_key(path: Path, *, name: str | None) -> WitnessKey:
    """A new key in a new file, durable when this returns; raises ``FileExistsError`` where one is."""
    chosen = name if name is not None else DEFAULT_NAME + secrets.token_hex(RANDOM_BYTES)
    seed = secrets.token_bytes(SEED_BYTES)
    try:
        made = WitnessKey._of(chosen, seed)
    except ValueError as error:
        raise WitnessKeyInvalid(path=str(path), problem=str(error)) from None
    identifier = key_id(chosen, KeyType.ED25519, made.verifier.public_bytes).hex()
    content = base64.b64encode(bytes([KeyType.ED25519]) + seed).decode("ascii")
    _write_new(path, f"{_START}{chosen}+{identifier}+{content}\n".encode("ascii"))
    return made


def _write_new(path: Path, content: bytes) -> None:
    # A crash in the middle leaves a draft and no key: the name is given to what is whole, and never taken from another.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(RANDOM_BYTES)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(draft)
    finally:
        draft.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
