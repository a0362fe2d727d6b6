"""``artifact-verify`` as people meet it: command, standard output, standard error, exit code, files left behind."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.artifacts import ArtifactBuilder, Compression, KeyKind, PayloadFile, Script, Stage, private_key, public_pem
from tests.artifacts.breaks import cut, flip
from tests.cli.artifact_verify import Session, artifact_verify
from verifier import TrustStore

P256 = private_key(KeyKind.P256)
SIGNED = ArtifactBuilder(key=P256, name="release-1")
FINGERPRINT = TrustStore.from_pem(public_pem(P256)).keys[0].fingerprint
HOSTILE_NAME = "evil\x1b[2Jname"

ARTIFACTS = {
    "good.mender": SIGNED,
    "gzip.mender": SIGNED,
    "xz.mender": SIGNED.compressed(Compression.XZ),
    "zstd.mender": SIGNED.compressed(Compression.ZSTD),
    "unsigned.mender": ArtifactBuilder(name="release-1"),
    "other-key.mender": replace(SIGNED, key=private_key(KeyKind.OTHER_P256)),
    "findings.mender": replace(SIGNED, files=(PayloadFile(name="rootfs.ext4.gz", content=b"x"),)),
    "empty-payload.mender": replace(SIGNED, payload_type=None, files=()),
    "damaged.mender": SIGNED.compressed(Compression.NONE).edited(Stage.PAYLOAD_STORED, flip(513)),
    "truncated.mender": SIGNED.edited(Stage.ARTIFACT, cut(2000)),
    "hostile.mender": replace(SIGNED, name=HOSTILE_NAME),
    "scripts.mender": replace(SIGNED, scripts=(Script(name="ArtifactInstall_Enter_00"),)),
}


def compressed_pem() -> bytes:
    """The public key with its point in compressed form, as ``openssl ec -conv_form compressed`` writes it."""
    public = P256.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    point = public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    der = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200") + point
    return b"-----BEGIN PUBLIC KEY-----\n" + base64.encodebytes(der) + b"-----END PUBLIC KEY-----\n"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with artifacts and keys."""
    directory = tmp_path_factory.mktemp("desk")
    for name, recipe in ARTIFACTS.items():
        (directory / name).write_bytes(recipe.build())
    (directory / "release.pem").write_bytes(public_pem(P256))
    (directory / "other.pem").write_bytes(public_pem(private_key(KeyKind.RSA_3072)))
    (directory / "private.pem").write_bytes(b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
    (directory / "empty.pem").touch()
    (directory / "text.txt").write_text("this is no artifact\n" * 100)
    (directory / "page.html").write_text("<!DOCTYPE html>\n<html><title>404 Not Found</title></html>\n")
    (directory / "pointer.mender").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935\nsize 12345\n"
    )
    (directory / "version-only.mender").write_bytes(SIGNED.build()[:300])
    (directory / "compressed.pem").write_bytes(compressed_pem())
    (directory / "with-pipe").mkdir()
    (directory / "with-pipe" / "a.pem").write_bytes(public_pem(P256))
    os.mkfifo(directory / "with-pipe" / "b.pem")
    (directory / "nothing.mender").touch()
    (directory / "keys").mkdir()
    (directory / "keys" / "a.pem").write_bytes(public_pem(private_key(KeyKind.RSA_3072)))
    (directory / "keys" / "b.pem").write_bytes(public_pem(P256))
    (directory / "spoilt").mkdir()
    (directory / "spoilt" / "a.pem").write_bytes(public_pem(P256))
    (directory / "spoilt" / "b.pem").write_bytes(b"not a key")
    (directory / "no-keys").mkdir()
    return directory


def verify(desk: Path, *arguments: str, stdin: bytes = b"") -> Session:
    return artifact_verify(*arguments, cwd=desk, stdin=stdin)


def test_a_valid_artifact_is_reported_in_full(desk: Path) -> None:
    session = verify(desk, "--key", "release.pem", "good.mender")

    assert session.code == 0
    assert session.stderr == ""
    lines = session.stdout.splitlines()
    assert lines[0] == "good.mender: valid"
    assert "  artifact   release-1" in lines
    assert "  devices    corpus-device" in lines
    assert f"  signed by  ecdsa-p256, sha256 {FINGERPRINT}" in lines
    assert "             release.pem" in lines
    assert "  payload    corpus-module, compression gzip" in lines
    assert any(line.startswith("             hello.txt, 14 bytes, sha256 ") for line in lines)


