"""Proof files (C2SP tlog-proof v1): one leaf, its path to a checkpoint, and the checkpoint, to be checked offline."""

from __future__ import annotations

from binascii import b2a_base64
from dataclasses import dataclass, field

from verifier.errors import ProofMalformed
from verifier.log.encoding import canonical_base64, canonical_number
from verifier.log.hashing import HASH_BYTES, MAX_PATH, leaf_hash, verify_inclusion

FIRST_LINE = "c2sp.org/tlog-proof@v1"
MAX_PROOF_BYTES = 512 * 1024
_EXTRA = "extra "
_INDEX = "index "
_START, _EXTRA_BYTES, _INDEX_BYTES = f"{FIRST_LINE}\n".encode("ascii"), _EXTRA.encode("ascii"), _INDEX.encode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogProof:
    """A proof as it was read: nothing in it is proved before ``open_proof``.

    Attributes:
        extra: here the bytes of the leaf; empty where there are none.
        path: hashes from the leaf's sibling up.
        checkpoint: the signed checkpoint, byte for byte.
    """

    index: int
    path: tuple[bytes, ...] = field(repr=False)
    checkpoint: bytes = field(repr=False)
    extra: bytes = b""

    @classmethod
    def parse(cls, raw: bytes) -> LogProof:
        """Read a proof file; raises ``ProofMalformed``."""
        if len(raw) > MAX_PROOF_BYTES:
            raise ProofMalformed(problem=f"it has more than {MAX_PROOF_BYTES} bytes")
        head, blank, checkpoint = raw.partition(b"\n\n")
        try:
            first, *lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError:
            raise ProofMalformed(problem="its lines before the checkpoint are not ASCII") from None
        if first != FIRST_LINE or not blank:
            raise ProofMalformed(problem=f"it is not a {FIRST_LINE}")
        try:
            extra = canonical_base64(lines.pop(0).removeprefix(_EXTRA)) if _begins(lines, _EXTRA) else b""
            if not _begins(lines, _INDEX):
                raise ProofMalformed(problem="it has no index")
            index = canonical_number(lines.pop(0).removeprefix(_INDEX))
            path = tuple(canonical_base64(line) for line in lines[: MAX_PATH + 1])
        except ValueError as error:
            raise ProofMalformed(problem=str(error)) from None
        if len(path) > MAX_PATH or any(len(each) != HASH_BYTES for each in path):
            raise ProofMalformed(problem="its hashes are too many, or not of 32 bytes")
        return cls(index=index, path=path, checkpoint=checkpoint, extra=extra)

    def __bytes__(self) -> bytes:
        """The proof file."""
        # What is encoded here ends in the newline of its line.
        extra = [_EXTRA_BYTES, b2a_base64(self.extra)] if self.extra else []
        index = b"%s%d\n" % (_INDEX_BYTES, self.index)
        return b"".join([_START, *extra, index, *map(b2a_base64, self.path), b"\n", self.checkpoint])

    def verify(self, leaf: bytes, *, size: int, root: bytes) -> None:
        """Raises ``InclusionRefused`` unless the bytes ``leaf`` stand at ``index`` in the tree of ``root``."""
        verify_inclusion(index=self.index, size=size, leaf=leaf_hash(leaf), path=self.path, root=root)


def _begins(lines: list[str], start: str) -> bool:
    return bool(lines) and lines[0].startswith(start)
