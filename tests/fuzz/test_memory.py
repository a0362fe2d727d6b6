"""Whatever an artifact claims or expands to, the memory of a process that verifies it stays bounded."""

from __future__ import annotations

import lzma
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.artifacts import ArtifactBuilder, Compression, KeyKind, PayloadFile, private_key, public_pem
from tests.artifacts.breaks import changed
from tests.artifacts.builder import Stage
from tests.artifacts.tarwriter import zeros
from tests.support.rows import slow_but

MEBIBYTE = 1 << 20
ALLOWED = 128 * MEBIBYTE
"""The interpreter with cryptography takes about 40 MiB, an xz dictionary 64, and the chunks are few."""

CHILD_SECONDS = 120

VERIFY = """
import sys
from verifier import TrustStore, VerificationError, verify
with open(sys.argv[1], "rb") as artifact, open(sys.argv[2], "rb") as key:
    try:
        verify(artifact, trust=TrustStore.from_pem(key.read()))
        print("accepted")
    except VerificationError as error:
        print(error.code)
with open("/proc/self/status") as status:
    print(next(line.split()[1] for line in status if line.startswith("VmHWM:")))
"""
"""VmHWM, unlike what getrusage tells, does not begin with the memory of the process that started this one."""

XZ_BLOCK_HEADER = 12
"""Right after the stream header; its first byte counts its length in words of four bytes, less one."""
XZ_DICTIONARY_AT = 4
"""In a block header with one filter and no sizes: after length, flags, filter and the size of its properties."""
XZ_DICTIONARY_1_GIB = 36
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ZSTD_WINDOW_2_GIB = 21 << 3


def xz_claiming_a_gibibyte(tar: bytes) -> bytes:
    """xz whose block header asks for a dictionary of 1 GiB, with its checksum right (xz file format, 3.1)."""
    stream = bytearray(lzma.compress(tar))
    end = XZ_BLOCK_HEADER + (stream[XZ_BLOCK_HEADER] + 1) * 4
    stream[XZ_BLOCK_HEADER + XZ_DICTIONARY_AT] = XZ_DICTIONARY_1_GIB
    stream[end - 4 : end] = struct.pack("<I", zlib.crc32(stream[XZ_BLOCK_HEADER : end - 4]))
    return bytes(stream)


def zstd_claiming_two_gibibytes(tar: bytes) -> bytes:
    """A zstd frame that asks for a window of 2 GiB and holds one raw block (RFC 8878, 3.1.1)."""
    last_raw_block = len(tar) << 3 | 1
    return ZSTD_MAGIC + bytes([0, ZSTD_WINDOW_2_GIB]) + last_raw_block.to_bytes(3, "little") + tar


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An artifact and the verdict about it."""

    recipe: ArtifactBuilder
    verdict: str


SIGNED = ArtifactBuilder(key=private_key(KeyKind.P256))
HUGE = replace(SIGNED, files=(PayloadFile(name="zeros", content=zeros(128 * MEBIBYTE)),))


def stored_as(compression: Compression, edit: Callable[[bytes], bytes]) -> ArtifactBuilder:
    """The usual artifact with its payload tar stored by `edit` under the compression's name."""
    plain = replace(SIGNED, payload_compression=Compression.NONE).edited(Stage.PAYLOAD_STORED, edit)
    return plain.edited(Stage.MEMBERS, changed("data/0000.tar", name="data/0000.tar" + compression.value))


ROWS = {
    "128 MiB of zeros, not compressed": Row(recipe=HUGE.compressed(Compression.NONE), verdict="accepted"),
    "128 MiB of zeros in gzip": Row(recipe=HUGE.compressed(Compression.GZIP), verdict="accepted"),
    "128 MiB of zeros in xz": Row(recipe=HUGE.compressed(Compression.XZ), verdict="accepted"),
    "128 MiB of zeros in zstd": Row(recipe=HUGE.compressed(Compression.ZSTD), verdict="accepted"),
    "xz that asks for a dictionary of a gibibyte": Row(
        recipe=stored_as(Compression.XZ, xz_claiming_a_gibibyte), verdict="limit-exceeded"
    ),
    "zstd that asks for a window of two gibibytes": Row(
        recipe=stored_as(Compression.ZSTD, zstd_claiming_two_gibibytes), verdict="limit-exceeded"
    ),
}


@pytest.mark.parametrize("name", slow_but(set(ROWS) - {"128 MiB of zeros in xz"}, ROWS))
def test_memory_stays_bounded(name: str, tmp_path: Path) -> None:
    row = ROWS[name]
    artifact, key = tmp_path / "artifact.mender", tmp_path / "key.pem"
    key.write_bytes(public_pem(private_key(KeyKind.P256)))
    with artifact.open("wb") as out:
        if row.verdict == "accepted":
            row.recipe.write(out)
        else:
            out.write(row.recipe.build())

    verdict, peak = verified_in_a_child(artifact, key)

    assert verdict == row.verdict
    assert peak < ALLOWED


def verified_in_a_child(artifact: Path, key: Path) -> tuple[str, int]:
    """The verdict, and the peak of the child's resident memory in bytes."""
    command = [sys.executable, "-c", VERIFY, str(artifact), str(key)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=CHILD_SECONDS)
    verdict, kibibytes = done.stdout.split()
    return verdict, int(kibibytes) * 1024
