"""``artifact-verify --log-key``: valid only with a proof that the signature is on record, and what is said without."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.artifacts import ArtifactBuilder, KeyKind, private_key, public_pem
from tests.cli.artifact_verify import Session, artifact_verify
from verifier import Manifest, ManifestRead, SignatureRead, TrustStore, Verifier
from verifier.log import Checkpoint, Frontier, LogProof, NoteSignature, VerifierKey, canonical_leaf, leaf_hash
from verifier.log.notes import KeyType, cosigned_message, key_id

P256 = private_key(KeyKind.P256)
SIGNED = ArtifactBuilder(key=P256, name="release-1")
ORIGIN = "signer.example/log"
SECONDS = 1767225600


def note_key(seed: int, name: str, kind: KeyType = KeyType.ED25519) -> tuple[ed25519.Ed25519PrivateKey, VerifierKey]:
    private = ed25519.Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    public = private.public_key().public_bytes_raw()
    content = base64.b64encode(bytes([kind]) + public).decode()
    return private, VerifierKey.parse(f"{name}+{key_id(name, kind, public).hex()}+{content}")


LOG, LOG_KEY = note_key(1, ORIGIN)
_, OTHER_LOG_KEY = note_key(2, ORIGIN)
WITNESS, WITNESS_KEY = note_key(3, "witness.example/one", KeyType.COSIGNATURE)
_, SILENT_WITNESS_KEY = note_key(4, "witness.example/two", KeyType.COSIGNATURE)


def facts_of(artifact: bytes) -> dict[str, Any]:
    verifier = Verifier(trust=TrustStore.from_pem(public_pem(P256)))
    events = verifier.feed(artifact)
    manifest: Manifest = next(event.manifest for event in events if isinstance(event, ManifestRead))
    signature = next(event.encoded for event in events if isinstance(event, SignatureRead))
    return {
        "manifest_sha256": manifest.sha256,
        "fingerprint": verifier.finish().key.fingerprint,
        "signature": bytes(signature).decode("ascii"),
    }


def proof_of(artifact: bytes, *, witnessed: bool = True, **changes: Any) -> bytes:
    members: dict[str, Any] = {
        "v": 1, "type": "signature", "time": "2026-01-01T00:00:00.000000Z", "actor": "api-token:build\x1b[2J",
        "rule": "fw-release", "key": "firmware", "key_version": 3, "checked": "head",
    } | facts_of(artifact) | changes  # fmt: skip
    leaf = canonical_leaf(members)
    neighbour = leaf_hash(b"neighbour")
    text = str(Checkpoint(origin=ORIGIN, size=2, root=Frontier().extended([neighbour, leaf_hash(leaf)]).root))
    lines = [NoteSignature(name=ORIGIN, id=LOG_KEY.id, payload=LOG.sign(text.encode()))]
    if witnessed:
        signed = WITNESS.sign(cosigned_message(text.encode(), SECONDS))
        payload = SECONDS.to_bytes(8, "big") + signed
        lines.append(NoteSignature(name=WITNESS_KEY.name, id=WITNESS_KEY.id, payload=payload))
    checkpoint = (text + "\n" + "".join(f"{line}\n" for line in lines)).encode()
    return bytes(LogProof(index=1, path=(neighbour,), checkpoint=checkpoint, extra=leaf))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with two artifacts of one key, and proofs of all kinds."""
    directory = tmp_path_factory.mktemp("desk")
    one, two = SIGNED.build(), replace(SIGNED, name="release-2").build()
    files = {
        "one.mender": one, "two.mender": two, "release.pem": public_pem(P256),
        "one.mender.tlog-proof": proof_of(one), "proof": proof_of(one), "bare": proof_of(one, witnessed=False),
        "refusal": proof_of(one, type="refusal"),
        "urgent": proof_of(one, emergency=True, person="ada", reason="a fire\x1b[2J"),
        "garbage": b"no proof\n" * 10, "log.vkey": f"{LOG_KEY}\n".encode(),
        "witness.vkey": f"{WITNESS_KEY}\n".encode(), "empty.vkey": b"\n",
        "log.pem": LOG.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "proofs/one.mender.tlog-proof": proof_of(one), "proofs/two.mender.tlog-proof": proof_of(two),
    }  # fmt: skip
    (directory / "proofs").mkdir()
    for name, content in files.items():
        (directory / name).write_bytes(content)
    return directory


def verify(desk: Path, *arguments: str, stdin: bytes = b"") -> Session:
    return artifact_verify("--key", "release.pem", *arguments, cwd=desk, stdin=stdin)


VALID = {
    "with the proof beside it": ("--log-key", "log.vkey", "one.mender"),
    "with a named proof": ("--log-key", "log.vkey", "--proof", "proof", "one.mender"),
    "with the verifier key as text": ("--log-key", str(LOG_KEY), "one.mender"),
    "with one of two log keys": ("--log-key", str(OTHER_LOG_KEY), "--log-key", "log.vkey", "one.mender"),
    "with the log's key in PEM": ("--log-key", "log.pem", "--log-origin", ORIGIN, "one.mender"),
    "with a witness": ("--log-key", "log.vkey", "--witness", "witness.vkey", "one.mender"),
    "with one of two witnesses": (
        "--log-key", "log.vkey", "--witness", "witness.vkey", "--witness", str(SILENT_WITNESS_KEY), "--witnesses", "1",
        "one.mender"),
    "two with a directory of proofs": ("--log-key", "log.vkey", "--proof-dir", "proofs", "one.mender", "two.mender"),
}  # fmt: skip


