"""The folder that ``keys export`` keeps, and that ``artifact-verify --key`` reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from signer.cli.key_files import export_keys
from verifier import TrustStore

PRIVATE = ec.generate_private_key(ec.SECP256R1())
PEMS = {
    number: ec.generate_private_key(ec.SECP256R1())
    .public_key()
    .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for number in (1, 2, 3, 10)
}


def published(*numbers: int) -> dict[int, bytes]:
    return {number: PEMS[number] for number in numbers}


def trusted(directory: Path) -> list[str]:
    """The names of the key files that the verifier reads in a folder."""
    return [Path(str(key.source)).name for key in TrustStore.load([directory]).keys]


def test_the_verifier_trusts_exactly_what_was_exported(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "device-keys"
    exported = export_keys(folder, "firmware", published(2, 1))
    assert [path.name for path in exported.files] == ["firmware-v1.pem", "firmware-v2.pem"]
    assert trusted(folder) == ["firmware-v1.pem", "firmware-v2.pem"]
    assert {path.read_bytes() for path in folder.iterdir()} == {PEMS[1], PEMS[2]}
    assert {key.source for key in TrustStore.load([folder]).keys} == {str(path) for path in exported.files}


def test_what_is_trusted_no_longer_goes(tmp_path: Path) -> None:
    export_keys(tmp_path, "firmware", published(1, 2))
    exported = export_keys(tmp_path, "firmware", published(2, 10))
    assert exported.removed == (tmp_path / "firmware-v1.pem",)
    assert [path.name for path in exported.files] == ["firmware-v2.pem", "firmware-v10.pem"], "oldest version first"
    assert trusted(tmp_path) == ["firmware-v10.pem", "firmware-v2.pem"]


def test_an_export_may_be_repeated(tmp_path: Path) -> None:
    first = export_keys(tmp_path, "firmware", published(1))
    assert export_keys(tmp_path, "firmware", published(1)) == first


KEPT = {
    "another key": ("bootloader-v1.pem", PEMS[1]),
    "a key whose name begins alike": ("firmware-extra-v1.pem", PEMS[1]),
    "a key whose name ends in a version": ("firmware-v1-v1.pem", PEMS[1]),
    "a key whose name ends alike": ("my-firmware-v1.pem", PEMS[1]),
    "a version that is none": ("firmware-v0.pem", PEMS[1]),
    "a version with a leading zero": ("firmware-v01.pem", PEMS[1]),
    "a version in other digits": ("firmware-v\u0661.pem", PEMS[1]),
    "another ending": ("firmware-v1.pem.bak", PEMS[1]),
    "a private key": (
        "firmware-v1.pem",
        PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    ),
    "a certificate": ("firmware-v1.pem", b"-----BEGIN CERTIFICATE-----\n"),
    "an empty file": ("firmware-v1.pem", b""),
}


@pytest.mark.parametrize("sentence", KEPT)
def test_what_is_not_an_exported_key_stays(sentence: str, tmp_path: Path) -> None:
    name, content = KEPT[sentence]
    (tmp_path / name).write_bytes(content)
    assert export_keys(tmp_path, "firmware", published(2)).removed == ()
    assert (tmp_path / name).read_bytes() == content


def test_a_link_and_a_folder_stay(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.pem"
    elsewhere.write_bytes(PEMS[1])
    folder = tmp_path / "keys"
    (folder / "firmware-v3.pem").mkdir(parents=True)
    (folder / "firmware-v1.pem").symlink_to(elsewhere)
    assert export_keys(folder, "firmware", published(2)).removed == ()
    assert elsewhere.exists()


BLOCKING = {
    "a private key": lambda path: path.write_bytes(b"-----BEGIN PRIVATE KEY-----\n"),
    "a folder": lambda path: path.mkdir(),
    "a link": lambda path: path.symlink_to(path.with_name("elsewhere")),
}


@pytest.mark.parametrize("sentence", BLOCKING)
def test_what_stands_in_the_way_is_not_replaced(sentence: str, tmp_path: Path) -> None:
    blocked = tmp_path / "firmware-v2.pem"
    BLOCKING[sentence](blocked)
    with pytest.raises(FileExistsError) as refused:
        export_keys(tmp_path, "firmware", published(1, 2))
    assert refused.value.filename == str(blocked)
    assert [path.name for path in tmp_path.iterdir()] == [blocked.name], "nothing else was written"


def test_a_file_instead_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(b"x")
    with pytest.raises(FileExistsError):
        export_keys(tmp_path / "keys", "firmware", published(1))


def test_an_empty_export_is_refused_and_removes_nothing(tmp_path: Path) -> None:
    export_keys(tmp_path, "firmware", published(1))
    with pytest.raises(ValueError, match="switch verification off"):
        export_keys(tmp_path, "firmware", {})
    assert trusted(tmp_path) == ["firmware-v1.pem"]


def test_a_failure_in_between_leaves_whole_files_and_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export_keys(tmp_path, "firmware", published(1))
    replace = Path.replace

    def fails_at_the_second(self: Path, target: Path) -> Path:
        if target.name == "firmware-v3.pem":
            raise OSError(28, "No space left on device", str(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fails_at_the_second)
    with pytest.raises(OSError, match="No space"):
        export_keys(tmp_path, "firmware", published(2, 3))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["firmware-v1.pem", "firmware-v2.pem"]
    assert trusted(tmp_path) == ["firmware-v1.pem", "firmware-v2.pem"]


def test_a_draft_of_a_crash_does_no_harm(tmp_path: Path) -> None:
    export_keys(tmp_path, "firmware", published(1))
    (tmp_path / ".firmware-v2.pem.0123456789abcdef").write_bytes(b"half a k")
    assert trusted(tmp_path) == ["firmware-v1.pem"]
