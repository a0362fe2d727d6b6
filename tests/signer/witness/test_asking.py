"""What is asked of a witness and what its answers mean, decided without a connection."""

from __future__ import annotations

from dataclasses import replace

import pytest

from signer.addresses import Address
from signer.errors import SignerError
from signer.http_exchange import Answered
from signer.witness.asking import (
    Cosigned,
    HoldsAnother,
    cosigned_note,
    held_checkpoint,
    meaning_of,
    monitoring_path,
    request_body,
)
from tests.support.made_logs import MadeLog, NoteKey, request
from verifier.log import KeyType, NoteSignature, SignedNote, open_checkpoint

KEY = NoteKey.ed25519(1)
LOG = MadeLog.of(9, keys=(KEY,))
WITNESS = NoteKey.ed25519(2, "w.example", KeyType.COSIGNATURE)
OTHER = NoteKey.ed25519(3, "w.example", KeyType.COSIGNATURE)
TEXT = str(LOG.head(8))
LINE = WITNESS.line(TEXT)


def lines(*which: NoteSignature | str) -> bytes:
    return "".join(f"{each}\n" for each in which).encode()


def answer(body: bytes, status: int = 200, media_type: str = "text/plain") -> Answered:
    return Answered(status=status, media_type=media_type, body=body)


def size(body: bytes, media_type: str = "text/x.tlog.size") -> Answered:
    return answer(body, 409, media_type)


def meaning(answered: Answered) -> Cosigned | HoldsAnother:
    return meaning_of(answered, text=TEXT, witness="one", key=WITNESS.verifier)


MEANINGS = {
    "its line": (answer(lines(LINE)), Cosigned(line=LINE)),
    "its line among others": (
        answer(lines(NoteSignature(name="x", id=b"1234", payload=b"y"), LINE, OTHER.line(TEXT))), Cosigned(line=LINE)),
    "another size": (size(b"6\n"), HoldsAnother(size=6)),
    "no size yet": (size(b"0\n"), HoldsAnother(size=0)),
    "a size beyond ours": (size(b"9223372036854775807\n"), HoldsAnother(size=(1 << 63) - 1)),
}  # fmt: skip


@pytest.mark.parametrize(("answered", "means"), MEANINGS.values(), ids=MEANINGS)
def test_an_answer_means(answered: Answered, means: Cosigned | HoldsAnother) -> None:
    assert meaning(answered) == means


INVALID, REFUSED = "witness-answer-invalid", "witness-refused"
UNBELIEVED = {
    "no line": (answer(b""), INVALID),
    "a line of another key under its name": (answer(lines(OTHER.line(TEXT))), INVALID),
    "its line over another checkpoint": (answer(lines(WITNESS.line(str(LOG.head(9))))), INVALID),
    "its line with another time": (
        answer(lines(replace(LINE, payload=b"\0" * 8 + LINE.payload[8:]))), INVALID),
    "its line cut": (answer(lines(replace(LINE, payload=LINE.payload[:40]))), INVALID),
    "the log's line": (answer(lines(KEY.line(TEXT))), INVALID),
    "a note in place of lines": (answer(LOG.checkpoint(8, LINE)), INVALID),
    "more text before its line": (answer(b"text\n\n" + lines(LINE)), INVALID),
    "more text, which it signed": (answer(b"text\n\n" + lines(WITNESS.line(f"{TEXT}\ntext\n"))), INVALID),
    "a huge line beside its own": (
        answer(lines(NoteSignature(name="x", id=b"1234", payload=b"y" * 60_000), LINE)), INVALID),
    "a line without its end": (answer(lines(LINE)[:-1]), INVALID),
    "line ends of Windows": (answer(lines(LINE).replace(b"\n", b"\r\n")), INVALID),
    "65 lines": (answer(lines(*[NoteSignature(name="x", id=b"1234", payload=b"y")] * 64, LINE)), INVALID),
    "thousands of lines": (answer(lines(*[LINE] * 3000)), INVALID),
    "HTML": (answer(b"<html>" * 100), INVALID),
    "bytes": (answer(b"\xff" * 100), INVALID),
    "a size without a line end": (size(b"6"), INVALID),
    "a size with a leading zero": (size(b"06\n"), INVALID),
    "a negative size": (size(b"-6\n"), INVALID),
    "a size of 64 bits": (size(b"9223372036854775808\n"), INVALID),
    "a size of many digits": (size(b"9" * 100_000 + b"\n"), INVALID),
    "two sizes": (size(b"6\n7\n"), INVALID),
    "no size": (size(b"\n"), INVALID),
    "a size in other digits": (size("\u0666\n".encode()), INVALID),
    "a size of another media type": (size(b"6\n", "text/plain"), REFUSED),
    "a redirect": (answer(b"", 302), REFUSED),
    "created": (answer(lines(LINE), 201), REFUSED),
    "no right": (answer(b"", 403), REFUSED),
    "no proof": (answer(b"", 422), REFUSED),
    "trouble": (answer(b"", 500), REFUSED),
}  # fmt: skip


