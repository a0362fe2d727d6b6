"""Artifacts that Debian's mender-artifact writes and signs are accepted here; changed by a bit, refused."""

from __future__ import annotations

import io
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.artifacts import DEVICE_TYPE, PAYLOAD_TYPE, KeyKind, private_key, public_pem
from tests.artifacts.keys import traditional_pem
from tests.artifacts.tarwriter import BLOCK
from verifier import Compression, Evidence, TrustStore, VerificationError, verify

from . import judges

pytestmark = [
    pytest.mark.judge,
    pytest.mark.skipif(judges.missing_tool() is not None, reason=judges.missing_tool() or ""),
]

KEYS = (KeyKind.P256, KeyKind.RSA_3072)
COMPRESSIONS = {"none": Compression.NONE, "gzip": Compression.GZIP, "lzma": Compression.XZ}
IMAGE_BYTES = 1 << 20
WRITE_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """A directory with a signing key in the form that the tool reads, and things to pack."""

    directory: Path

    def write(self, kind: str, *arguments: str, key: KeyKind, compression: str) -> bytes:
        """The artifact that `mender-artifact write KIND …` makes."""
        signing_key = self.directory / f"{key.name}.key"
        signing_key.write_bytes(traditional_pem(private_key(key)))
        out = self.directory / "out.mender"
        command = [judges.TOOL, "--compression", compression, "write", kind, "-t", DEVICE_TYPE, "-n", "written"]
        command += ["-k", str(signing_key), "-o", str(out), *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=WRITE_SECONDS)
        return out.read_bytes()

    def file(self, name: str, content: bytes) -> str:
        """A new file's path."""
        path = self.directory / name
        path.write_bytes(content)
        return str(path)


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(directory=tmp_path)


def evidence_of(artifact: bytes, key: KeyKind) -> Evidence:
    trust = TrustStore.from_pem(public_pem(private_key(key)))
    return verify(io.BytesIO(artifact), trust=trust)


def module_image(workshop: Workshop, key: KeyKind, compression: str) -> bytes:
    script = workshop.file("ArtifactInstall_Enter_00", b"#!/bin/sh\n")
    meta_data = workshop.file("meta", b'{"a":1}')
    files = [workshop.file("one.txt", b"one\n"), workshop.file("two.bin", bytes(range(256)) * 20)]
    packed = [argument for file in files for argument in ("-f", file)]
    return workshop.write(
        "module-image", "-T", PAYLOAD_TYPE, "-s", script, "-m", meta_data, *packed, key=key, compression=compression
    )


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.value)
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_module_image_is_accepted(workshop: Workshop, key: KeyKind, compression: str) -> None:
    evidence = evidence_of(module_image(workshop, key, compression), key)

    assert evidence.artifact_name == "written"
    assert evidence.header.payload_type == PAYLOAD_TYPE
    assert evidence.header.scripts == ("ArtifactInstall_Enter_00",)
    assert evidence.header.meta_data == {"a": 1}
    assert [payload.name for payload in evidence.payloads] == ["one.txt", "two.bin"]
    assert evidence.payload_compression is COMPRESSIONS[compression]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.value)
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_rootfs_image_is_accepted(workshop: Workshop, key: KeyKind, compression: str) -> None:
    mkfs = shutil.which("mkfs.ext4", path="/usr/sbin:/sbin:/usr/bin")
    if mkfs is None:
        pytest.skip("mkfs.ext4, of the package e2fsprogs, is not installed")
    image = workshop.file("image.ext4", bytes(IMAGE_BYTES))
    subprocess.run([mkfs, "-q", image], check=True, capture_output=True, timeout=WRITE_SECONDS)

    evidence = evidence_of(workshop.write("rootfs-image", "-f", image, key=key, compression=compression), key)

    assert evidence.header.payload_type == "rootfs-image"
    assert [payload.size for payload in evidence.payloads] == [IMAGE_BYTES]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.value)
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_each_member_changed_by_a_bit_is_refused(workshop: Workshop, key: KeyKind, compression: str) -> None:
    artifact = module_image(workshop, key, compression)
    contents = content_offsets(artifact)

    assert len(contents) == 5
    for offset in contents:
        changed = bytearray(artifact)
        changed[offset] ^= 1
        with pytest.raises(VerificationError):
            evidence_of(bytes(changed), key)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.value)
def test_another_key_is_refused(workshop: Workshop, key: KeyKind) -> None:
    artifact = module_image(workshop, key, "gzip")

    with pytest.raises(VerificationError) as refusal:
        evidence_of(artifact, KeyKind.OTHER_P256)
    assert refusal.value.code == "signature-invalid"


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_an_artifact_without_payload_is_accepted(workshop: Workshop, compression: str) -> None:
    written = workshop.write("bootstrap-artifact", key=KeyKind.P256, compression=compression)

    evidence = evidence_of(written, KeyKind.P256)

    assert evidence.header.payload_type is None
    assert evidence.payloads == ()


def content_offsets(artifact: bytes) -> list[int]:
    """Where, in each member, a byte lies that decides: the first of the compressed or plain content.

    In a payload that is not compressed it is a byte of the first file, behind that file's own header block.
    """
    offsets = []
    position = 0
    while artifact[position : position + BLOCK].strip(b"\0"):
        name = artifact[position : position + 100].rstrip(b"\0")
        size = int(artifact[position + 124 : position + 135], 8)
        content = position + BLOCK
        offsets.append(content + BLOCK if name == b"data/0000.tar" else content)
        position = content + -(-size // BLOCK) * BLOCK
    return offsets
