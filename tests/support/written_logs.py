"""Logs written in a test: leaves as the service writes them, under keys of the test, read from memory or a folder."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from signer.log.export import export_log
from signer.log.source import PartUnusable, missing
from verifier.log import Checkpoint, Frontier, KeyType, NoteSignature, Tile, VerifierKey, leaf_hash, packed_bundle
from verifier.log.leaves import canonical_leaf
from verifier.log.notes import key_id

ORIGIN = "signer.example/log"
KEY = "firmware"
MANIFEST = b"the manifest of artifact %d"


@cache
def log_key(seed: int = 1) -> ed25519.Ed25519PrivateKey:
    """The key of a log."""
    return ed25519.Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)


@cache
def verifier_key(seed: int = 1, origin: str = ORIGIN) -> VerifierKey:
    """Its verifier key."""
    public = log_key(seed).public_key().public_bytes_raw()
    content = base64.b64encode(bytes([KeyType.ED25519]) + public).decode()
    return VerifierKey.parse(f"{origin}+{key_id(origin, KeyType.ED25519, public).hex()}+{content}")


def note(size: int, root: bytes, *, seed: int = 1, origin: str = ORIGIN) -> bytes:
    """A signed checkpoint."""
    text = str(Checkpoint(origin=origin, size=size, root=root))
    payload = log_key(seed).sign(text.encode())
    line = NoteSignature(name=origin, id=verifier_key(seed, origin).id, payload=payload)
    return f"{text}\n{line}\n".encode()


@cache
def signing_key(version: int = 1) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    """Of a version of ``firmware``: RSA where its number is even."""
    if version % 2 == 0:
        return rsa.generate_private_key(65537, 2048)
    return ec.derive_private_key(1000 + version, ec.SECP256R1())


def spki(version: int = 1) -> bytes:
    """Its public key."""
    return signing_key(version).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def fingerprint(version: int = 1) -> str:
    """The SHA-256 of that."""
    return hashlib.sha256(spki(version)).hexdigest()


def signature(manifest: bytes, version: int = 1) -> str:
    """As ``manifest.sig`` has it."""
    key = signing_key(version)
    if isinstance(key, rsa.RSAPrivateKey):
        return base64.b64encode(key.sign(manifest, padding.PKCS1v15(), SHA256())).decode()
    r, s = decode_dss_signature(key.sign(manifest, ec.ECDSA(SHA256())))
    return base64.b64encode(r.to_bytes(32, "big") + s.to_bytes(32, "big")).decode()


def moment(seconds: int) -> str:
    """So many seconds after a beginning."""
    hours, rest = divmod(seconds, 3600)
    days, hours = divmod(hours, 24)
    return f"2030-01-{days + 1:02}T{hours:02}:{rest // 60:02}:{rest % 60:02}.000000Z"


def common(index: int, kind: str, **members: Any) -> dict[str, Any]:
    """What all leaves have, each a second after the one before it."""
    leaf_id = hashlib.sha256(b"id %d" % index).hexdigest()[:32]
    return {"v": 1, "type": kind, "time": moment(index), "id": leaf_id, "actor": "api-token:ci", **members}


def created(index: int = 0) -> dict[str, Any]:
    """The first leaf."""
    return common(index, "log-created", origin=ORIGIN, access_revision=1, access_sha256=access(0))


def pinned(index: int, version: int = 1, *, before: int = 0, key: str = KEY) -> dict[str, Any]:
    """A version has its key from here on."""
    public = base64.b64encode(spki(version)).decode()
    after = {"state": "active", "fingerprint": fingerprint(version), "public_key": public, "tokens": ["one"]}
    changed = {"access_revision": index, "access_before": access(before), "access_sha256": access(index)}
    kind = "key-created" if version == 1 else "version-prepared"
    return common(index, kind, key=key, key_version=version, before={"state": "pending"}, after=after, **changed)


def signed(index: int, version: int = 1, **members: Any) -> dict[str, Any]:
    """A signature is recorded."""
    manifest = MANIFEST % index
    return {
        **common(index, "signature", rule="role:administrator", key=KEY, key_version=version),
        "fingerprint": fingerprint(version),
        "algorithm": "ecdsa-p256",
        "manifest_sha256": hashlib.sha256(manifest).hexdigest(),
        "checked": "head",
        "artifact": f"release-{index}",
        "signature": signature(manifest, version),
        **members,
    }


def access(number: int) -> str:
    """A digest of what gives power."""
    return hashlib.sha256(b"access %d" % number).hexdigest()


def leaves(size: int) -> list[dict[str, Any]]:
    """A sound log: its creation, a key, and signatures with it."""
    return [created(0), pinned(1), *(signed(index) for index in range(2, size))][:size]


@dataclass
class WrittenLog:
    """A log in memory; ``changed``: what a path has in the place of what it should."""

    entries_: list[bytes]
    seed: int = 1
    changed: dict[str, bytes | None] = field(default_factory=dict)
    hashes_: list[list[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.hashes_ = [[leaf_hash(entry) for entry in self.entries_]]
        while len(self.hashes_[-1]) >= 256:
            below = self.hashes_[-1]
            tiles = (below[start : start + 256] for start in range(0, len(below) - 255, 256))
            self.hashes_.append([Frontier().extended(tile).root for tile in tiles])

    @classmethod
    def of(cls, members: list[dict[str, Any]]) -> WrittenLog:
        """From the members of its leaves."""
        return cls([canonical_leaf(each) for each in members])

    def at(self, size: int) -> bytes:
        """The checkpoint of its first leaves."""
        return note(size, Frontier().extended(self.hashes_[0][:size]).root, seed=self.seed)

    def checkpoint(self) -> bytes:
        """The newest."""
        return self._told("checkpoint", 0) or self.at(len(self.entries_))

    def hashes(self, level: int, number: int, width: int) -> bytes:
        """A tile."""
        tile = Tile(level=level, number=number, width=width)
        own = self.hashes_[level][number * 256 : number * 256 + width] if level < len(self.hashes_) else []
        told = self._told(tile.path, tile.leaves.start)
        if told is None and not own:
            raise missing(tile)
        return b"".join(own) if told is None else told

    def entries(self, number: int, width: int) -> bytes:
        """A bundle."""
        tile = Tile(level=None, number=number, width=width)
        told = self._told(tile.path, tile.leaves.start)
        return packed_bundle(self.entries_[number * 256 : number * 256 + width]) if told is None else told

    def _told(self, path: str, first: int) -> bytes | None:
        if path not in self.changed:
            return None
        told = self.changed[path]
        if told is None:
            raise PartUnusable(path=path, first=first, problem="it is not there")
        return told

    def export(self, folder: Path) -> Path:
        """As a folder."""
        export_log(self, folder, (verifier_key(self.seed),), lambda _done, _all: None)
        return folder