REFUSED = {
    "unsigned.mender": "it is not signed: anyone can have made it",
    "other-key.mender": f"none of the keys made its signature (tried: {FINGERPRINT})",
    "damaged.mender": "data/0000/hello.txt is not what the manifest lists",
    "truncated.mender": "it ends too early: artifact breaks off after",
    "text.txt": "this is not a Mender Artifact",
    "page.html": "this is not a Mender Artifact",
    "pointer.mender": "this is not a Mender Artifact",
    "version-only.mender": "it ends too early: artifact breaks off after 300 bytes",
    "nothing.mender": "there is nothing in it, not a single byte",
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_artifact_is_refused_with_a_reason(name: str, desk: Path) -> None:
    session = verify(desk, "--key", "release.pem", name)

    assert session.code == 1
    assert session.stdout == ""
    complaint, *hints = session.stderr.splitlines()
    assert complaint.startswith(f"artifact-verify: {name}: not valid: {REFUSED[name]}")
    assert all(line.startswith("hint: ") for line in hints)
    assert not session.stderr.rstrip().endswith(".")


USAGE = {
    "no key": (("good.mender",), "there is no key to verify with"),
    "a missing key file": (("--key", "nope.pem", "good.mender"), "the key nope.pem cannot be read: No such file"),
    "an empty key file": (("--key", "empty.pem", "good.mender"), "the key file empty.pem is empty"),
    "a private key": (("--key", "private.pem", "good.mender"), "private.pem holds PRIVATE KEY, not PUBLIC KEY"),
    "an artifact for a key": (("--key", "good.mender", "good.mender"), "good.mender is not a public key in PEM form"),
    "a directory with one bad key": (("--key", "spoilt", "good.mender"), "spoilt/b.pem is not a public key"),
    "an empty directory": (("--key", "no-keys", "good.mender"), "the key directory no-keys is empty"),
    "a key in compressed form": (
        ("--key", "compressed.pem", "good.mender"),
        "the key compressed.pem is in compressed form, which Go clients refuse\nhint: openssl writes the other form: "
        "openssl ec -pubin -in KEY.pem -conv_form uncompressed -out PUBLIC.pem\n",
    ),
    "a directory with a pipe": (
        ("--key", "with-pipe", "good.mender"),
        "the key with-pipe/b.pem cannot be read: it is not a regular file",
    ),
    "a good key and a bad one": (("--key", "release.pem", "--key", "empty.pem", "good.mender"), "empty.pem is empty"),
    "no artifact": (("--key", "release.pem"), "the following arguments are required: ARTIFACT"),
    "an unknown option": (("--keys", "release.pem", "good.mender"), "unrecognized arguments: --keys"),
    "inspecting with a key": (("--inspect", "--key", "release.pem", "good.mender"), "takes no --key"),
    "standard input twice": (("--key", "release.pem", "-", "-"), "standard input can be read only once"),
}


@pytest.mark.parametrize("sentence", USAGE)
def test_without_usable_keys_and_arguments_nothing_is_verified(sentence: str, desk: Path) -> None:
    arguments, complaint = USAGE[sentence]
    session = verify(desk, *arguments)
    assert session.code == 2
    assert session.stdout == ""
    assert complaint in session.stderr
    assert "c2VjcmV0" not in session.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("missing.mender",), "missing.mender: cannot be read: No such file or directory"),
        (("keys",), "keys: cannot be read: there is no file named *.mender in it"),
    ],
    ids=["a missing file", "a directory without artifacts"],
)
def test_what_cannot_be_read_is_not_what_is_not_valid(arguments: tuple[str, ...], reason: str, desk: Path) -> None:
    session = verify(desk, "--key", "release.pem", *arguments)
    assert session.code == 3
    assert session.stderr == f"artifact-verify: {reason}\n"


def test_zstd_that_nothing_reads_is_not_called_invalid(desk: Path, tmp_path: Path) -> None:
    for name in ("zstandard", "backports", "compression"):
        (tmp_path / f"{name}.py").write_text("raise ImportError\n")
    done = artifact_verify("--key", "release.pem", "zstd.mender", cwd=desk, before_path=tmp_path)
    assert done.code == 3
    assert done.stdout == ""
    assert "zstd.mender: cannot be read: header.tar.zst is compressed with zstd" in done.stderr
    assert "hint: pip install 'artifact-signer[fast]'" in done.stderr