@pytest.mark.parametrize("arguments", VALID.values(), ids=VALID)
def test_an_artifact_on_record_is_valid(arguments: tuple[str, ...], desk: Path) -> None:
    session = verify(desk, *arguments)
    assert (session.code, session.stderr) == (0, "")
    assert "  on record  2026-01-01T00:00:00.000000Z, record 1 of 2 in signer.example/log" in session.stdout
    assert "asked for by api-token:build\\x1b[2J by the rule fw-release; seen: head" in session.stdout


def test_an_emergency_that_is_allowed_is_told(desk: Path) -> None:
    asked = ("--log-key", "log.vkey", "--allow-emergency", "--proof", "urgent", "one.mender")
    session = verify(desk, *asked)
    assert (session.code, session.stderr) == (0, "")
    assert "in an emergency, past its approvals, by ada: a fire\\x1b[2J" in session.stdout
    (told,) = json.loads(verify(desk, "--json", *asked).stdout)["artifacts"]
    assert told["log"]["emergency"] == {"person": "ada", "reason": "a fire\x1b[2J"}


def test_standard_input_takes_a_named_proof(desk: Path) -> None:
    content = (desk / "one.mender").read_bytes()
    assert verify(desk, "--log-key", "log.vkey", "--proof", "proof", "-", stdin=content).code == 0


REFUSED = {
    "without a proof": (("--log-key", "log.vkey", "two.mender"), "its proof two.mender.tlog-proof cannot be read"),
    "with the proof of another artifact": (
        ("--log-key", "log.vkey", "--proof", "proof", "two.mender"), "the log's record is of another signature"),
    "with the proof of a refusal": (
        ("--log-key", "log.vkey", "--proof", "refusal", "one.mender"), "the log's record is of the kind refusal"),
    "with the proof of an emergency": (
        ("--log-key", "log.vkey", "--proof", "urgent", "one.mender"),
        "it was signed in an emergency, past its approvals, by ada: a fire\\x1b[2J"),
    "with the proof of another artifact, though emergencies are allowed": (
        ("--log-key", "log.vkey", "--allow-emergency", "--proof", "urgent", "two.mender"),
        "the log's record is of another signature"),
    "with garbage for a proof": (
        ("--log-key", "log.vkey", "--proof", "garbage", "one.mender"), "its proof is not one"),
    "with a proof of another log": (
        ("--log-key", str(OTHER_LOG_KEY), "one.mender"), "none of the log's keys signed its checkpoint"),
    "with a witness that did not sign": (
        ("--log-key", "log.vkey", "--witness", "witness.vkey", "--proof", "bare", "one.mender"),
        "1 witnesses have to have signed the log's checkpoint; those that did: "),
    "with one of two witnesses missing": (
        ("--log-key", "log.vkey", "--witness", "witness.vkey", "--witness", str(SILENT_WITNESS_KEY), "one.mender"),
        "2 witnesses have to have signed"),
    "with a directory for a proof": (
        ("--log-key", "log.vkey", "--proof", "proofs", "one.mender"), "its proof proofs cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "sentence"), REFUSED.values(), ids=REFUSED)
def test_an_artifact_not_shown_on_record_is_not_valid(arguments: tuple[str, ...], sentence: str, desk: Path) -> None:
    session = verify(desk, *arguments)
    assert (session.code, session.stdout) == (1, "")
    assert f"not valid: {sentence}" in session.stderr


USAGE = {
    "a proof without the log's key": (("--proof", "proof", "one.mender"), "add --log-key"),
    "a witness without the log's key": (("--witness", "witness.vkey", "one.mender"), "add --log-key"),
    "emergencies without the log's key": (("--allow-emergency", "one.mender"), "add --log-key"),
    "one proof for two": (("--log-key", "log.vkey", "--proof", "proof", "one.mender", "two.mender"), "--proof-dir"),
    "standard input without a proof": (("--log-key", "log.vkey", "-"), "name it with --proof"),
    "a log key that is not there": (("--log-key", "nope.vkey", "one.mender"), "nope.vkey cannot be read"),
    "a log key with a typing error": (("--log-key", str(LOG_KEY)[:-5], "one.mender"), "the verifier key"),
    "an empty file of log keys": (("--log-key", "empty.vkey", "one.mender"), "empty.vkey cannot be used"),
    "a key in PEM without its log": (("--log-key", "log.pem", "one.mender"), "add --log-origin"),
    "an artifact's key in place of the log's": (
        ("--log-key", "witness.vkey", "--log-key", "log.vkey", "one.mender"), "have one name"),
    "more witnesses than are named": (
        ("--log-key", "log.vkey", "--witness", "witness.vkey", "--witnesses", "2", "one.mender"), "more witnesses"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "sentence"), USAGE.values(), ids=USAGE)
def test_nothing_is_verified(arguments: tuple[str, ...], sentence: str, desk: Path) -> None:
    session = verify(desk, *arguments)
    assert (session.code, session.stdout) == (2, "")
    assert sentence in session.stderr


def test_inspecting_takes_no_log_key(desk: Path) -> None:
    session = artifact_verify("--inspect", "--log-key", "log.vkey", "one.mender", cwd=desk)
    assert session.code == 2


def test_machines_read_the_record(desk: Path) -> None:
    session = verify(desk, "--json", "--log-key", "log.vkey", "--witness", "witness.vkey", "one.mender")
    (artifact,) = json.loads(session.stdout)["artifacts"]
    assert artifact["log"] == {
        "origin": ORIGIN, "index": 1, "size": 2, "witnesses": ["witness.example/one"], "key": "firmware",
        "time": "2026-01-01T00:00:00.000000Z", "actor": "api-token:build\x1b[2J", "rule": "fw-release",
        "checked": "head", "key_version": 3, "emergency": None,
    }  # fmt: skip
    session = verify(desk, "--json", "one.mender")
    assert json.loads(session.stdout)["artifacts"][0]["log"] is None
