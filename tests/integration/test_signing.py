"""Artifacts that the service signs, judged by our verifier, ``mender-artifact`` and the device client."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest

from tests.artifacts import DEVICE_TYPE, PAYLOAD_TYPE
from tests.integration.running import Installation
from tests.verifier_judges import judges
from verifier import ArtifactReader, ManifestRead, SignatureRead, TrustStore, VerificationError, verify

KEYS = ("p256", "rsa")
COMPRESSIONS = ("none", "gzip", "lzma")
PLACES = ("version", "manifest", "signature", "header", "payload")

pytestmark = pytest.mark.judge


@pytest.fixture(scope="session", autouse=True)
def _tools() -> None:
    missing = judges.missing_tool()
    if missing:
        pytest.skip(missing)


@pytest.fixture(scope="session")
def unsigned(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """An artifact of each compression, written by ``mender-artifact``."""
    directory = tmp_path_factory.mktemp("unsigned")
    payload = directory / "app.bin"
    payload.write_bytes(bytes(range(256)) * 64)
    return {compression: _written(directory, payload, compression) for compression in COMPRESSIONS}


def _written(directory: Path, payload: Path, compression: str) -> bytes:
    output = directory / f"{compression}.mender"
    subprocess.run(
        ["mender-artifact", "--compression", compression, "write", "module-image", "-T", PAYLOAD_TYPE,
         "-t", DEVICE_TYPE, "-n", "release-1", "-f", str(payload), "-o", str(output)],
        check=True, timeout=60, capture_output=True,
    )  # fmt: skip
    return output.read_bytes()


@pytest.fixture(scope="session")
def public_keys(service: Installation, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The public keys as the command line writes them."""
    directory = tmp_path_factory.mktemp("public-keys")
    paths = {}
    for key in KEYS:
        done = service.run("keys", "public-key", key)
        assert done.returncode == 0, done.stderr
        paths[key] = directory / f"{key}.pem"
        paths[key].write_text(done.stdout)
    return paths


def signed_by(service: Installation, key: str, artifact: bytes) -> bytes:
    with service.http() as http:
        answer = http.post(f"/v1/keys/{key}/artifacts", content=artifact)
    assert answer.status_code == 200, answer.text
    return answer.content


def offsets(artifact: bytes) -> dict[str, int]:
    """A byte inside the content of each part."""
    reader = ArtifactReader(payload_data=False)
    places = {"version": 512 + 5}
    header_at = 0
    for event in [*reader.feed(artifact), *reader.finish()]:
        match event:
            case ManifestRead():
                places["manifest"] = event.end_offset - 512 + 10
                header_at = event.end_offset
            case SignatureRead():
                places["signature"] = event.start_offset + 512 + 20
                header_at = event.end_offset
            case _:
                pass
    # 100 bytes into the stored header; the payload's last quarter is stored content in every compression.
    places["header"] = header_at + 512 + 100
    data_at = artifact.rindex(b"data/0000.tar", 0, len(artifact) - 1024)
    size = int(artifact[data_at + 124 : data_at + 135], 8)
    places["payload"] = data_at + 512 + (512 + 100 if artifact[data_at:][:14] == b"data/0000.tar\0" else size // 2)
    return places


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_what_the_service_signs_is_accepted_by_all(
    service: Installation, unsigned: dict[str, bytes], public_keys: dict[str, Path],
    key: str, compression: str, tmp_path: Path,
) -> None:  # fmt: skip
    signed = signed_by(service, key, unsigned[compression])
    path = tmp_path / "signed.mender"
    path.write_bytes(signed)

    evidence = verify(io.BytesIO(signed), trust=TrustStore.load([public_keys[key]]))
    assert evidence.artifact_name == "release-1"
    assert judges.validate(path, public_keys[key]).accepts
    if judges.missing_client() is None:
        with judges.client_prepared():
            opinion = judges.install(path, public_keys[key], tmp_path / "device")
        assert opinion.accepts, opinion.said


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("place", PLACES)
def test_one_changed_byte_is_refused_by_all(
    service: Installation, unsigned: dict[str, bytes], public_keys: dict[str, Path],
    key: str, compression: str, place: str, tmp_path: Path,
) -> None:  # fmt: skip
    tampered = bytearray(signed_by(service, key, unsigned[compression]))
    tampered[offsets(bytes(tampered))[place]] ^= 0x01
    path = tmp_path / "tampered.mender"
    path.write_bytes(tampered)

    with pytest.raises(VerificationError):
        verify(io.BytesIO(tampered), trust=TrustStore.load([public_keys[key]]))
    opinion = judges.validate(path, public_keys[key])
    assert not opinion.accepts, opinion.said
    if judges.missing_client() is None:
        with judges.client_prepared():
            opinion = judges.install(path, public_keys[key], tmp_path / "device")
        assert not opinion.accepts, opinion.said


def test_a_signature_by_another_key_is_refused_by_all(
    service: Installation, unsigned: dict[str, bytes], public_keys: dict[str, Path], tmp_path: Path
) -> None:
    path = tmp_path / "signed.mender"
    path.write_bytes(signed_by(service, "p256", unsigned["gzip"]))
    with pytest.raises(VerificationError):
        verify(io.BytesIO(path.read_bytes()), trust=TrustStore.load([public_keys["rsa"]]))
    assert not judges.validate(path, public_keys["rsa"]).accepts


@pytest.mark.parametrize("form", ["manifest", "head", "head and some payload", "whole"])
def test_every_form_gives_a_signature_over_the_same_manifest(
    service: Installation, unsigned: dict[str, bytes], form: str
) -> None:
    artifact = unsigned["none"]
    (manifest,) = [event for event in ArtifactReader().feed(artifact) if isinstance(event, ManifestRead)]
    body, checked = {
        "manifest": (manifest.manifest.raw, "manifest"),
        "head": (artifact[: artifact.rindex(b"data/0000.tar")], "head"),
        "head and some payload": (artifact[:-9000], "head"),
        "whole": (artifact, "artifact"),
    }[form]
    with service.http() as http:
        answer = http.post("/v1/keys/rsa/signatures", content=body)
        text = http.post("/v1/keys/rsa/signatures", content=body, headers={"Accept": "text/plain"})
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert document["checked"] == checked
    assert document["manifest_sha256"] == manifest.manifest.sha256
    assert (document["artifact"] or {"name": None})["name"] == (None if form == "manifest" else "release-1")
    # PKCS#1 v1.5 is deterministic: both answers carry the same signature, as text without anything around it.
    assert text.content == document["signature"].encode()
    assert text.headers["Content-Type"].startswith("text/plain")


def test_a_signed_artifact_is_signed_again_only_when_asked(
    service: Installation, unsigned: dict[str, bytes], public_keys: dict[str, Path]
) -> None:
    once = signed_by(service, "p256", unsigned["gzip"])
    with service.http() as http:
        refused = http.post("/v1/keys/rsa/artifacts", content=once)
        replaced = http.post("/v1/keys/rsa/artifacts?replace=true", content=once)
    assert (refused.status_code, refused.json()["code"]) == (409, "signed-already")
    assert verify(io.BytesIO(replaced.content), trust=TrustStore.load([public_keys["rsa"]]))


def test_only_the_signature_member_differs(service: Installation, unsigned: dict[str, bytes]) -> None:
    artifact = unsigned["lzma"]
    signed = signed_by(service, "rsa", artifact)
    (manifest,) = [event for event in ArtifactReader().feed(artifact) if isinstance(event, ManifestRead)]
    cut, added = manifest.end_offset, len(signed) - len(artifact)
    assert signed[:cut] + signed[cut + added :] == artifact
