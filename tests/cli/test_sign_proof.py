"""``artifact-signer sign`` with a proof: taken only where it shows this signature on record, kept with the output."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from signer import witnessed_proof
from signer.cli.exit_codes import REFUSED, UNREACHABLE
from tests.cli.test_artifact_verify_log import (
    LOG,
    LOG_KEY,
    ORIGIN,
    OTHER_LOG_KEY,
    P256,
    SILENT_WITNESS_KEY,
    WITNESS_KEY,
    note_key,
    proof_of,
)
from tests.cli.test_sign import ANOTHER, RELEASE, Service, Sign, http, sign, signature, signed
from tests.support.rows import slow_but_every
from verifier.log import LogProof, canonical_leaf, parsed_leaf

__all__ = ["sign"]

MODES = {"whole": ("--whole",), "by its head": ()}
PROOF = ("--proof", "release.tlog-proof")
KEY = ("--log-key", str(LOG_KEY))
USAGE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged(Service):
    """A service with a log. ``changed``: what it makes of the proof; ``proves``: of which artifact it is."""

    changed: Callable[[bytes], object] = lambda proof: proof.decode()
    proves: bytes = RELEASE

    def answer(self, head: str) -> bytes:
        """The answer to a request."""
        # It signs anew each time; what is on record is one signature.
        proof = self.changed(proof_of(signed(self.proves, ENCODED[self.proves])))
        if "/v1/log/proof?" in head:
            return http(200, json.dumps({"index": 1, "proof": proof}).encode(), "application/json")
        answer = Service.answer(self, head)
        begin, _, body = answer.partition(b"\r\n\r\n")
        if b"application/json" not in begin:
            return answer
        document = {**json.loads(body), "proof": proof}
        return http(200, json.dumps(document).encode(), "application/json")


ENCODED = {artifact: signature(artifact, P256) for artifact in (RELEASE, ANOTHER)}


@pytest.fixture(autouse=True)
def one_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.cli.test_sign.signature", lambda artifact, key: ENCODED[artifact])


def logged(changed: Callable[[bytes], object] = lambda proof: proof.decode(), proves: bytes = RELEASE) -> Logged:
    return Logged(signs_with=P256, publishes=P256, says=P256, changed=changed, proves=proves)


@pytest.mark.parametrize("mode", MODES)
class TestAProof:
    """Of the signature that came."""

    def test_is_written_beside_the_output(self, sign: Sign, mode: str) -> None:
        done = sign(logged(), *MODES[mode], *PROOF, *KEY)
        assert done.code == 0, done.err
        assert set(done.files) == {"signed.mender", "release.tlog-proof"}
        assert done.files["release.tlog-proof"] == proof_of(done.files["signed.mender"])
        assert "not verified" not in done.err

    def test_is_written_into_a_directory_under_the_outputs_name(self, sign: Sign, mode: str, tmp_path: Path) -> None:
        proofs = tmp_path.parent / f"{tmp_path.name}-proofs"
        proofs.mkdir()
        done = sign(logged(), *MODES[mode], "--proof-dir", str(proofs), *KEY)
        assert done.code == 0, done.err
        assert [path.name for path in proofs.iterdir()] == ["signed.mender.tlog-proof"]

    def test_is_demanded_where_a_key_of_the_log_is_known(
        self, sign: Sign, mode: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        keys = tmp_path.parent / f"{tmp_path.name}.vkey"
        keys.write_text(f"{LOG_KEY}\n")
        monkeypatch.setenv("ARTIFACT_SIGNER_LOG_KEY_FILE", str(keys))
        done = sign(logged(), *MODES[mode])
        assert (done.code, set(done.files)) == (0, {"signed.mender"}), done.err
        (tmp_path / "signed.mender").unlink()
        keys.write_text(f"{OTHER_LOG_KEY}\n")
        done = sign(logged(), *MODES[mode])
        assert (done.code, done.files) == (UNREACHABLE, {})

    def test_without_a_key_of_the_log_is_said_not_to_be_verified(self, sign: Sign, mode: str) -> None:
        done = sign(logged(), *MODES[mode], *PROOF)
        assert done.code == 0, done.err
        assert "was not verified" in done.err

    def test_is_not_asked_for_where_nobody_wants_it(self, sign: Sign, mode: str) -> None:
        done = sign(logged(lambda _: 7), *MODES[mode])
        assert (done.code, set(done.files)) == (0, {"signed.mender"}), done.err


def other_leaf(**changes: str) -> Callable[[bytes], object]:
    def changed(proof: bytes) -> object:
        parsed = LogProof.parse(proof)
        leaf = canonical_leaf({**parsed_leaf(parsed.extra), **changes})
        return bytes(LogProof(index=1, path=parsed.path, checkpoint=parsed.checkpoint, extra=leaf)).decode()

    return changed


def with_path(*path: bytes) -> Callable[[bytes], object]:
    def changed(proof: bytes) -> object:
        parsed = LogProof.parse(proof)
        return bytes(LogProof(index=1, path=path, checkpoint=parsed.checkpoint, extra=parsed.extra)).decode()

    return changed


def recorded(**members: str) -> Callable[[bytes], object]:
    """A sound proof, of a leaf that says something else of the signature."""
    return lambda _: proof_of(signed(RELEASE, ENCODED[RELEASE]), **members).decode()


FALSE: dict[str, Logged] = {
    "the record of a repeated answer": logged(recorded(type="signature-repeated")),
    "the record of a refusal": logged(recorded(type="signature-refused")),
    "the record of a vote": logged(recorded(type="vote")),
    "the record of a token": logged(recorded(type="token-issued")),
    "the record of another signature of the manifest": logged(recorded(signature=ENCODED[ANOTHER].decode())),
    "the record of another key's signature": logged(recorded(fingerprint="0" * 64)),
    "the record of another manifest": logged(recorded(manifest_sha256="0" * 64)),
    "the proof of another artifact": logged(proves=ANOTHER),
    "garbage": logged(lambda _: "garbage"),
    "an empty text": logged(lambda _: ""),
    "a number": logged(lambda _: 7),
    "null": logged(lambda _: None),
    "half a surrogate pair": logged(lambda _: "\ud800"),
    "an HTML page": logged(lambda _: "<html></html>"),
    "half a proof": logged(lambda proof: proof[: len(proof) // 2].decode()),
    "a proof without its leaf": logged(lambda proof: proof.decode().replace("extra ", "index 1\nextra ")),
    "a leaf that names somebody else": logged(other_leaf(actor="api-token:somebody")),
    "a leaf of another type": logged(other_leaf(type="signature-repeated")),
    "another path": logged(with_path(b"\x00" * 32)),
    "no path": logged(with_path()),
    "too long a path": logged(with_path(b"\x00" * 32, b"\x00" * 32)),
    "a path of more hashes than there can be": logged(with_path(*[b"\x00" * 32] * 64)),
    "another index": logged(lambda proof: proof.decode().replace("index 1\n", "index 0\n")),
    "an index with a leading zero": logged(lambda proof: proof.decode().replace("index 1\n", "index 01\n")),
    "no checkpoint": logged(lambda proof: proof.decode().partition("\n\n")[0] + "\n\n"),
}


@pytest.mark.parametrize("key", [KEY, ()], ids=["with a key", "without a key"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("sentence", slow_but_every(3, list(FALSE)))
def test_a_service_that_proves_with(sign: Sign, sentence: str, mode: str, key: tuple[str, ...]) -> None:
    done = sign(FALSE[sentence], *MODES[mode], *PROOF, *key)
    assert done.code == UNREACHABLE, done.err
    assert "Traceback" not in done.err
    assert "proof" in done.err
    assert done.files == {}


UNCERTIFIED: dict[str, tuple[Logged, str]] = {
    "the signature of another key": (logged(), str(OTHER_LOG_KEY)),
    "no signature": (logged(lambda proof: proof.decode().partition("\u2014")[0]), str(LOG_KEY)),
    "another size than was signed": (
        logged(lambda proof: proof.decode().replace("/log\n2\n", "/log\n3\n")),
        str(LOG_KEY),
    ),
    "the name of another log": (logged(), str(note_key(1, "other.example/log")[1])),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("sentence", UNCERTIFIED)
def test_a_checkpoint_with(sign: Sign, sentence: str, mode: str) -> None:
    service, key = UNCERTIFIED[sentence]
    done = sign(service, *MODES[mode], *PROOF, "--log-key", key)
    assert (done.code, done.files) == (UNREACHABLE, {}), done.err


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnessed(Logged):
    """Its answers to who asks for witnesses, one after the other, are of these proofs; ``None``: not yet."""

    later: Iterator[bytes | None] = field(default_factory=lambda: iter(()))

    def answer(self, head: str) -> bytes:
        """The answer to a request."""
        if "witnessed=true" not in head:
            return Logged.answer(self, head)
        proof = next(self.later, None)
        if proof is None:
            return http(503, json.dumps({"code": "log-not-witnessed", "detail": "not yet", "status": 503}).encode(),
                        "application/problem+json")  # fmt: skip
        return http(200, json.dumps({"index": 1, "proof": proof.decode()}).encode(), "application/json")


def witnessed(*later: bytes | None) -> Witnessed:
    # What the signature comes with has no witness in it.
    at_once = proof_of(signed(RELEASE, ENCODED[RELEASE]), witnessed=False).decode()
    return Witnessed(signs_with=P256, publishes=P256, says=P256, changed=lambda _: at_once, later=iter(later))


WITNESS = ("--witness", str(WITNESS_KEY))
SILENT = ("--witness", str(SILENT_WITNESS_KEY))


@pytest.mark.parametrize("mode", MODES)
class TestWitnesses:
    """That have to have signed the proof's checkpoint."""

    @pytest.fixture(autouse=True)
    def _look_often(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(witnessed_proof, "LOOK_SECONDS", 0.01)

    @pytest.mark.parametrize("options", [WITNESS, (*WITNESS, *SILENT, "--witnesses", "1")])
    def test_are_waited_for(self, sign: Sign, mode: str, options: tuple[str, ...]) -> None:
        bare, proof = (proof_of(signed(RELEASE, ENCODED[RELEASE]), witnessed=each) for each in (False, True))
        done = sign(witnessed(None, bare, None, proof), *MODES[mode], *PROOF, *KEY, *options)
        assert done.code == 0, done.err
        assert done.files["release.tlog-proof"] == proof

    def test_that_do_not_sign_end_it_after_the_wait(self, sign: Sign, mode: str) -> None:
        done = sign(witnessed(), *MODES[mode], *PROOF, *KEY, *WITNESS, "--witness-wait", "0.05")
        assert (done.code, done.files) == (UNREACHABLE, {})
        assert "0 of 1 witnesses have signed after 0.05 s" in done.err

    def test_of_another_artifact_are_none(self, sign: Sign, mode: str) -> None:
        other = proof_of(signed(ANOTHER, ENCODED[ANOTHER]))
        done = sign(witnessed(other), *MODES[mode], *PROOF, *KEY, *WITNESS)
        assert (done.code, done.files, "does not show" in done.err) == (UNREACHABLE, {}, True)

    def test_of_garbage_are_none(self, sign: Sign, mode: str) -> None:
        done = sign(witnessed(b"garbage"), *MODES[mode], *PROOF, *KEY, *WITNESS)
        assert (done.code, done.files, "does not show" in done.err) == (UNREACHABLE, {}, True)

    def test_none_are_waited_for_where_none_is_demanded(self, sign: Sign, mode: str) -> None:
        done = sign(witnessed(), *MODES[mode], *PROOF, *KEY, *WITNESS, "--witnesses", "0")
        assert done.code == 0, done.err


@pytest.mark.parametrize("mode", MODES)
def test_a_service_without_a_log_is_none(sign: Sign, mode: str) -> None:
    done = sign(Service(signs_with=P256, publishes=P256, says=P256), *MODES[mode], *PROOF)
    assert (done.code, done.files) == (UNREACHABLE, {})


USES: dict[str, tuple[tuple[str, ...], int, str]] = {
    "two places for the proof": (("--proof", "a", "--proof-dir", "."), USAGE, "exclude each other"),
    "the output's place for the proof": (("--proof", "./signed.mender"), USAGE, "the same file"),
    "whole and by the head": (("--whole", "--head-only"), USAGE, "exclude each other"),
    "a directory that is not there": (("--proof-dir", "nowhere"), USAGE, "does not exist"),
    "a key that is none": (("--log-key", "name+00000000+AAAA"), UNREACHABLE, "no verifier key"),
    "a file that is not there": (("--log-key", "nowhere.vkey"), UNREACHABLE, "cannot be read"),
    "a file that holds no key": (("--log-key", "release.mender"), UNREACHABLE, "no verifier key"),
    "a file that does not end": (("--log-key", "/dev/zero"), UNREACHABLE, "no file of keys"),
    "witnesses of no log": (("--witness", str(WITNESS_KEY)), UNREACHABLE, "--log-key names"),
    "a number of witnesses of no log": (("--witnesses", "1"), UNREACHABLE, "--log-key names"),
    "more witnesses than are named": (
        (*KEY, "--witness", str(WITNESS_KEY), "--witnesses", "2"),
        UNREACHABLE,
        "more witnesses are demanded",
    ),
    "witnesses without their keys": ((*KEY, "--witnesses", "1"), UNREACHABLE, "more witnesses are demanded"),
    "a number of witnesses that is none": ((*KEY, "--witnesses", "-1"), USAGE, "not in the range"),
    "a wait that is none": ((*KEY, "--witness-wait", "-1"), USAGE, "not in the range"),
    "a wait for ever": ((*KEY, "--witness-wait", "inf"), USAGE, "not in the range"),
    "a witness that is none": ((*KEY, "--witness", "a+b+c"), UNREACHABLE, "no verifier key"),
    "a file without a witness": ((*KEY, "--witness", "nowhere"), UNREACHABLE, "cannot be read"),
    "a folder as the log's key": (("--log-key", "."), UNREACHABLE, "cannot be read"),
}


@pytest.mark.parametrize("sentence", USES)
def test_is_refused_before_anything_is_sent(sign: Sign, sentence: str) -> None:
    options, code, says = USES[sentence]
    done = sign(logged(), *options)
    assert (done.code, done.asked, done.files) == (code, (), {}), done.err
    assert says in done.err


@dataclass(frozen=True, slots=True, kw_only=True)
class Pem:
    """A key of the log in PEM, the options beside it, and how it ends. ``says``: on standard error."""

    key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = LOG
    options: tuple[str, ...] = ("--log-origin", ORIGIN)
    code: int = UNREACHABLE
    says: str = ""


PEMS = {
    "the key of the log and its name": Pem(code=0),
    "no name": Pem(options=(), says="--log-origin names the log"),
    "the name of another log": Pem(options=("--log-origin", "other.example/log"), says="proof"),
    "a name that no log has": Pem(options=("--log-origin", "two words"), says="no verifier key"),
    "another key": Pem(key=ed25519.Ed25519PrivateKey.from_private_bytes(bytes([2]) * 32), says="proof"),
    "a key of another kind": Pem(key=P256, says="proof"),
    "a key that signs no checkpoints": Pem(key=rsa.generate_private_key(65537, 2048), says="no verifier key"),
}


@pytest.mark.parametrize("sentence", PEMS)
def test_a_key_of_the_log_in_pem(sign: Sign, tmp_path: Path, sentence: str) -> None:
    row, path = PEMS[sentence], tmp_path.parent / f"{tmp_path.name}.pem"
    path.write_bytes(row.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    done = sign(logged(), *PROOF, "--log-key", str(path), *row.options)
    assert (done.code, bool(done.files)) == (row.code, row.code == 0), done.err
    assert row.says in done.err


def test_keys_of_two_logs_are_refused(sign: Sign, tmp_path: Path) -> None:
    keys = tmp_path.parent / f"{tmp_path.name}.vkeys"
    keys.write_text(f"{LOG_KEY}\n{LOG_KEY}\n")
    assert sign(logged(), "--log-key", str(keys)).code == 0
    (tmp_path / "signed.mender").unlink()
    keys.write_text(f"{LOG_KEY}\nother+{str(LOG_KEY).partition('+')[2]}\n")
    assert sign(logged(), "--log-key", str(keys)).files == {}


@pytest.mark.parametrize("mode", MODES)
class TestNothingIsLeft:
    """Where one of the two files cannot be written, there is neither."""

    def test_a_proof_that_cannot_be_written(self, sign: Sign, mode: str) -> None:
        done = sign(logged(), *MODES[mode], "--proof", "nowhere/proof", *KEY)
        assert (done.code, done.files) == (REFUSED, {}), done.err

    def test_an_output_that_cannot_have_its_name(self, sign: Sign, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
        rename = Path.replace

        def refused(path: Path, target: Path) -> Path:
            if target.name == "signed.mender":
                raise OSError(28, os.strerror(28), str(target))
            return rename(path, target)

        monkeypatch.setattr(Path, "replace", refused)
        done = sign(logged(), *MODES[mode], *PROOF, *KEY)
        assert (done.code, done.files) == (REFUSED, {}), done.err


def state_of(tmp_path: Path) -> Path:
    return Path(f"{tmp_path}-state") / "artifact-signer" / "checkpoints"


@pytest.mark.parametrize("mode", MODES)
class TestTheHistoryOfALog:
    """Is one, as far as this client has seen it."""

    def test_is_kept_where_the_logs_key_is_known(self, sign: Sign, mode: str, tmp_path: Path) -> None:
        assert sign(logged(), *MODES[mode], *PROOF).code == 0
        assert not state_of(tmp_path).exists()
        for path in tmp_path.iterdir():
            path.unlink()
        done = sign(logged(), *MODES[mode], *PROOF, *KEY)
        (kept,) = state_of(tmp_path).glob("*.checkpoint")
        assert kept.read_bytes() == LogProof.parse(done.files["release.tlog-proof"]).checkpoint

    def test_that_is_another_than_before_is_refused_and_leaves_nothing(
        self, sign: Sign, mode: str, tmp_path: Path
    ) -> None:
        assert sign(logged(), *MODES[mode], *KEY).code == 0
        (tmp_path / "signed.mender").unlink()
        (kept,) = state_of(tmp_path).glob("*.checkpoint")
        # The same log, whose second leaf was another one when it was seen.
        other = LogProof.parse(proof_of(signed(ANOTHER, ENCODED[ANOTHER]))).checkpoint
        kept.write_bytes(other)
        done = sign(logged(), *MODES[mode], *PROOF, *KEY)
        assert (done.code, done.files) == (UNREACHABLE, {})
        assert "is not the one seen before" in done.err
        assert kept.read_bytes() == other

    def test_is_said_not_to_be_kept_where_it_cannot_be(self, sign: Sign, mode: str, tmp_path: Path) -> None:
        Path(f"{tmp_path}-state").write_bytes(b"a file")
        done = sign(logged(), *MODES[mode], *KEY)
        assert (done.code, "checkpoint is not kept" in done.err) == (0, True)
