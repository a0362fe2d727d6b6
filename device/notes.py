"""Signed notes (C2SP signed-note v1.0) of a log, and the keys that they are believed by.

1. A note is text, an empty line, and signature lines; the last empty line separates them.
2. A line of no known key is ignored. One in the name of a known key that does not verify refuses the note; at least one
   has to verify.
3. Keys are Ed25519 (0x01) or ECDSA on P-256 over SHA-256 in DER (0x02).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from device.errors import RecalledListRefused, SettingsInvalid

ED25519, ECDSA = 1, 2
ID_BYTES = 4
MOST_LINES = 64
_DASH = "\u2014 "


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteKey:
    """A key of a log. ``origin``: the log's name; ``id``: what points to the key in a signature line."""

    origin: str
    id: bytes
    _key: ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> NoteKey:
        """From ``name+id+base64``; raises ``SettingsInvalid``."""
        origin, _, rest = text.partition("+")
        identifier, _, encoded = rest.partition("+")
        try:
            content = _decoded(encoded)
            key = _loaded(content)
        except (ValueError, UnsupportedAlgorithm):
            key = None
        if key is None or not origin or _identifier(origin, content) != identifier:
            raise SettingsInvalid(problem="recalled_keys names a file with a line that is no key of a log")
        return cls(origin=origin, id=bytes.fromhex(identifier), _key=key)

    def verifies(self, text: bytes, signature: bytes) -> bool:
        """Whether the signature is this key's."""
        try:
            if isinstance(self._key, ed25519.Ed25519PublicKey):
                self._key.verify(signature, text)
            else:
                self._key.verify(signature, text, ec.ECDSA(SHA256()))
        except (InvalidSignature, ValueError):
            return False
        return True


def opened(unverified_note: bytes, keys: Iterable[NoteKey]) -> tuple[str, str]:
    """The origin of who signed the note, and its text; raises ``RecalledListRefused``."""
    try:
        content = unverified_note.decode("utf-8")
    except UnicodeDecodeError:
        raise RecalledListRefused(problem="it is not UTF-8") from None
    end = content.rfind("\n\n")
    lines = content[end + 2 :].split("\n")
    if end < 0 or lines.pop() or not 1 <= len(lines) <= MOST_LINES:
        raise RecalledListRefused(problem="it is cut, or no signed note")
    text = content[: end + 1]
    known = {(key.origin, key.id): key for key in keys}
    signers: set[str] = set()
    for line in lines:
        name, signature = _signature(line)
        key = known.get((name, signature[:ID_BYTES]))
        if key is None:
            continue
        if not key.verifies(text.encode("utf-8"), signature[ID_BYTES:]):
            raise RecalledListRefused(problem="its signature is not that of the log")
        signers.add(name)
    if len(signers) != 1:
        raise RecalledListRefused(problem="no key that is known here signed it")
    return signers.pop(), text


def _signature(line: str) -> tuple[str, bytes]:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise RecalledListRefused(problem="it is cut, or no signed note")
    try:
        return name, _decoded(encoded)
    except ValueError:
        raise RecalledListRefused(problem="it is cut, or no signed note") from None


def _decoded(encoded: str) -> bytes:
    content = binascii.a2b_base64(encoded.encode("ascii"), strict_mode=True)
    if base64.b64encode(content).decode() != encoded:
        raise ValueError
    return content


def _identifier(origin: str, content: bytes) -> str:
    # Of ECDSA keys it is that of the key alone, as existing verifiers compute it.
    hashed = content[1:] if content[0] == ECDSA else origin.encode() + b"\n" + content
    return hashlib.sha256(hashed).digest()[:ID_BYTES].hex()


def _loaded(content: bytes) -> ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | None:
    """The key; None where it is of no type that signs notes."""
    if content[:1] == bytes([ED25519]):
        return ed25519.Ed25519PublicKey.from_public_bytes(content[1:])
    key = load_der_public_key(content[1:]) if content[:1] == bytes([ECDSA]) else None
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    return None
