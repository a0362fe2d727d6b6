"""``artifact-signer sign`` against a service that answers as it should, or nearly."""

from __future__ import annotations

import base64
import io
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from signer.artifacts import Form, UploadReader
from signer.cli.exit_codes import REFUSED, UNREACHABLE
from signer.cli.main import run
from signer.domain.publication import public_key_pem
from tests.artifacts import ArtifactBuilder
from tests.cli.test_strange_answers import API_TOKEN, http
from tests.support.canned import answering
from tests.support.memory_tokens import spki_of
from verifier import Limits, TrustStore, VerificationKey, verify

KEY, OTHER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
RELEASE = ArtifactBuilder().build()
ANOTHER = ArtifactBuilder(name="another").build()
# What a service tells beside what it signed with.
TOLD = {"key": "firmware", "version": 7, "index": 1, "checked": "head", "manifest_sha256": "0" * 64}
MODES = {"whole": ("--whole",), "by its head": (), "by its head, said twice": ("--head-only",)}


def signature(artifact: bytes, key: ec.EllipticCurvePrivateKey = KEY) -> bytes:
    """The bytes of manifest.sig."""
    r, s = decode_dss_signature(key.sign(read(artifact).manifest.raw, ec.ECDSA(hashes.SHA256())))
    return base64.b64encode(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def read(artifact: bytes) -> UploadReader:
    reader = UploadReader(form=Form.ARTIFACT, limits=Limits(), head_bytes=1 << 20, replace=True)
    reader.feed(artifact)
    return reader


def signed(artifact: bytes, encoded: bytes) -> bytes:
    return b"".join(read(artifact).splice.join(io.BytesIO(artifact), encoded))


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What it signs with, what it says that it signs with, and what it signs."""

    signs_with: ec.EllipticCurvePrivateKey = KEY
    publishes: ec.EllipticCurvePrivateKey = KEY
    says: ec.EllipticCurvePrivateKey = KEY
    signs: bytes = RELEASE
    returns: Callable[[bytes], bytes] = lambda artifact: artifact

    def answer(self, head: str) -> bytes:
        """The answer to a request."""
        fingerprint = VerificationKey.from_spki(spki_of(self.says)).fingerprint
        encoded = signature(self.signs, self.signs_with)
        if "/versions/7/public-key" in head:
            return http(200, public_key_pem(spki_of(self.publishes)), "application/x-pem-file")
        if "/artifacts" in head:
            artifact = self.returns(signed(self.signs, encoded))
            about = ("X-Signing-Key-Version: 7", f"X-Signing-Key-Fingerprint: {fingerprint}")
            return http(200, artifact, "application/vnd.mender-artifact", *about)
        document = {**TOLD, "signature": encoded.decode(), "fingerprint": fingerprint}
        return http(200, json.dumps(document).encode(), "application/json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command left behind, and the request lines that it sent."""

    code: int
    err: str
    files: dict[str, bytes]
    asked: tuple[str, ...]


Sign = Callable[..., Done]


@pytest.fixture
def sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Sign:
    """Runs ``sign release.mender`` in a directory that holds nothing else."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARTIFACT_SIGNER_API_TOKEN", API_TOKEN)
    monkeypatch.setenv("ARTIFACT_SIGNER_TIMEOUT", "20")
    monkeypatch.setenv("ARTIFACT_SIGNER_RETRY_SECONDS", "0")
    monkeypatch.setenv("XDG_STATE_HOME", f"{tmp_path}-state")
    for name in ("ARTIFACT_SIGNER_CA_FILE", "ARTIFACT_SIGNER_LOG_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)

    def session(service: Service, *options: str, artifact: bytes = RELEASE, source: str = "release.mender") -> Done:
        (tmp_path / "release.mender").write_bytes(artifact)
        with answering(service.answer) as server:
            monkeypatch.setenv("ARTIFACT_SIGNER_URL", server.url)
            code = run(["sign", source, "--key", "firmware", "-o", "signed.mender", *options])
        (tmp_path / "release.mender").unlink()
        files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        asked = tuple(head.splitlines()[0] for head in server.heads)
        return Done(code=code, err=capsys.readouterr().err, files=files, asked=asked)

    return session


def verified(done: Done) -> None:
    assert done.code == 0, done.err
    assert list(done.files) == ["signed.mender"]
    trust = TrustStore.from_pem(public_key_pem(spki_of(KEY)))
    verify(io.BytesIO(done.files["signed.mender"]), trust=trust)


@pytest.mark.parametrize("mode", MODES)
def test_a_signature_that_verifies_is_taken(sign: Sign, mode: str) -> None:
    verified(sign(Service(), *MODES[mode]))


FALSE: dict[str, tuple[Service, str]] = {
    "a signature by another key": (Service(signs_with=OTHER), "does not verify"),
    "a signature over another artifact": (Service(signs=ANOTHER), "another artifact"),
    "another public key than the one that it names": (Service(publishes=OTHER), "another public key"),
    "the name of another key than the one that it shows": (Service(says=OTHER), "another public key"),
    "all of another key but the fingerprint": (Service(signs_with=OTHER, publishes=OTHER), "another public key"),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("sentence", FALSE)
def test_a_service_that_answers_with(sign: Sign, sentence: str, mode: str) -> None:
    service, says = FALSE[sentence]
    done = sign(service, *MODES[mode])
    assert done.code == UNREACHABLE
    assert "Traceback" not in done.err
    # A head tells nothing of the manifest that was signed: there, it is the signature that does not verify.
    assert (says if not (mode != "whole" and says == "another artifact") else "does not verify") in done.err
    assert done.files == {}


def cut(artifact: bytes) -> bytes:
    return artifact[:-1024]


DAMAGED: dict[str, Callable[[bytes], bytes]] = {
    "the artifact as it was, unsigned": lambda _: RELEASE,
    "an artifact without its end": lambda artifact: artifact[: len(artifact) // 2],
    "nothing": lambda _: b"",
    "a page": lambda _: b"<html>",
    "a payload with a flipped bit": lambda artifact: artifact[:-2600] + bytes([artifact[-2600] ^ 1]) + artifact[-2599:],
    "something behind the end": lambda artifact: artifact + b"more",
}


@pytest.mark.parametrize("sentence", DAMAGED)
def test_a_service_that_returns(sign: Sign, sentence: str) -> None:
    done = sign(Service(returns=DAMAGED[sentence]), "--whole")
    assert done.code == UNREACHABLE, done.err
    assert "is not an artifact-signer service" in done.err or "the service returned" in done.err
    assert done.files == {}


@pytest.mark.parametrize("mode", MODES)
def test_a_signed_artifact_is_not_sent_and_replace_is_named(sign: Sign, mode: str) -> None:
    done = sign(Service(), *MODES[mode], artifact=signed(RELEASE, signature(RELEASE, OTHER)))
    assert (done.code, done.asked, done.files) == (REFUSED, (), {})
    assert "is signed already" in done.err
    assert "hint: --replace drops" in done.err


@pytest.mark.parametrize("mode", MODES)
def test_its_signature_is_replaced_where_that_is_asked_for(sign: Sign, mode: str) -> None:
    verified(sign(Service(), *MODES[mode], "--replace", artifact=signed(RELEASE, signature(RELEASE, OTHER))))


@pytest.mark.parametrize("mode", MODES)
def test_what_is_no_artifact_is_not_sent(sign: Sign, mode: str) -> None:
    done = sign(Service(), *MODES[mode], artifact=b"hello")
    assert (done.code, done.asked, done.files) == (REFUSED, (), {})


@pytest.mark.parametrize("mode", MODES)
def test_an_artifact_comes_from_standard_input(sign: Sign, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as source, os.fdopen(writing, "wb") as pipe:
        pipe.write(RELEASE[: 1 << 15])
        pipe.close()
        assert len(RELEASE) <= 1 << 15, "a pipe takes it at once"
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(source))
        verified(sign(Service(), *MODES[mode], source="-"))


@pytest.mark.parametrize("mode", MODES)
def test_what_was_written_is_on_the_disk_before_it_has_its_name(
    sign: Sign, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: str
) -> None:
    steps: list[str] = []
    fsync, rename = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        steps.append("directory" if Path(f"/proc/self/fd/{descriptor}").readlink() == tmp_path else "file")
        fsync(descriptor)

    def renamed(source: str | Path, target: str | Path) -> None:
        steps.append("rename")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    monkeypatch.setattr(Path, "replace", renamed)
    verified(sign(Service(), *MODES[mode]))
    assert steps == ["file", "rename", "directory"]


ADDRESSES = {
    "a host name": ("http://signer.example:8443", False),
    "an address of a network": ("http://10.0.0.1", False),
    "every address": ("http://0.0.0.0:8443", False),
    "an IPv6 address of a network": ("http://[2001:db8::1]:8443", False),
    "a name that begins like this machine": ("http://localhost.example", False),
    "this machine as a user name": ("http://127.0.0.1@signer.example", False),
    "in capitals": ("HTTP://SIGNER.EXAMPLE", False),
    "this machine by name": ("http://localhost:1", True),
    "this machine by address": ("http://127.0.0.1:1", True),
    "this machine by another address": ("http://127.9.9.9:1", True),
    "this machine by IPv6": ("http://[::1]:1", True),
    "https": ("https://127.0.0.1:1", True),
}


@pytest.mark.parametrize("sentence", ADDRESSES)
def test_the_token_is_sent_in_plain_text_to_this_machine_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], sentence: str
) -> None:
    url, tried = ADDRESSES[sentence]
    monkeypatch.setenv("ARTIFACT_SIGNER_URL", url)
    monkeypatch.setenv("ARTIFACT_SIGNER_API_TOKEN", API_TOKEN)
    assert run(["keys", "list"]) == UNREACHABLE
    err = capsys.readouterr().err
    assert ("no connection to the service" in err) is tried, err
    assert ("in plain text" in err) is not tried
    assert API_TOKEN not in err


def test_a_proxy_gets_no_token_in_plain_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(http(200, b'{"keys": []}', "application/json")) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("ARTIFACT_SIGNER_URL", "http://127.0.0.1:1")
        monkeypatch.setenv("ARTIFACT_SIGNER_API_TOKEN", API_TOKEN)
        assert run(["keys", "list"]) == UNREACHABLE
    assert proxy.heads == []
    assert "no connection" in capsys.readouterr().err
