"""A log in memory, and the checkpoints of it: ``LogReader`` and ``CheckpointSource`` without a database."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from signer.domain.leaves import Leaf, LeafDraft, LogEvent, SearchColumns, search_columns
from signer.errors import LogDamaged, LogMissing
from signer.services.ports import LeafQuery, LogEntry, LogHead
from verifier.log import Checkpoint, Frontier, VerifierKey, leaf_hash
from verifier.log.tiles import TILE_WIDTH

ORIGIN = "signer.example/log"


@dataclass(slots=True)
class MemoryLog:
    """Leaves, with the hashes of every level of tiles beside them."""

    contents: list[bytes] = field(default_factory=list)
    levels: list[list[bytes]] = field(default_factory=lambda: [[]])
    frontier: Frontier = field(default_factory=Frontier)
    newest: datetime | None = None
    access_sha256: str = ""
    note: bytes | None = None
    reads: list[tuple[int, int, int]] = field(default_factory=list)
    """Of stored hashes, as they were asked for."""
    leaf_reads: list[tuple[int, int]] = field(default_factory=list)

    def append(self, leaves: Iterable[Leaf]) -> None:
        """As a transaction would."""
        for leaf in leaves:
            self.add(leaf.content)
            self.newest = leaf.columns.at

    def add(self, content: bytes) -> None:
        """Bytes, whatever they are."""
        self.contents.append(content)
        hashed = leaf_hash(content)
        self.frontier = self.frontier.extended([hashed])
        level = 0
        self.levels[0].append(hashed)
        while not len(self.levels[level]) % TILE_WIDTH:
            root = Frontier().extended(self.levels[level][-TILE_WIDTH:]).root
            level += 1
            if level == len(self.levels):
                self.levels.append([])
            self.levels[level].append(root)

    def head(self) -> LogHead:
        """As the port."""
        root = self.frontier.root
        return LogHead(frontier=self.frontier, root=root, newest=self.newest, access_sha256=self.access_sha256)

    def leaves(self, first: int, end: int) -> list[bytes]:
        """As the port."""
        self.leaf_reads.append((first, end))
        self._require(end, len(self.contents))
        return self.contents[first:end]

    def stored_hashes(self, level: int, first: int, end: int) -> list[bytes]:
        """As the port."""
        self.reads.append((level, first, end))
        hashes = self.levels[level] if level < len(self.levels) else []
        self._require(end, len(hashes))
        return hashes[first:end]

    def find(self, query: LeafQuery) -> list[LogEntry]:
        """As the port."""
        found = (
            LogEntry(index=index, leaf=leaf)
            for index, leaf in enumerate(self.contents)
            if index >= query.first and _wanted(search_columns(leaf), query)
        )
        return [entry for entry, _ in zip(found, range(query.limit), strict=False)]

    def checkpoint(self) -> bytes | None:
        """As the port."""
        return self.note

    @staticmethod
    def _require(end: int, size: int) -> None:
        if end > size:
            raise LogDamaged(index=size, problem="it is not on record")


def _wanted(columns: SearchColumns, query: LeafQuery) -> bool:
    return (
        (not query.types or columns.type in query.types)
        and query.key in (None, columns.key)
        and query.artifact in (None, columns.artifact)
        and query.actor in (None, columns.actor)
        and query.manifest_sha256 in (None, columns.manifest_sha256)
        and (query.since is None or columns.at >= query.since)
        and (query.until is None or columns.at < query.until)
    )


@dataclass(slots=True, kw_only=True)
class NoteKey:
    """An Ed25519 key that signs checkpoints, as the log's key in a token does."""

    name: str = ORIGIN
    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def vkey(self) -> str:
        """The verifier key (C2SP signed-note)."""
        encoded = base64.b64encode(b"\x01" + self._public).decode()
        return f"{self.name}+{self._id.hex()}+{encoded}"

    @property
    def verifier(self) -> VerifierKey:
        """The same, read."""
        return VerifierKey.parse(self.vkey)

    def signed(self, size: int, root: bytes) -> bytes:
        """A checkpoint of this size."""
        text = str(Checkpoint(origin=self.name, size=size, root=root))
        line = base64.b64encode(self._id + self.private.sign(text.encode())).decode()
        return f"{text}\n\u2014 {self.name} {line}\n".encode()

    @property
    def _public(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def _id(self) -> bytes:
        return hashlib.sha256(f"{self.name}\n".encode() + b"\x01" + self._public).digest()[:4]


@dataclass(slots=True, kw_only=True)
class MemoryCheckpoints:
    """The newest checkpoint of a log in memory; ``CheckpointSource``."""

    key: NoteKey = field(default_factory=NoteKey)
    note: bytes | None = None
    witnessed: bytes | None = None

    def publish(self, log: MemoryLog) -> bytes:
        """Certify all that the log holds now."""
        self.note = self.key.signed(log.frontier.size, log.frontier.root)
        return self.note

    def latest(self) -> bytes:
        """As the port."""
        if self.note is None:
            raise LogMissing
        return self.note

    def cosigned(self) -> bytes | None:
        """As the port."""
        return self.witnessed


def moment(number: int) -> datetime:
    """A time that grows with the number."""
    return datetime.fromtimestamp(1_767_225_600 + number, UTC)


def signature_leaf(number: int, **members: str | int) -> Leaf:
    """A leaf of type ``signature``, another one for each number."""
    told: dict[str, str | int] = {
        "key": "firmware",
        "key_version": 1,
        "fingerprint": "f" * 64,
        "manifest_sha256": f"{number:064x}",
        "checked": "head",
        "artifact": f"release-{number}",
        "signature": "A" * 86 + "==",
        **members,
    }
    actor = str(told.pop("actor", "api-token:pipeline"))
    return LeafDraft(type=LogEvent.SIGNATURE, actor=actor, members=told).leaf(at=moment(number))


def log_of(size: int) -> MemoryLog:
    """A log of that many signatures."""
    log = MemoryLog()
    log.append(signature_leaf(number) for number in range(size))
    return log
