"""Signed notes, checkpoints and proof files against published vectors, and what is refused of them."""

# ruff: noqa: E501 - published vectors, as they stand

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.verifier.log.trees import LEAVES, ROOTS
from verifier.errors import (
    CheckpointMalformed,
    NoteMalformed,
    NoteSignatureInvalid,
    NoteUnsigned,
    OriginMismatch,
    ProofMalformed,
    VerifierKeyInvalid,
    WitnessesMissing,
)
from verifier.log import Checkpoint, LogError, LogProof, SignedNote, VerifierKey, open_checkpoint
from verifier.log.notes import MAX_NOTE_BYTES, MAX_SIGNATURES

ORIGIN = "signer.example/log"
LOG_KEY = f"{ORIGIN}+6eff6d5e+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
P256_KEY = (
    f"{ORIGIN}+f1d59449+AjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABFFcPW6545a5BNP+yn9U/c0MwemXvzddylFa0KbDtANfRTa+OlDzGPv5pUdZAq"
    "IhUCvvDVfgjFOyzApW8X2fk1Q="
)
WITNESS_KEY = "witness.example/w1+20324abe+BCmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X"
BODY = f"{ORIGIN}\n8\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n"
LOG_LINE = (
    f"\u2014 {ORIGIN} bv9tXmYJI/xMN2wQhHQYJehWEcJzMyBKr90lMs27yYbvvx30zSSTMfSRWGeh7z8ko7WDBH0xGSq33MeYp+RSJV+TIw8=\n"
)
P256_LINE = f"\u2014 {ORIGIN} 8dWUSTBFAiEAsqzpb91j+h8JELwplMwcKiiMol1nm9LR/s7d63bLjvECICXCujmCwr/RQR6YdRW65rL0p6qnM3vw7TB5AH5Ws8po\n"
WITNESS_LINE = (
    "\u2014 witness.example/w1 IDJKvgAAAABpVbkA3HASG0Q+BDOpqtBdZEqtvu3/lHXon58Y5nPUco45Lb5LH11uiU06OOz1gN3HSNIEEzA0PIJL1cKE"
    "QkwCbaqQCw==\n"
)
PROOF = (
    "c2sp.org/tlog-proof@v1\nindex 5\nvBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms=\n"
    "yoVOoSjtBQtBs1/8G4e46yveRh6eO1WW7Oa51ZdaCuA=\n037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc=\n\n"
    f"{BODY}\n{LOG_LINE}{WITNESS_LINE}"
)
log_key, p256_key, witness_key = (VerifierKey.parse(each) for each in (LOG_KEY, P256_KEY, WITNESS_KEY))


def note(*lines: str, body: str = BODY) -> bytes:
    return (body + "\n" + "".join(lines)).encode()


def test_the_vectors_are_the_published_ones() -> None:
    assert (
        hashlib.sha256(note(LOG_LINE)).hexdigest() == "a11231df6b4cd0b4038df7cf3b505852c8fed9c973af95de9fcb17465b49ca99"
    )
    assert (
        hashlib.sha256(PROOF.encode()).hexdigest() == "13b3e13fdd12a904ae447494fa934b16493770e316cdd1a7f784f26a729edb6e"
    )


@pytest.mark.parametrize("text", [LOG_KEY, P256_KEY, WITNESS_KEY])
def test_a_verifier_key_is_written_as_it_was_read(text: str) -> None:
    assert str(VerifierKey.parse(text + "\n")) == text