@pytest.mark.parametrize(("answered", "code"), UNBELIEVED.values(), ids=UNBELIEVED)
def test_nothing_is_believed_of(answered: Answered, code: str) -> None:
    with pytest.raises(SignerError) as caught:
        meaning(answered)
    assert (caught.value.code, caught.value.facts["witness"]) == (code, "one")


def test_what_it_holds_is_read_with_the_logs_key() -> None:
    held = held_checkpoint(answer(LOG.checkpoint(9, LINE)), witness="one", log_keys=[KEY.verifier])
    assert held == LOG.head(9)


UNHELD = {
    "a checkpoint that the log did not sign": answer(MadeLog.of(9, keys=(NoteKey.ed25519(9),)).checkpoint()),
    "a checkpoint of the witness's own": answer(MadeLog.of(9, keys=(WITNESS,)).checkpoint()),
    "a checkpoint of another log under the same key": answer(MadeLog(leaves=[], keys=(KEY,), origin="x").checkpoint()),
    "nothing": answer(b""),
    "a status": answer(LOG.checkpoint(9), 404),
    "a redirect": answer(LOG.checkpoint(9), 301),
}


@pytest.mark.parametrize("answered", UNHELD.values(), ids=UNHELD)
def test_nothing_is_held(answered: Answered) -> None:
    with pytest.raises(SignerError):
        held_checkpoint(answered, witness="one", log_keys=[KEY.verifier])


def test_a_request_is_as_it_is_published() -> None:
    assert request_body(LOG.checkpoint(8), old_size=6, path=LOG.proof(6, 8)) == request(
        6, LOG.proof(6, 8), LOG.checkpoint(8)
    )
    assert monitoring_path("x") != monitoring_path("y")


def test_lines_of_witnesses_come_after_those_of_the_log() -> None:
    note = cosigned_note(LOG.checkpoint(8), [LINE])
    assert [each.name for each in SignedNote.parse(note).unverified_signatures] == [LOG.origin, "w.example"]
    assert open_checkpoint(note, [KEY.verifier], witnesses=[WITNESS.verifier], demanded=1).checkpoint == LOG.head(8)


ADDRESSES = {
    "https://w.example": ("w.example", 443, "", "w.example"),
    "https://w.example:8444/witness/": ("w.example", 8444, "/witness", "w.example:8444"),
    "http://127.0.0.1:1": ("127.0.0.1", 1, "", "127.0.0.1:1"),
    "http://[::1]:80/a": ("::1", 80, "/a", "[::1]"),
    "https://[2001:db8::1]": ("2001:db8::1", 443, "", "[2001:db8::1]"),
}


@pytest.mark.parametrize(("url", "parts"), ADDRESSES.items())
def test_an_address_is(url: str, parts: tuple[object, ...]) -> None:
    address = Address.parse(url)
    assert (address.host, address.port, address.prefix, address.authority) == parts


@pytest.mark.parametrize("url", [
    "http://w.example", "http://192.0.2.1", "ftp://w.example", "w.example", "", "https://", "https://w.example?x",
    "https://w.example#x", "https://user@w.example", "https://w.example:99999", "https://w.example:x",
    "https://w.example/a b", "https://w.example/\r\nX: y", "https://w.example/\u00e4", "https://[::1", "file:///etc",
])  # fmt: skip
def test_an_address_is_not(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(is not|must be|has a)"):
        Address.parse(url)
