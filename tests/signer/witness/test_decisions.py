"""What a witness signs, and what it refuses by which status: every request is decided without a server."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from signer.errors import SignerError
from signer.web.problems import problem_of
from signer.witness.application import Application
from signer.witness.decisions import MAX_BODY_BYTES, AddCheckpoint
from signer.witness.state import opened
from tests.support.made_logs import MadeLog, NoteKey, note, request
from verifier.log import NoteSignature, SignedNote, VerifierKey

KEY, OTHER, FOREIGN = NoteKey.ed25519(1), NoteKey.ed25519(2), NoteKey.ed25519(3, "elsewhere.example/log")
SECOND = NoteKey.p256(7)
LOG = MadeLog.of(9, keys=(KEY,))
FORK = MadeLog.of(9, kind="other", keys=(KEY,))
HELD = 6
NOW = 1_800_000_000


def wrong(key: NoteKey, text: str) -> NoteSignature:
    good = key.line(text)
    return replace(good, payload=bytes([good.payload[0] ^ 1]) + good.payload[1:])


TEXT = str(LOG.head(8))
PROOF = LOG.proof(HELD, 8)
GOOD = request(HELD, PROOF, LOG.checkpoint(8))
# Lines of somebody else: their number is bounded, and so is the note.
UNKNOWN = [NoteSignature(name=f"w{n}.example", id=b"\0" * 4, payload=b"x" * 64) for n in range(5000)]

SIGNED = {
    "a larger checkpoint with its proof": GOOD,
    "the same checkpoint again": request(HELD, (), LOG.checkpoint(HELD)),
    "a checkpoint with lines of unknown keys": request(HELD, PROOF, LOG.checkpoint(8, *UNKNOWN[:63])),
    "a checkpoint with the line of another kind of key of the log": request(
        HELD, PROOF, LOG.checkpoint(8, SECOND.line(TEXT))
    ),
    "a checkpoint with an extension line": request(HELD, PROOF, note(TEXT + "more\n", KEY.line(TEXT + "more\n"))),
}
REFUSED = {
    "another log": (404, request(HELD, PROOF, note(TEXT.replace("signer", "sinner"), KEY.line(TEXT)))),
    "another log, signed by its key": (
        404, request(0, (), MadeLog(leaves=LOG.leaves, keys=(FOREIGN,), origin="elsewhere.example/log").checkpoint(8))),
    "no line of a trusted key": (403, request(HELD, PROOF, note(TEXT, OTHER.line(TEXT)))),
    "lines of unknown keys alone": (403, request(HELD, PROOF, note(TEXT, *UNKNOWN[:3]))),
    "a wrong line of a trusted key": (403, request(HELD, PROOF, note(TEXT, wrong(KEY, TEXT)))),
    "a good line of one trusted key and a wrong one of another": (
        403, request(HELD, PROOF, note(TEXT, KEY.line(TEXT), wrong(SECOND, TEXT)))),
    "the signature of another checkpoint": (403, request(HELD, PROOF, note(TEXT, KEY.line(str(LOG.head(9)))))),
    "an old size that is larger than the checkpoint": (400, request(9, (), LOG.checkpoint(8))),
    "an older checkpoint": (409, request(5, (), LOG.checkpoint(5))),
    "an older checkpoint, called the newest": (400, request(HELD, (), LOG.checkpoint(5))),
    "another old size": (409, request(5, LOG.proof(5, 8), LOG.checkpoint(8))),
    "an old size that is too large": (409, request(7, LOG.proof(7, 8), LOG.checkpoint(8))),
    "a first checkpoint again": (409, request(0, (), LOG.checkpoint(8))),
    "the same size with another root": (422, request(HELD, (), FORK.checkpoint(HELD))),
    "a larger checkpoint of a fork": (422, request(HELD, FORK.proof(HELD, 8), FORK.checkpoint(8))),
    "no proof": (422, request(HELD, (), LOG.checkpoint(8))),
    "a proof of something else": (422, request(HELD, LOG.proof(5, 8), LOG.checkpoint(8))),
    "a proof with a hash too many": (422, request(HELD, (*PROOF, PROOF[0]), LOG.checkpoint(8))),
    "a proof with a hash too few": (422, request(HELD, PROOF[:-1], LOG.checkpoint(8))),
    "a proof in another order": (422, request(HELD, PROOF[::-1], LOG.checkpoint(8))),
    "a proof where there must be none": (422, request(HELD, PROOF, LOG.checkpoint(HELD))),
    "63 hashes": (422, request(HELD, [PROOF[0]] * 63, LOG.checkpoint(8))),
    "64 hashes": (400, request(HELD, [PROOF[0]] * 64, LOG.checkpoint(8))),
    "size 0 with a root that is no hash": (
        400, request(0, (), note("signer.example/log\n0\nAAA\n", KEY.line(TEXT)))),
    "size 0 with a root of something": (422, request(0, (), note(TEXT.replace("\n8\n", "\n0\n"), KEY.line(TEXT)))),
    "a leading zero in old": (400, GOOD.replace(b"old 6", b"old 06")),
    "a sign in old": (400, GOOD.replace(b"old 6", b"old +6")),
    "an old that is negative": (400, GOOD.replace(b"old 6", b"old -6")),
    "an old of 64 bits": (400, GOOD.replace(b"old 6", b"old 9223372036854775808")),
    "an old of thousands of digits": (400, GOOD.replace(b"old 6", b"old " + b"6" * 10_000)),
    "no old": (400, GOOD.partition(b"\n")[2]),
    "a leading zero in the size": (400, request(HELD, PROOF, note(TEXT.replace("\n8\n", "\n08\n"), KEY.line(TEXT)))),
    "line ends of Windows": (400, GOOD.replace(b"\n", b"\r\n")),
    "line ends of Windows before the checkpoint": (400, GOOD.replace(b"old 6\n", b"old 6\r\n")),
    "a hash of 31 bytes": (400, request(HELD, [b"x" * 31], LOG.checkpoint(8))),
    "a hash in base64 without padding": (400, GOOD.replace(b"=\n", b"\n", 1)),
    "a hash in the other base64": (400, GOOD.replace(GOOD.split(b"\n")[1], b"-" * 43 + b"=")),
    "a space behind a hash": (400, GOOD.replace(b"=\n", b"= \n", 1)),
    "letters that are not ASCII": (400, GOOD.replace(b"old 6", "old \u0666".encode())),
    "no checkpoint": (400, b"old 6\n\n"),
    "no empty line": (400, GOOD.replace(b"\n\n", b"\n")),
    "nothing": (400, b""),
    "only line ends": (400, b"\n" * 5000),
    "zero bytes": (400, b"\0" * 5000),
    "a checkpoint that is not UTF-8": (400, GOOD + b"\xff"),
    "thousands of signature lines": (400, request(HELD, PROOF, LOG.checkpoint(8, *UNKNOWN))),
    "64 lines beside that of the log": (400, request(HELD, PROOF, LOG.checkpoint(8, *UNKNOWN[:64]))),
    "a checkpoint of two lines": (400, request(HELD, PROOF, note("signer.example/log\n8\n", KEY.line(TEXT)))),
    "a note larger than notes may be": (400, request(HELD, PROOF, note(TEXT + "x" * MAX_BODY_BYTES, KEY.line(TEXT)))),
}  # fmt: skip


@pytest.fixture
def application(tmp_path: Path) -> Application:
    """Of a witness that signed the first six leaves."""
    keys: dict[str, tuple[VerifierKey, ...]] = {LOG.origin: (KEY.verifier, SECOND.verifier)}
    witness, lock = opened(
        state=tmp_path / "state", key=tmp_path / "key", name="w.example", log_keys=keys, clock=lambda: NOW
    )
    lock.close()
    application = Application(witness)
    assert ask(application, request(0, (), LOG.checkpoint(HELD)))[0] == 200
    return application


def ask(application: Application, body: bytes) -> tuple[int, bytes]:
    answer = application.answer("POST", "/add-checkpoint", body)
    return answer.status, answer.body


@pytest.mark.parametrize("body", SIGNED.values(), ids=SIGNED)
def test_it_signs(body: bytes, application: Application) -> None:
    status, lines = ask(application, body)
    assert status == 200
    cosigned = SignedNote.parse(note(AddCheckpoint.parse(body).note.text, lines.decode().removesuffix("\n")))
    ((key, line),) = cosigned.verified_by([application._witness.key.verifier])
    assert (key.name, int.from_bytes(line.payload[:8], "big")) == ("w.example", NOW)


@pytest.mark.parametrize(("status", "body"), REFUSED.values(), ids=REFUSED)
def test_it_refuses_and_remembers_what_it_signed(status: int, body: bytes, application: Application) -> None:
    held = application._witness.latest(LOG.origin)
    answered, said = ask(application, body)
    assert answered == status
    assert application._witness.latest(LOG.origin) == held
    assert len(said) < 500
    if status == 409:
        assert said == b"6\n"


def test_a_size_is_told_with_its_own_media_type(application: Application) -> None:
    answer = application.answer("POST", "/add-checkpoint", request(5, (), LOG.checkpoint(5)))
    assert (answer.status, answer.media_type) == (409, "text/x.tlog.size")


def test_the_newest_checkpoint_can_be_read_with_its_own_lines_alone(application: Application) -> None:
    ask(application, request(HELD, PROOF, LOG.checkpoint(8, *UNKNOWN[:5])))
    answer = application.answer("GET", f"/{hashlib.sha256(LOG.origin.encode()).hexdigest()}/checkpoint", b"")
    assert answer.status == 200
    assert [each.name for each in SignedNote.parse(answer.body).unverified_signatures] == [LOG.origin, "w.example"]


ABSENT = {
    "the root": "/", "a log that it does not watch": f"/{'0' * 64}/checkpoint",
    "capital letters": f"/{'A' * 64}/checkpoint",
    "a query": "/add-checkpoint?x", "a slash more": "/add-checkpoint/", "two slashes": "//add-checkpoint",
    "an escaped letter": "/%61dd-checkpoint", "another host": "http://w.example/add-checkpoint",
}  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
@pytest.mark.parametrize("target", ABSENT.values(), ids=ABSENT)
def test_nothing_is_at(method: str, target: str, application: Application) -> None:
    assert application.answer(method, target, b"").status in (404, 405)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "post"])
def test_checkpoints_are_added_by_post_alone(method: str, application: Application) -> None:
    assert application.answer(method, "/add-checkpoint", GOOD).status == 405


def test_a_request_reads_as_it_was_built() -> None:
    asked = AddCheckpoint.parse(GOOD)
    assert bytes(asked) == GOOD
    assert (asked.old_size, asked.path, asked.checkpoint) == (HELD, PROOF, LOG.head(8))


def test_every_refusal_has_its_own_words() -> None:
    with pytest.raises(SignerError) as caught:
        AddCheckpoint.parse(b"")
    assert problem_of(caught.value).status == 400