def test_a_pem_key_with_its_origin_is_the_same_key() -> None:
    private = ec.derive_private_key(int.from_bytes(bytes(range(1, 33)), "big"), ec.SECP256R1())
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert VerifierKey.from_pem(pem, name=ORIGIN) == p256_key
    pem = (
        ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    assert VerifierKey.from_pem(pem, name=ORIGIN) == log_key


BAD_KEYS = {
    "no parts": "signer",
    "no name": LOG_KEY.removeprefix(ORIGIN),
    "a space in the name": "signer example+6eff6d5e+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
    "the identifier of another key": LOG_KEY.replace("6eff6d5e", "6eff6d5f"),
    "the identifier in capitals": LOG_KEY.replace("6eff6d5e", "6EFF6D5E"),
    "another name, so another identifier": LOG_KEY.replace(ORIGIN, "other.example/log"),
    "an unknown type": f"{ORIGIN}+6eff6d5e+BgOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
    "a short key": f"{ORIGIN}+6eff6d5e+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVQ==",
    "base64 without padding": P256_KEY.rstrip("="),
    "no key at all": f"{ORIGIN}+6eff6d5e+",
}


@pytest.mark.parametrize("text", BAD_KEYS.values(), ids=BAD_KEYS)
def test_a_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(VerifierKeyInvalid):
        VerifierKey.parse(text)


def test_an_ecdsa_key_on_another_curve_is_refused() -> None:
    pem = (
        ec.generate_private_key(ec.SECP384R1())
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    with pytest.raises(VerifierKeyInvalid):
        VerifierKey.from_pem(pem, name=ORIGIN)


@pytest.mark.parametrize(
    ("raw", "keys", "signers"),
    [
        (note(LOG_LINE), [log_key], [log_key]),
        (note(P256_LINE), [p256_key], [p256_key]),
        (note(LOG_LINE, P256_LINE), [p256_key, log_key], [log_key, p256_key]),
        (note("\u2014 stranger AAAAAAAAAAAA\n", LOG_LINE), [log_key], [log_key]),
        (note(LOG_LINE, LOG_LINE), [log_key], [log_key]),
        (note(LOG_LINE, WITNESS_LINE), [witness_key], [witness_key]),
    ],
)
def test_a_note_is_verified_by_the_known_keys(raw: bytes, keys: list[VerifierKey], signers: list[VerifierKey]) -> None:
    assert [key for key, _ in SignedNote.parse(raw).verified_by(keys)] == signers


def forged(line: str) -> str:
    start, encoded = line.rstrip("\n").rsplit(" ", 1)
    content = bytearray(base64.b64decode(encoded))
    content[-1] ^= 1
    return f"{start} {base64.b64encode(content).decode()}\n"


@pytest.mark.parametrize("character", [chr(code) for code in range(0x20)] + ["\x7f", "\x85"])
def test_of_control_characters_a_note_holds_the_newline_alone(character: str) -> None:
    raw = note(LOG_LINE, body=f"{BODY}more{character}text\n")
    if character < " " and character != "\n":
        with pytest.raises(NoteMalformed, match="control characters"):
            SignedNote.parse(raw)
    else:
        assert SignedNote.parse(raw).text == f"{BODY}more{character}text\n"


def test_a_name_that_is_improper_is_refused_each_time_it_is_read() -> None:
    line = LOG_LINE.replace(ORIGIN, f"{ORIGIN}+")
    for _ in range(2):
        with pytest.raises(NoteMalformed):
            SignedNote.parse(note(line))
        assert SignedNote.parse(note(LOG_LINE)).unverified_signatures[0].name == ORIGIN


REFUSED_NOTES: dict[str, tuple[bytes, list[VerifierKey], type[LogError]]] = {
    "signed by strangers only": (note(P256_LINE), [log_key], NoteUnsigned),
    "checked with no key": (note(LOG_LINE), [], NoteUnsigned),
    "a known key's line is forged": (note(forged(LOG_LINE)), [log_key], NoteSignatureInvalid),
    "one of two known keys' lines is forged": (note(LOG_LINE, forged(P256_LINE)), [log_key, p256_key], NoteSignatureInvalid),
    "the text is another": (note(LOG_LINE, body=BODY.replace("\n8\n", "\n9\n")), [log_key], NoteSignatureInvalid),
    "a witness's time is another": (
        note(WITNESS_LINE.replace("AAAABpVbkA", "AAAABpVbkB")), [witness_key], NoteSignatureInvalid),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "keys", "error"), REFUSED_NOTES.values(), ids=REFUSED_NOTES)
def test_a_note_is_refused(raw: bytes, keys: list[VerifierKey], error: type[LogError]) -> None:
    with pytest.raises(error):
        SignedNote.parse(raw).verified_by(keys)


MALFORMED_NOTES = {
    "nothing": b"",
    "no signature lines": BODY.encode() + b"\n",
    "no empty line": (BODY + LOG_LINE).encode(),
    "no last line end": note(LOG_LINE)[:-1],
    "not UTF-8": note(LOG_LINE) + b"\xff\n",
    "a tab": note(LOG_LINE, body=BODY.replace("\n8\n", "\n8\t\n")),
    "a carriage return": note(LOG_LINE).replace(b"\n", b"\r\n"),
    "a hyphen in place of the dash": note(LOG_LINE.replace("\u2014", "-")),
    "a line without base64": note(f"\u2014 {ORIGIN}\n"),
    "base64 with junk in it": note(LOG_LINE.replace("bv9t", "bv9t!")),
    "base64 without padding": note(LOG_LINE.replace("=\n", "\n")),
    "an identifier and no signature": note(f"\u2014 {ORIGIN} bv9tXg==\n"),
    "thousands of lines": note(*(LOG_LINE,) * (MAX_SIGNATURES + 1)),
    "longer than any note": note(LOG_LINE, body=BODY + "x" * MAX_NOTE_BYTES + "\n"),
}


@pytest.mark.parametrize("raw", MALFORMED_NOTES.values(), ids=MALFORMED_NOTES)
def test_what_is_no_note_is_refused(raw: bytes) -> None:
    with pytest.raises(NoteMalformed):
        SignedNote.parse(raw)


def test_the_last_empty_line_ends_the_text() -> None:
    parsed = SignedNote.parse(note(LOG_LINE, body="a\n\nb\n"))
    assert parsed.text == "a\n\nb\n"


def test_a_checkpoint_is_opened_with_its_witness() -> None:
    opened = open_checkpoint(note(LOG_LINE, WITNESS_LINE), [log_key], witnesses=[witness_key], demanded=1)
    assert opened.checkpoint == Checkpoint(origin=ORIGIN, size=8, root=bytes.fromhex(ROOTS[8]))
    assert str(opened.checkpoint) == BODY
    assert opened.witnesses == ("witness.example/w1",)


def test_a_witness_that_did_not_sign_is_missed() -> None:
    with pytest.raises(WitnessesMissing):
        open_checkpoint(note(LOG_LINE), [log_key], witnesses=[witness_key], demanded=1)


def test_the_logs_own_key_is_no_witness() -> None:
    with pytest.raises(WitnessesMissing):
        open_checkpoint(note(LOG_LINE), [log_key], witnesses=[log_key], demanded=1)


def test_a_checkpoint_of_another_origin_is_refused() -> None:
    private = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    body = BODY.replace(ORIGIN, "other.example/log")
    line = f"\u2014 {ORIGIN} {base64.b64encode(log_key.id + private.sign(body.encode())).decode()}\n"
    with pytest.raises(OriginMismatch):
        open_checkpoint(note(line, body=body), [log_key])


MALFORMED_CHECKPOINTS = {
    "two lines": f"{ORIGIN}\n8\n",
    "no origin": BODY.removeprefix(ORIGIN),
    "a leading zero": BODY.replace("\n8\n", "\n08\n"),
    "a sign": BODY.replace("\n8\n", "\n+8\n"),
    "more than 63 bits": BODY.replace("\n8\n", f"\n{1 << 63}\n"),
    "other digits": BODY.replace("\n8\n", "\n\u0668\n"),
    "a root of 31 bytes": f"{ORIGIN}\n8\n{base64.b64encode(bytes(31)).decode()}\n",
    "size 0 with the root of something": BODY.replace("\n8\n", "\n0\n"),
    "an empty extension line": BODY + "\n",
    "no line end": BODY.rstrip("\n"),
}


@pytest.mark.parametrize("text", MALFORMED_CHECKPOINTS.values(), ids=MALFORMED_CHECKPOINTS)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(CheckpointMalformed):
        Checkpoint.parse(text)


def test_extension_lines_are_kept_and_mean_nothing() -> None:
    assert Checkpoint.parse(BODY + "more\n").extensions == ("more",)


def test_a_proof_file_proves_its_leaf() -> None:
    proof = LogProof.parse(PROOF.encode())
    opened = open_checkpoint(proof.checkpoint, [log_key], witnesses=[witness_key], demanded=1).checkpoint
    proof.verify(LEAVES[5], size=opened.size, root=opened.root)
    assert bytes(proof) == PROOF.encode()
    for other in LEAVES[:5] + LEAVES[6:]:
        with pytest.raises(LogError):
            proof.verify(other, size=opened.size, root=opened.root)


MALFORMED_PROOFS = {
    "nothing": "",
    "another version": PROOF.replace("@v1", "@v2"),
    "no index": PROOF.replace("index 5\n", ""),
    "a leading zero": PROOF.replace("index 5", "index 05"),
    "a negative index": PROOF.replace("index 5", "index -5"),
    "an index of other digits": PROOF.replace("index 5", "index \u0665"),
    "a short hash": PROOF.replace("vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms=", "vBoG"),
    "a hash with junk": PROOF.replace("vBoG", "vB oG"),
    "too many hashes": PROOF.replace("index 5\n", "index 5\n" + "vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms=\n" * 61),
    "extra after the index": PROOF.replace("index 5\n", "index 5\nextra AAAA\n"),
    "extra twice": PROOF.replace("index 5\n", "extra AAAA\nextra AAAA\nindex 5\n"),
    "no checkpoint": PROOF.split("\n\n", maxsplit=1)[0],
    "carriage returns": PROOF.replace("\n", "\r\n"),
    "hundreds of kilobytes": PROOF + "x" * (512 * 1024),
}


@pytest.mark.parametrize("text", MALFORMED_PROOFS.values(), ids=MALFORMED_PROOFS)
def test_what_is_no_proof_is_refused(text: str) -> None:
    with pytest.raises(ProofMalformed):
        LogProof.parse(text.encode())
