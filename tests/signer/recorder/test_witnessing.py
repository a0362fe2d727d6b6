"""The recorder's asking of witnesses, with real ones and with ones that lie, hang or are gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from signer.addresses import Address
from signer.errors import DatabaseUnavailable, SignerError
from signer.http_exchange import Limits
from signer.recorder.witness_round import AskedWitness
from signer.recorder.witnessing import Witnessing
from signer.witness.report import WitnessFile
from tests.signer.witness.test_exchange import dripping, http
from tests.support.canned import answering
from tests.support.made_logs import ORIGIN, MadeLog, NoteKey, request
from tests.support.witnesses import RunningWitness, running_witness
from verifier.log import KeyType, SignedNote, VerifierKey, open_checkpoint

KEY = NoteKey.ed25519(1)
LOG = MadeLog.of(40, keys=(KEY,))
FORK = MadeLog.of(40, kind="other", keys=(KEY,))
WITNESS = NoteKey.ed25519(2, "w.example", KeyType.COSIGNATURE)
PATIENCE = 20.0


@dataclass(slots=True, kw_only=True)
class Committed:
    """The log of a database, which holds so many leaves now."""

    log: MadeLog = field(default_factory=lambda: LOG)
    holds: int = 40
    trouble: SignerError | None = None

    def size(self) -> int:
        return self.holds

    def root(self, size: int) -> bytes:
        return self.log.head(size).root

    def consistency(self, old_size: int, size: int) -> Sequence[bytes]:
        if self.trouble is not None:
            raise self.trouble
        return self.log.proof(old_size, size)


def until(condition: Callable[[], object], patience: float = PATIENCE) -> None:
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        threading.Event().wait(0.01)


@contextmanager
def witnessing(*asked: AskedWitness, log: Committed | None = None, seconds: float = 5.0) -> Iterator[Witnessing]:
    made = Witnessing(
        witnesses=asked,
        log_keys=lambda: [KEY.verifier],
        log=log or Committed(),
        limits=Limits(seconds=seconds),
        pace=0.05,
    )
    try:
        yield made
    finally:
        made.close()


def asked(url: str, key: VerifierKey, name: str = "one") -> AskedWitness:
    return AskedWitness(name=name, address=Address.parse(url), key=key)


def real(running: RunningWitness, name: str = "one") -> AskedWitness:
    return asked(running.url, running.key, name)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningWitness]:
    with running_witness(tmp_path, KEY.verifier) as made:
        yield made


def signed_by(made: Witnessing, size: int, *keys: VerifierKey) -> Callable[[], bool]:
    def signed() -> bool:
        note = made.cosigned()
        if note is None:
            return False
        opened = open_checkpoint(note, [KEY.verifier], witnesses=keys)
        return opened.checkpoint == LOG.head(size) and len(opened.witnesses) == len(keys)

    return signed


def test_each_checkpoint_is_signed_in_its_turn(running: RunningWitness) -> None:
    with witnessing(real(running)) as made:
        assert made.cosigned() is None
        for size in (0, 1, 2, 3, 31, 32, 40):
            made.offer(LOG.checkpoint(size))
            until(signed_by(made, size, running.key))
        assert (made.alarms(), made.stopped()) == ({}, None)


def test_the_same_checkpoint_may_be_offered_again(running: RunningWitness) -> None:
    with witnessing(real(running)) as made:
        made.offer(LOG.checkpoint(5))
        until(signed_by(made, 5, running.key))
        made.offer(LOG.checkpoint(5))
        made.offer(LOG.checkpoint(6))
        until(signed_by(made, 6, running.key))


def test_what_a_witness_holds_is_learnt_after_a_restart(running: RunningWitness) -> None:
    running.add(request(0, (), LOG.checkpoint(7)))
    with witnessing(real(running)) as made:
        made.offer(LOG.checkpoint(12))
        until(signed_by(made, 12, running.key))
        assert made.alarms() == {}


def test_several_sign_the_same_checkpoint(tmp_path: Path) -> None:
    with ExitStack() as stack:
        places = [tmp_path / str(number) for number in range(2)]
        for place in places:
            place.mkdir()
        both = [stack.enter_context(running_witness(place, KEY.verifier)) for place in places]
        with witnessing(*(real(each, str(number)) for number, each in enumerate(both))) as made:
            made.offer(LOG.checkpoint(9))
            until(signed_by(made, 9, *(each.key for each in both)))
            both[0].kill()
            made.offer(LOG.checkpoint(10))
            until(signed_by(made, 10, both[1].key))
            until(lambda: "0" in made.alarms())
            assert made.alarms()["0"].code == "witness-unreachable"


def test_another_machine_may_have_shown_it_more(running: RunningWitness) -> None:
    """A later checkpoint of the same log, which the database holds: nothing is wrong."""
    running.add(request(0, (), LOG.checkpoint(30)))
    with witnessing(real(running)) as made:
        made.offer(LOG.checkpoint(12))
        made.offer(LOG.checkpoint(13))
        threading.Event().wait(0.5)
        made.offer(LOG.checkpoint(31))
        until(signed_by(made, 31, running.key))
        assert (made.alarms(), made.stopped()) == ({}, None)


def test_a_log_that_was_rolled_back_is_stopped_by_name(running: RunningWitness) -> None:
    running.add(request(0, (), LOG.checkpoint(30)))
    with witnessing(real(running), log=Committed(holds=20)) as made:
        made.offer(LOG.checkpoint(20))
        until(made.stopped)
        stopped = made.stopped()
        assert stopped is not None
        assert (stopped.code, stopped.verified, stopped.found) == ("log-rolled-back", 30, 20)


def test_a_log_of_another_history_is_an_alarm(running: RunningWitness) -> None:
    running.add(request(0, (), FORK.checkpoint(7)))
    with witnessing(real(running)) as made:
        made.offer(LOG.checkpoint(20))
        until(made.alarms)
        assert made.alarms()["one"].facts == {"witness": "one", "size": 7}
        assert made.alarms()["one"].code == "witness-disagrees"
        assert (made.stopped(), made.cosigned()) == (None, None)


def test_a_witness_of_other_logs_is_an_alarm_until_it_signs(tmp_path: Path) -> None:
    other = NoteKey.ed25519(8, "other.example")
    with running_witness(tmp_path, other.verifier) as running, witnessing(real(running)) as made:
        made.offer(LOG.checkpoint(5))
        until(made.alarms)
        assert made.alarms()["one"].facts == {"witness": "one", "status": 404}


def test_a_witness_that_was_gone_is_asked_again(tmp_path: Path) -> None:
    with running_witness(tmp_path, KEY.verifier) as running:
        asking = real(running)
    with witnessing(asking) as made:
        made.offer(LOG.checkpoint(5))
        until(made.alarms)
        with running_witness(tmp_path, KEY.verifier, listen=f"127.0.0.1:{asking.address.port}"):
            until(signed_by(made, 5, asking.key))
            until(lambda: not made.alarms())


def test_a_database_that_does_not_answer_is_asked_again(running: RunningWitness) -> None:
    log = Committed(trouble=DatabaseUnavailable())
    with witnessing(real(running), log=log) as made:
        made.offer(LOG.checkpoint(5))
        until(made.alarms)
        log.trouble = None
        until(signed_by(made, 5, running.key))


def size_answer(size: int) -> bytes:
    return http(409, f"{size}\n".encode(), "Content-Type: text/x.tlog.size")


def ahead(held: bytes) -> Callable[[str], bytes]:
    """Says that it holds 99 leaves, and shows this."""
    return lambda head: http(200, held) if head.startswith("GET") else size_answer(99)


LYING = {
    "a size beyond ours, and nothing of the log": (ahead(b"<html>"), "witness-answer-invalid"),
    "a size beyond ours, and a checkpoint of another key": (
        ahead(MadeLog.of(99, keys=(NoteKey.ed25519(5),)).checkpoint()), "witness-answer-invalid"),
    "a size beyond ours, and one of its own": (
        ahead(MadeLog.of(99, keys=(WITNESS,)).checkpoint()), "witness-answer-invalid"),
    "a size beyond ours, and a checkpoint of another log": (
        ahead(MadeLog(leaves=[b"x"] * 99, keys=(NoteKey.ed25519(1, "x"),), origin="x").checkpoint()),
        "witness-answer-invalid"),
    "a size beyond ours, and an older checkpoint of another history": (
        ahead(FORK.checkpoint(9)), "witness-disagrees"),
    "a size beyond ours, and an older checkpoint of ours": (ahead(LOG.checkpoint(3)), "witness-answer-invalid"),
    "the size that it was asked for": (size_answer(0), "witness-answer-invalid"),
    "another size each time": (lambda head: size_answer(int(time.monotonic_ns() % 4) + 1), "witness-answer-invalid"),
    "a signature of another witness": (
        http(200, f"{NoteKey.ed25519(3, 'w.example', KeyType.COSIGNATURE).line(str(LOG.head(5)))}\n".encode()),
        "witness-answer-invalid"),
    "a signature of something else": (
        http(200, f"{WITNESS.line(str(LOG.head(6)))}\n".encode()), "witness-answer-invalid"),
    "a redirect": (http(307, b"", "Location: http://127.0.0.1:1/"), "witness-refused"),
    "that the proof is wrong": (
        lambda head: http(404 if head.startswith("GET") else 422, b""), "witness-refused"),
    "too much": (http(200, b"x" * (1 << 20)), "witness-unreachable"),
    "no HTTP": (b"ssh\r\n\r\n", "witness-unreachable"),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "code"), LYING.values(), ids=LYING)
def test_a_witness_is_only_an_alarm_that_answers(answer: bytes | Callable[[str], bytes], code: str) -> None:
    with answering(answer) as server, witnessing(asked(server.url, WITNESS.verifier)) as made:
        made.offer(LOG.checkpoint(5))
        until(made.alarms)
        assert made.alarms()["one"].code == code
        assert (made.stopped(), made.cosigned()) == (None, None)


def test_one_that_hangs_delays_neither_the_others_nor_whoever_offers(running: RunningWitness) -> None:
    with (
        dripping(b"HTTP/1.1 200 x\r\n", b"a", 0.05) as url,
        witnessing(asked(url, WITNESS.verifier, "slow"), real(running), seconds=2.0) as made,
    ):
        started = time.monotonic()
        for size in range(6):
            made.offer(LOG.checkpoint(size))
        assert time.monotonic() - started < 0.5
        until(signed_by(made, 5, running.key))
        until(lambda: "slow" in made.alarms())
        assert made.alarms()["slow"].code == "witness-unreachable"


def held_back(release: threading.Event) -> Callable[[str], bytes]:
    """Answers as the witness of ``WITNESS`` would: at once to the first size, to others after ``release``."""

    def answer(_: str) -> bytes:
        size = next(sizes)
        if size != 3:
            assert release.wait(PATIENCE)
        return http(200, f"{WITNESS.line(str(LOG.head(size)))}\n".encode())

    sizes = iter((3, 4))
    return answer


def test_a_checkpoint_of_more_witnesses_stays_until_all_were_asked_for_the_next(running: RunningWitness) -> None:
    release = threading.Event()
    with answering(held_back(release)) as server:
        both = (real(running), asked(server.url, WITNESS.verifier, "slow"))
        with witnessing(*both, seconds=PATIENCE) as made:
            made.offer(LOG.checkpoint(3))
            until(signed_by(made, 3, running.key, WITNESS.verifier))
            made.offer(LOG.checkpoint(4))
            until(lambda: running.latest()[1].splitlines()[1:2] == [b"4"])
            # The one has signed the next; what both signed is still what is shown.
            assert signed_by(made, 3, running.key, WITNESS.verifier)()
            release.set()
            until(signed_by(made, 4, running.key, WITNESS.verifier))


def test_a_checkpoint_of_fewer_witnesses_is_shown_when_the_others_have_failed(running: RunningWitness) -> None:
    answers = iter([http(200, f"{WITNESS.line(str(LOG.head(3)))}\n".encode())])
    with answering(lambda _: next(answers, b"no HTTP\r\n\r\n")) as server:
        both = (real(running), asked(server.url, WITNESS.verifier, "other"))
        with witnessing(*both) as made:
            made.offer(LOG.checkpoint(3))
            until(signed_by(made, 3, running.key, WITNESS.verifier))
            made.offer(LOG.checkpoint(4))
            until(signed_by(made, 4, running.key))


def test_signatures_and_alarms_are_told_as_they_come(running: RunningWitness, tmp_path: Path) -> None:
    file = WitnessFile(tmp_path / "witnesses")
    made = Witnessing(
        witnesses=[real(running)], log_keys=lambda: [KEY.verifier], log=Committed(), limits=Limits(), pace=0.05,
        report=partial(file.write, ORIGIN),
    )  # fmt: skip
    made.offer(LOG.checkpoint(3))
    until(file.read)
    running.kill()
    made.offer(LOG.checkpoint(4))
    until(made.alarms)
    made.close()
    report = file.read()
    assert report is not None
    assert len(SignedNote.parse(report.note or b"").unverified_signatures) == 2
    assert report.alarms["one"][0] == "witness-unreachable"


def test_a_file_that_cannot_be_written_ends_nothing(running: RunningWitness, tmp_path: Path) -> None:
    file = WitnessFile(tmp_path / "no" / "witnesses")
    made = Witnessing(
        witnesses=[real(running)], log_keys=lambda: [KEY.verifier], log=Committed(), limits=Limits(), pace=0.05,
        report=partial(file.write, ORIGIN),
    )  # fmt: skip
    for size in (3, 4):
        made.offer(LOG.checkpoint(size))
        until(signed_by(made, size, running.key))
    made.close()