def test_keys_come_from_files_and_directories_and_the_right_one_is_named(desk: Path) -> None:
    for arguments in (("--key", "other.pem", "--key", "release.pem"), ("--key", "keys"), ("--key", "keys/")):
        session = verify(desk, *arguments, "good.mender")
        assert session.code == 0
        assert FINGERPRINT in session.stdout
        assert ("release.pem" in session.stdout) or ("keys/b.pem" in session.stdout)


def test_standard_input_is_read(desk: Path) -> None:
    session = verify(desk, "--key", "release.pem", "-", stdin=(desk / "good.mender").read_bytes())
    assert session.code == 0
    assert session.stdout.startswith("-: valid\n")


class TestSeveralArtifacts:
    def test_get_a_report_each(self, desk: Path) -> None:
        session = verify(desk, "--key", "release.pem", "good.mender", "xz.mender", "zstd.mender")
        assert session.code == 0
        assert [line for line in session.stdout.splitlines() if line.endswith(": valid")] == [
            "good.mender: valid",
            "xz.mender: valid",
            "zstd.mender: valid",
        ]

    @pytest.mark.parametrize(
        ("names", "code"),
        [
            (("good.mender", "missing"), 3),
            (("missing", "good.mender"), 3),
            (("good.mender", "unsigned.mender"), 1),
            (("unsigned.mender", "missing"), 1),
            (("missing", "unsigned.mender"), 1),
        ],
    )
    def test_the_worst_code_counts(self, names: tuple[str, ...], code: int, desk: Path) -> None:
        session = verify(desk, "--key", "release.pem", *names)
        assert session.code == code
        assert ("good.mender: valid" in session.stdout) == ("good.mender" in names)


class TestStrict:
    def test_findings_are_told(self, desk: Path) -> None:
        session = verify(desk, "--key", "release.pem", "findings.mender")
        assert session.code == 0
        assert "  finding    payload-name-suffix: " in session.stdout
        assert "             hint: " in session.stdout

    def test_and_refused_when_asked(self, desk: Path) -> None:
        session = verify(desk, "--strict", "--key", "release.pem", "findings.mender")
        assert session.code == 1
        assert session.stdout == ""
        assert "it is valid, but has findings, and none are allowed: payload-name-suffix" in session.stderr

    def test_an_artifact_without_findings_passes(self, desk: Path) -> None:
        assert verify(desk, "--strict", "--key", "release.pem", "good.mender").code == 0


class TestInspect:
    @pytest.mark.parametrize("name", ["unsigned.mender", "other-key.mender", "good.mender"])
    def test_says_plainly_that_the_signature_was_not_checked(self, name: str, desk: Path) -> None:
        session = verify(desk, "--inspect", name)
        assert session.code == 0
        assert session.stdout.startswith(f"{name}: SIGNATURE NOT CHECKED\n")
        assert "it was not checked, and anyone can have made this artifact" in session.stdout
        assert ": valid" not in session.stdout

    def test_still_refuses_what_is_damaged(self, desk: Path) -> None:
        assert verify(desk, "--inspect", "damaged.mender").code == 1

    def test_shows_scripts(self, desk: Path) -> None:
        assert "  scripts    ArtifactInstall_Enter_00\n" in verify(desk, "--inspect", "scripts.mender").stdout

    def test_shows_that_there_is_no_payload(self, desk: Path) -> None:
        assert "  payload    none, compression gzip\n" in verify(desk, "--inspect", "empty-payload.mender").stdout

    def test_strict_counts_here_too(self, desk: Path) -> None:
        assert verify(desk, "--inspect", "--strict", "findings.mender").code == 1


