"""Signed notes (C2SP signed-note v1.0) and the keys that sign them.

1. A note is text, an empty line, and signature lines. The *last* empty line separates them.
2. A line whose name and identifier are not both those of a known key is ignored, whatever it holds: logs and
   witnesses add kinds of signatures that older readers do not know.
3. A line in the name of a known key that does not verify refuses the note. At least one has to verify.
4. Key types: 0x01 Ed25519; 0x02 ECDSA over SHA-256, in DER; 0x04 Ed25519 cosignature with a time.
"""

from __future__ import annotations

import enum
import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from verifier.errors import NoteMalformed, NoteSignatureInvalid, NoteUnsigned, VerifierKeyInvalid
from verifier.log.encoding import canonical_base64

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    _PublicKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey

MAX_NOTE_BYTES = 256 * 1024
MAX_SIGNATURES = 64
MAX_NAME_BYTES = 255
ID_BYTES = 4
TIME_BYTES = 8
# Names that are known to be proper: there are a few logs and witnesses, and each note names them again.
KNOWN_NAMES = 64
_LINE_START = "\u2014 "
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


class KeyType(enum.IntEnum):
    """How a key signs a note; the number is the type byte of its verifier key."""

    ED25519 = 0x01
    ECDSA = 0x02
    COSIGNATURE = 0x04


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierKey:
    """A key that notes are verified with. ``id``: the four bytes that point to it in a signature line."""

    name: str
    id: bytes
    type: KeyType
    public_bytes: bytes
    """32 bytes for Ed25519, DER SubjectPublicKeyInfo for ECDSA."""
    _key: _PublicKey = field(repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """From ``name+id+base64``; raises ``VerifierKeyInvalid``."""
        name, plus, rest = text.strip().partition("+")
        written_id, other_plus, encoded = rest.partition("+")
        if not plus or not other_plus:
            raise VerifierKeyInvalid(source=None, problem="it is not name+id+base64")
        try:
            content = canonical_base64(encoded)
        except ValueError as error:
            raise VerifierKeyInvalid(source=None, problem=str(error)) from None
        if not content or content[0] not in tuple(KeyType):
            raise VerifierKeyInvalid(source=None, problem="its type is not one of Ed25519, ECDSA and cosignature")
        key = cls._of(checked_name(name), KeyType(content[0]), content[1:])
        if key.id.hex() != written_id:
            raise VerifierKeyInvalid(source=None, problem="its identifier is not that of its key")
        return key

    @classmethod
    def from_pem(cls, pem: bytes, *, name: str) -> VerifierKey:
        """From a PEM block ``PUBLIC KEY`` (Ed25519 or P-256) and the origin; raises ``VerifierKeyInvalid``."""
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

        try:
            key = load_pem_public_key(pem)
        except ValueError:
            raise VerifierKeyInvalid(source=None, problem="it is not a PEM public key") from None
        if isinstance(key, ed25519.Ed25519PublicKey):
            return cls._of(checked_name(name), KeyType.ED25519, key.public_bytes_raw())
        if isinstance(key, ec.EllipticCurvePublicKey):
            der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            return cls._of(checked_name(name), KeyType.ECDSA, der)
        raise VerifierKeyInvalid(source=None, problem="it is neither Ed25519 nor ECDSA")

    @classmethod
    def _of(cls, name: str, kind: KeyType, public_bytes: bytes) -> VerifierKey:
        return cls(
            name=name,
            id=key_id(name, kind, public_bytes),
            type=kind,
            public_bytes=public_bytes,
            _key=_loaded(kind, public_bytes),
        )

    def __str__(self) -> str:
        """The verifier key as text: ``name+id+base64``."""
        import base64

        content = base64.b64encode(bytes([self.type]) + self.public_bytes).decode("ascii")
        return f"{self.name}+{self.id.hex()}+{content}"

    def verifies(self, text: bytes, payload: bytes) -> bool:
        """Whether ``payload``, what a signature line holds after the identifier, is this key's over ``text``."""
        from cryptography.exceptions import InvalidSignature

        try:
            self._verify(text, payload)
        except (InvalidSignature, ValueError):
            return False
        return True

    def _verify(self, text: bytes, payload: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.hashes import SHA256

        if isinstance(self._key, ec.EllipticCurvePublicKey):
            self._key.verify(payload, text, ec.ECDSA(SHA256()))
        elif self.type is KeyType.COSIGNATURE:
            self._key.verify(payload[TIME_BYTES:], cosigned_message(text, cosignature_time(payload)))
        else:
            self._key.verify(payload, text)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSignature:
    """One signature line: whose it says it is, and what it holds after the identifier."""

    name: str
    id: bytes
    payload: bytes = field(repr=False)

    def __str__(self) -> str:
        """The line, without its line end."""
        import base64

        return f"{_LINE_START}{self.name} {base64.b64encode(self.id + self.payload).decode('ascii')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedNote:
    """A note as it was read: ``text`` ends in a line end and is what the signatures are over. Nothing is proved."""

    text: str
    unverified_signatures: tuple[NoteSignature, ...]

    @classmethod
    def parse(cls, raw: bytes, *, most_bytes: int = MAX_NOTE_BYTES) -> SignedNote:
        """Read a signed note; raises ``NoteMalformed``."""
        if len(raw) > most_bytes:
            raise NoteMalformed(problem=f"it has more than {most_bytes} bytes")
        try:
            content = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise NoteMalformed(problem="it is not UTF-8") from None
        if _CONTROL.search(content):
            raise NoteMalformed(problem="it holds control characters")
        end = content.rfind("\n\n")
        if end < 0 or not content.endswith("\n"):
            raise NoteMalformed(problem="no empty line stands before its signatures")
        lines = content[end + 2 :].split("\n")[:-1]
        if not 1 <= len(lines) <= MAX_SIGNATURES:
            raise NoteMalformed(problem=f"it has no signature lines, or more than {MAX_SIGNATURES}")
        return cls(text=content[: end + 1], unverified_signatures=tuple(_signature(line) for line in lines))

    def verified_by(self, keys: Iterable[VerifierKey]) -> tuple[tuple[VerifierKey, NoteSignature], ...]:
        """The known keys that signed, with their lines; raises ``NoteUnsigned`` or ``NoteSignatureInvalid``."""
        known = {(key.name, key.id): key for key in keys}
        text = self.text.encode("utf-8")
        found: dict[tuple[str, bytes], tuple[VerifierKey, NoteSignature]] = {}
        for line in self.unverified_signatures:
            place = (line.name, line.id)
            key = known.get(place)
            if key is None or place in found:
                continue
            if not key.verifies(text, line.payload):
                raise NoteSignatureInvalid(key=f"{key.name}+{key.id.hex()}")
            found[place] = (key, line)
        if not found:
            raise NoteUnsigned(keys=tuple(f"{name}+{identifier.hex()}" for name, identifier in known))
        return tuple(found.values())


def key_id(name: str, kind: KeyType, public_bytes: bytes) -> bytes:
    """The identifier of a key. For ECDSA it is that of the key alone, as existing verifiers compute it."""
    if kind is KeyType.ECDSA:
        return hashlib.sha256(public_bytes).digest()[:ID_BYTES]
    return hashlib.sha256(name.encode("utf-8") + b"\n" + bytes([kind]) + public_bytes).digest()[:ID_BYTES]


@lru_cache(maxsize=KNOWN_NAMES)
def checked_name(unverified_name: str) -> str:
    """A key's name: not empty, no space of any kind, no plus; raises ``VerifierKeyInvalid``."""
    usable = unverified_name and len(unverified_name.encode("utf-8", "replace")) <= MAX_NAME_BYTES
    if not usable or any(_unusable(character) for character in unverified_name):
        raise VerifierKeyInvalid(source=None, problem="its name is empty, too long, or holds a space or a plus")
    return unverified_name


def cosignature_time(payload: bytes) -> int:
    """When a cosignature was made, in seconds since 1970, as its line says."""
    return int.from_bytes(payload[:TIME_BYTES], "big")


def cosigned_message(text: bytes, seconds: int) -> bytes:
    """What a witness signs (C2SP tlog-cosignature, v1)."""
    return b"cosignature/v1\ntime %d\n" % seconds + text


def _unusable(character: str) -> bool:
    return character == "+" or character.isspace() or unicodedata.category(character)[0] in "CZ"


def _signature(line: str) -> NoteSignature:
    name, space, encoded = line.removeprefix(_LINE_START).partition(" ")
    if not line.startswith(_LINE_START) or not space:
        raise NoteMalformed(problem="a signature line is not a dash, a name and base64")
    try:
        content = canonical_base64(encoded)
        checked_name(name)
    except (ValueError, VerifierKeyInvalid):
        raise NoteMalformed(problem="a signature line has no proper name or base64") from None
    if len(content) <= ID_BYTES:
        raise NoteMalformed(problem="a signature line holds no signature")
    return NoteSignature(name=name, id=content[:ID_BYTES], payload=content[ID_BYTES:])


def _loaded(kind: KeyType, public_bytes: bytes) -> _PublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        if kind is not KeyType.ECDSA:
            return ed25519.Ed25519PublicKey.from_public_bytes(public_bytes)
        key = load_der_public_key(public_bytes)
    except (ValueError, UnsupportedAlgorithm):
        raise VerifierKeyInvalid(source=None, problem="its key cannot be read") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise VerifierKeyInvalid(source=None, problem="its key is not ECDSA on P-256")
    return key
