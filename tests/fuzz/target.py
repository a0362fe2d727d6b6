"""What fuzzing holds the verifier to, and the inputs that it starts from.

An input is one byte of options and an artifact, or what a layer of it reads for itself (`tests.fuzz.layers`). A
changed artifact rarely gets past its signature and digests, so half of the inputs are first repaired: tar checksums,
the digests of version and header and the signature are made right again, and what lies behind them is reached. No
input may cost more than its length allows (`tests.fuzz.budget`).
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Callable, Iterator

from tests.artifacts import ArtifactBuilder, Compression, KeyKind, Stage, private_key, public_pem
from tests.artifacts.corpus import CORPUS
from tests.artifacts.keys import sign
from tests.artifacts.tarwriter import BLOCK, Field, checksum
from tests.fuzz import layers
from tests.fuzz.budget import budget
from verifier import ArtifactReader, Evidence, Limits, TrustStore, VerificationError, Verifier

REPAIR = 1
INSPECT = 2
CHUNK_SIZES = (1 << 20, 1, 511, 4096)
CHUNK_SHIFT = 2
"""The two bits above the first two choose how the artifact is cut."""
OPTIONS = range(len(CHUNK_SIZES) << CHUNK_SHIFT)
LAYER_SHIFT = 4
"""The bits above those name a layer; without one it is an artifact."""

LONGEST_SEED = 16 * 1024
MEBIBYTE = 1 << 20
LIMITS = Limits(
    payload_uncompressed_bytes=4 * MEBIBYTE,
    header_uncompressed_bytes=MEBIBYTE,
    zero_padding_bytes=MEBIBYTE,
    decompression_ratio_floor_bytes=MEBIBYTE,
    json_bytes=MEBIBYTE // 16,
)
"""Tighter than the default, so that bounds are met often and executions are quick."""

KEY = private_key(KeyKind.P256)
TRUST = TrustStore.from_pem(public_pem(KEY))
INNER_STAGES = {
    Stage.HEADER_INFO,
    Stage.HEADER_INFO_JSON,
    Stage.TYPE_INFO,
    Stage.TYPE_INFO_JSON,
    Stage.HEADER_MEMBERS,
    Stage.HEADER_TAR,
    Stage.PAYLOAD_MEMBERS,
    Stage.PAYLOAD_TAR,
}

_MAGIC_AT = slice(257, 262)
_MAGIC = b"ustar"
_SUM_AT, _SUM_LENGTH = Field.CHECKSUM.value
_SIZE_AT, _SIZE_LENGTH = Field.SIZE.value
_SIGNATURE_BYTES = len(base64.b64encode(bytes(64)))


class InvariantBroken(AssertionError):
    """The verifier did what it never may."""


def seeds() -> Iterator[bytes]:
    """The corpus as inputs: each artifact as it is, repaired, and inspected."""
    for artifact in _artifacts():
        yield from (bytes([options]) + artifact for options in (0, REPAIR, INSPECT))
    for name, data in layers.seeds():
        yield bytes([layer_option(name)]) + data


def layer_option(name: str) -> int:
    """The options of an input for a layer."""
    return layers.NAMES.index(name) + 1 << LAYER_SHIFT


@functools.cache
def _artifacts() -> tuple[bytes, ...]:
    return tuple(artifact for artifact in (recipe.build() for recipe in _recipes()) if len(artifact) <= LONGEST_SEED)


@functools.cache
def signed_manifests() -> frozenset[bytes]:
    """Every manifest that the trusted key signed when the seeds were made."""
    return frozenset(recipe.manifest() for recipe in _recipes())


def _recipes() -> Iterator[ArtifactBuilder]:
    """Those of the corpus; rows about what is inside the tars come without compression too, so that there a
    small change of the file is a small change of what it holds."""
    for recipe in (case.recipe for case in CORPUS):
        yield recipe
        if recipe.edits and {stage for stage, _ in recipe.edits} <= INNER_STAGES:
            yield recipe.compressed(Compression.NONE)


def check(data: bytes) -> None:
    """Run one input. Whatever this raises is a defect of the verifier."""
    if not data:
        return
    with budget(len(data)):
        layer = data[0] >> LAYER_SHIFT
        if 0 < layer <= len(layers.NAMES):
            layers.check(layers.NAMES[layer - 1], data[1:], LIMITS)
        else:
            _check_artifact(data[0], data[1:])


def _check_artifact(options: int, artifact: bytes) -> None:
    if options & REPAIR:
        artifact = repaired(artifact)
    size = CHUNK_SIZES[options >> CHUNK_SHIFT & (len(CHUNK_SIZES) - 1)]
    chunks = (artifact[at : at + size] for at in range(0, len(artifact), size))
    if options & INSPECT:
        reader = ArtifactReader(limits=LIMITS)
        _run(reader.feed, reader.finish, chunks)
        return
    verifier = Verifier(trust=TRUST, limits=LIMITS)
    evidence = _run(verifier.feed, verifier.finish, chunks)
    if isinstance(evidence, Evidence):
        _check_evidence(evidence, anything_is_signed=bool(options & REPAIR))


def _run(feed: Callable[[bytes], object], finish: Callable[[], object], chunks: Iterator[bytes]) -> object:
    try:
        for chunk in chunks:
            feed(chunk)
        return finish()
    except VerificationError:
        return None


def _check_evidence(evidence: Evidence, *, anything_is_signed: bool) -> None:
    listed = {entry.name: entry.sha256 for entry in evidence.manifest.payloads}
    if {payload.name: payload.sha256 for payload in evidence.payloads} != listed:
        raise InvariantBroken("the payload is not what the manifest lists")
    if not anything_is_signed and evidence.manifest.raw not in signed_manifests():
        raise InvariantBroken("a manifest was accepted that was never signed")


def repaired(artifact: bytes) -> bytes:
    """The artifact with checksums, digests and signature made right, as far as its parts can be found."""
    changed = bytearray(artifact)
    for at in range(0, len(changed) - BLOCK + 1, BLOCK):
        _repair_checksum(changed, at)
    found = dict(_contents(changed))
    manifest = found.get("manifest")
    if manifest is None:
        return bytes(changed)
    text = bytes(changed[manifest])
    for name, where in found.items():
        if name == "version" or name.startswith("header.tar"):
            digest = hashlib.sha256(changed[where]).hexdigest().encode()
            text = re.sub(rb"(?m)^[0-9a-f]{64}(?=  %b$)" % re.escape(name.encode()), digest, text)
    changed[manifest] = text
    signature = found.get("manifest.sig")
    if signature is not None and signature.stop - signature.start == _SIGNATURE_BYTES:
        changed[signature] = base64.b64encode(sign(KEY, text))
    return bytes(changed)


def _repair_checksum(artifact: bytearray, at: int) -> None:
    block = artifact[at : at + BLOCK]
    if block[_MAGIC_AT] == _MAGIC:
        right = f"{checksum(block):06o}\0 ".encode()
        artifact[at + _SUM_AT : at + _SUM_AT + _SUM_LENGTH] = right


def _contents(artifact: bytearray) -> Iterator[tuple[str, slice]]:
    """The members of the outer tar and where their contents lie, read without any suspicion."""
    at = 0
    while at + BLOCK <= len(artifact):
        block = artifact[at : at + BLOCK]
        digits = bytes(block[_SIZE_AT : _SIZE_AT + _SIZE_LENGTH]).strip(b" \0")
        if block[_MAGIC_AT] != _MAGIC or not re.fullmatch(rb"[0-7]+", digits):
            return
        size = int(digits, 8)
        yield block[:100].split(b"\0")[0].decode("latin-1"), slice(at + BLOCK, min(at + BLOCK + size, len(artifact)))
        at += BLOCK - -size // BLOCK * BLOCK