class TestJson:
    def document(self, desk: Path, *arguments: str) -> tuple[dict[str, object], Session]:
        session = verify(desk, "--json", *arguments)
        document = json.loads(session.stdout)
        assert document["schema"] == 1
        assert document["exit_code"] == session.code
        return document, session

    def test_one_document_tells_of_every_artifact(self, desk: Path) -> None:
        names = ("good.mender", "unsigned.mender", "missing")
        document, session = self.document(desk, "--key", "release.pem", *names)
        assert session.stderr == ""
        artifacts = document["artifacts"]
        assert isinstance(artifacts, list)
        assert [each["path"] for each in artifacts] == list(names)
        assert [each["status"] for each in artifacts] == ["valid", "refused", "unreadable"]
        assert artifacts[0]["signature"]["key"]["fingerprint"] == FINGERPRINT
        assert artifacts[1]["error"]["code"] == "unsigned"
        assert artifacts[2]["error"]["code"] == "unreadable"

    def test_a_key_error_is_a_document_too(self, desk: Path) -> None:
        document, session = self.document(desk, "--key", "spoilt", "good.mender")
        assert session.code == 2
        error = document["error"]
        assert isinstance(error, dict)
        assert (error["code"], error["facts"]) == ("key-file-not-pem", {"source": "spoilt/b.pem"})
        assert document["artifacts"] == []

    def test_an_inspection_says_that_it_checked_no_signature(self, desk: Path) -> None:
        document, _ = self.document(desk, "--inspect", "good.mender")
        (artifact,) = document["artifacts"]  # type: ignore[misc]
        assert artifact["status"] == "inspected"
        assert artifact["signature"] == {"checked": False, "present": True, "key": None, "encoding": None}

    def test_findings_have_codes_and_sentences(self, desk: Path) -> None:
        for option, place in (((), ("findings",)), (("--strict",), ("error", "facts", "findings"))):
            document, _ = self.document(desk, *option, "--key", "release.pem", "findings.mender")
            (found,) = document["artifacts"]  # type: ignore[misc]
            for step in place:
                found = found[step]
            (finding,) = found
            assert (finding["code"], finding["subject"]) == ("payload-name-suffix", "rootfs.ext4.gz")
            assert finding["sentence"]

    def test_every_field_is_documented(self, desk: Path) -> None:
        page = (Path(__file__).parents[2] / "docs" / "verifier.md").read_text(encoding="utf-8")
        document, _ = self.document(desk, "--key", "release.pem", "findings.mender", "damaged.mender")
        valid, refused = document["artifacts"]  # type: ignore[misc]
        for field in (*document, *valid, *refused, *valid["signature"], *refused["error"], *valid["findings"][0]):
            assert f"`{field}`" in page or f"{field}, " in page or f", {field}" in page, field


class TestHostileText:
    def test_a_name_from_an_artifact_never_reaches_the_terminal_raw(self, desk: Path) -> None:
        for arguments in (("--key", "release.pem"), ("--inspect",)):
            session = verify(desk, *arguments, "hostile.mender")
            assert session.code == 1
            assert "evil\\x1b[2Jname" in session.stderr
            assert "\x1b" not in session.stderr + session.stdout

    def test_nor_does_the_name_of_a_file(self, desk: Path, tmp_path: Path) -> None:
        name = os.fsdecode(b"a\x1b[2J\xff\n.mender")
        (tmp_path / name).write_bytes((desk / "good.mender").read_bytes())
        session = artifact_verify("--key", str(desk / "release.pem"), name, cwd=tmp_path)
        assert session.code == 0
        assert session.stdout.startswith("a\\x1b[2J\\udcff\\x0a.mender: valid\n")

    def test_nor_does_the_name_of_a_key(self, desk: Path, tmp_path: Path) -> None:
        name = "key\x1b]0;title\x07.pem"
        (tmp_path / name).write_bytes(b"not a key")
        session = artifact_verify("--key", name, str(desk / "good.mender"), cwd=tmp_path)
        assert session.code == 2
        assert "\x1b" not in session.stderr

    def test_an_artifact_name_in_another_script_is_shown_where_the_terminal_can(self, tmp_path: Path) -> None:
        (tmp_path / "a.mender").write_bytes(replace(SIGNED, name="έκδοση-1").build())
        assert "  artifact   έκδοση-1\n" in artifact_verify("--inspect", "a.mender", cwd=tmp_path).stdout


def test_nothing_is_left_behind(desk: Path) -> None:
    before = sorted(desk.rglob("*"))
    verify(desk, "--key", "release.pem", "good.mender", "damaged.mender")
    assert sorted(desk.rglob("*")) == before


def test_help_and_version_go_to_standard_output(desk: Path) -> None:
    for option, begin in (("--help", "usage: artifact-verify "), ("--version", "artifact-verify ")):
        session = verify(desk, option)
        assert session.code == 0
        assert session.stdout.startswith(begin)
        assert session.stderr == ""
