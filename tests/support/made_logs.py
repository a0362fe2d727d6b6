"""Logs made in a test from their leaves: checkpoints of any size, proofs, tiles and bundles, and cosignatures."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from verifier.log import (
    Checkpoint,
    Frontier,
    KeyType,
    NoteSignature,
    VerifierKey,
    consistency_subtrees,
    leaf_hash,
    packed_bundle,
)
from verifier.log.notes import cosigned_message, key_id

ORIGIN = "signer.example/log"
TILE_WIDTH = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteKey:
    """A key that signs notes, and what verifies it."""

    verifier: VerifierKey
    private: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def ed25519(cls, seed: int, name: str = ORIGIN, kind: KeyType = KeyType.ED25519) -> NoteKey:
        """From a seed of equal bytes; ``kind`` may be that of a cosignature."""
        private = ed25519.Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        return cls(verifier=_verifier(name, kind, private.public_key().public_bytes_raw()), private=private)

    @classmethod
    def p256(cls, scalar: int, name: str = ORIGIN) -> NoteKey:
        """With this number as the private key."""
        private = ec.derive_private_key(scalar, ec.SECP256R1())
        der = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return cls(verifier=_verifier(name, KeyType.ECDSA, der), private=private)

    def line(self, text: str, seconds: int = 1767225600) -> NoteSignature:
        """The signature line for a text; ``seconds``: of a cosignature."""
        message = text.encode("utf-8")
        if isinstance(self.private, ec.EllipticCurvePrivateKey):
            payload = self.private.sign(message, ec.ECDSA(SHA256()))
        elif self.verifier.type is KeyType.COSIGNATURE:
            payload = seconds.to_bytes(8, "big") + self.private.sign(cosigned_message(message, seconds))
        else:
            payload = self.private.sign(message)
        return NoteSignature(name=self.verifier.name, id=self.verifier.id, payload=payload)


def _verifier(name: str, kind: KeyType, public: bytes) -> VerifierKey:
    content = base64.b64encode(bytes([kind]) + public).decode("ascii")
    return VerifierKey.parse(f"{name}+{key_id(name, kind, public).hex()}+{content}")


def note(text: str, *lines: NoteSignature | str) -> bytes:
    """A signed note."""
    return (text + "\n" + "".join(f"{line}\n" for line in lines)).encode("utf-8")


@dataclass(slots=True, kw_only=True)
class MadeLog:
    """A log that is all in memory. ``keys``: all sign each checkpoint."""

    leaves: list[bytes] = field(default_factory=list)
    keys: tuple[NoteKey, ...] = (NoteKey.ed25519(1),)
    origin: str = ORIGIN

    @classmethod
    def of(cls, size: int, *, kind: str = "leaf", keys: tuple[NoteKey, ...] | None = None) -> MadeLog:
        """With so many leaves that say no more than which ones they are."""
        leaves = [f"{kind} {index}".encode() for index in range(size)]
        return cls(leaves=leaves, **({} if keys is None else {"keys": keys}))

    @property
    def size(self) -> int:
        """All leaves."""
        return len(self.leaves)

    def frontier(self, size: int, first: int = 0) -> Frontier:
        """Of the leaves from ``first`` up to ``size``."""
        return Frontier().extended(leaf_hash(leaf) for leaf in self.leaves[first:size])

    def head(self, size: int | None = None) -> Checkpoint:
        """What the checkpoint of this size says."""
        size = self.size if size is None else size
        return Checkpoint(origin=self.origin, size=size, root=self.frontier(size).root)

    def checkpoint(self, size: int | None = None, *more: NoteSignature) -> bytes:
        """The signed checkpoint, with further lines."""
        text = str(self.head(size))
        return note(text, *(key.line(text) for key in self.keys), *more)

    def proof(self, old: int, size: int | None = None) -> tuple[bytes, ...]:
        """That the log of ``size`` leaves begins with the ``old`` first ones."""
        size = self.size if size is None else size
        return tuple(self.frontier(end, first).root for first, end in consistency_subtrees(old, size))

    def hashes(self, level: int, number: int, width: int) -> bytes:
        """A tile."""
        each = TILE_WIDTH**level
        first = number * TILE_WIDTH
        return b"".join(self.frontier((n + 1) * each, n * each).root for n in range(first, first + width))

    def entries(self, number: int, width: int) -> bytes:
        """A bundle."""
        return packed_bundle(self.leaves[number * TILE_WIDTH : number * TILE_WIDTH + width])


def request(old: int, path: Sequence[bytes], signed: bytes) -> bytes:
    """The body of a request to a witness."""
    lines = [f"old {old}", *(base64.b64encode(each).decode("ascii") for each in path)]
    return "".join(f"{line}\n" for line in lines).encode("ascii") + b"\n" + signed
