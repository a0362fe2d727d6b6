"""A witness as a process: races, kills at any moment, and clients that do not keep to HTTP or to their time."""

from __future__ import annotations

import itertools
import random
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from signer.witness.decisions import MAX_BODY_BYTES
from signer.witness.server import Bounds
from tests.support.certificates import self_signed
from tests.support.made_logs import MadeLog, NoteKey, note, request
from tests.support.witnesses import RunningWitness, command, head, running_witness
from verifier.log import Checkpoint, SignedNote, open_checkpoint, verify_consistency

KEY = NoteKey.ed25519(1)
LOG = MadeLog.of(300, keys=(KEY,))
FIRST = request(0, (), LOG.checkpoint(3))


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWitness]:
    with running_witness(tmp_path_factory.mktemp("witness"), KEY.verifier) as running:
        assert running.add(FIRST)[0] == 200
        yield running


def cosigned(running: RunningWitness, text: str, lines: bytes) -> Checkpoint:
    """The checkpoint that an answer signs."""
    signed = note(text, KEY.line(text), lines.decode().removesuffix("\n"))
    return open_checkpoint(signed, [KEY.verifier], witnesses=[running.key], demanded=1).checkpoint


def test_it_tells_its_key_signs_and_is_monitored(tmp_path: Path) -> None:
    with running_witness(tmp_path, KEY.verifier, more=("--name", "w.example/one")) as running:
        assert running.key.name == "w.example/one"
        assert running.latest()[0] == 404
        status, lines = running.add(FIRST)
        assert (status, cosigned(running, str(LOG.head(3)), lines)) == (200, LOG.head(3))
        assert open_checkpoint(running.latest()[1], [KEY.verifier], witnesses=[running.key], demanded=1)
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(20) == 0
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_it_remembers_over_a_restart_and_keeps_its_key(tmp_path: Path) -> None:
    with running_witness(tmp_path, KEY.verifier) as running:
        running.add(FIRST)
        before, held = running.key, running.latest()
        running.kill()
    with running_witness(tmp_path, KEY.verifier) as running:
        assert (running.key, running.latest()) == (before, held)
        assert running.add(FIRST) == (409, b"3\n")


def test_a_second_one_on_the_same_state_is_refused(witness: RunningWitness, tmp_path: Path) -> None:
    with running_witness(tmp_path, KEY.verifier):
        done = subprocess.run(command(tmp_path, KEY.verifier), capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "another process holds" in done.stderr


def test_racing_requests_never_lead_it_back(tmp_path: Path) -> None:
    """From one state to many: one of them wins each round, and what is held never shrinks."""
    with running_witness(tmp_path, KEY.verifier) as running, ThreadPoolExecutor(8) as pool:
        held = 0
        for _ in range(4):
            bodies = [request(held, LOG.proof(held, size), LOG.checkpoint(size)) for size in range(held + 1, held + 9)]
            answers = list(pool.map(running.add, bodies))
            assert sorted(status for status, _ in answers) == [200] + [409] * 7
            (won,) = (place for place, (status, _) in enumerate(answers) if status == 200)
            held += won + 1
            assert {body for status, body in answers if status == 409} == {f"{held}\n".encode()}


@pytest.mark.parametrize("seed", range(2))
def test_a_kill_at_any_moment_loses_nothing_that_was_answered(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    answered: list[Checkpoint] = []
    forks = (MadeLog.of(300, keys=(KEY,)), MadeLog.of(300, kind="other", keys=(KEY,)))
    for _ in range(4):
        with running_witness(tmp_path, KEY.verifier) as running:
            stop, enough = threading.Event(), threading.Semaphore(0)
            callers = [
                threading.Thread(target=_press, args=(running, fork, answered, stop, enough))
                for fork in (*forks, *forks)
            ]
            for caller in callers:
                caller.start()
            for _ in range(chance.randint(1, 12)):
                assert enough.acquire(timeout=60)
            time.sleep(0.01 * chance.random())  # the moment of the kill
            running.kill()
            stop.set()
            for caller in callers:
                caller.join(30)
    with running_witness(tmp_path, KEY.verifier) as running:
        status, held = running.latest()
    assert status == 200
    assert len(answered) > 4
    newest = Checkpoint.parse(SignedNote.parse(held).text)
    (log,) = (fork for fork in forks if fork.head(newest.size) == newest)
    for checkpoint in answered:
        verify_consistency(
            old_size=checkpoint.size, old_root=checkpoint.root, size=newest.size, root=newest.root,
            path=log.proof(checkpoint.size, newest.size),
        )  # fmt: skip


def _press(
    running: RunningWitness,
    log: MadeLog,
    answered: list[Checkpoint],
    stop: threading.Event,
    enough: threading.Semaphore,
) -> None:
    """Lead the witness on along one of two logs that exclude each other, until it is gone."""
    held = 0
    with suppress(OSError):
        for number in itertools.count(1):
            if stop.is_set():
                return
            size = min(log.size, held + 1 + number % 3)
            status, body = running.add(request(held, log.proof(held, size), log.checkpoint(size)))
            if status == 409:
                held = int(body)
            elif status == 200:
                answered.append(cosigned(running, str(log.head(size)), body))
                enough.release()
                held = size
            else:
                return  # the other log won


POST = head("POST", "/add-checkpoint", FIRST)
STRANGE = {
    "HTTP/0.9": (b"GET /\r\n\r\n", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 404),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two lengths": (
        b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        400,
    ),
    "a length that is none": (b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\nx", 400),
    "an unknown coding": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    "a chunk without a size": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    "a huge head": (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 200_000 + b"\r\n\r\n", 431),
    "a huge body": (head("POST", "/add-checkpoint", b"x" * (MAX_BODY_BYTES + 1)) + b"x" * (MAX_BODY_BYTES + 1), 413),
    "another method": (head("DELETE", "/add-checkpoint"), 405),
    "a path that is not there": (head("GET", "/../add-checkpoint"), 404),
}


@pytest.mark.parametrize(("sent", "status"), STRANGE.values(), ids=STRANGE)
def test_what_is_not_a_proper_request_is_refused(witness: RunningWitness, sent: bytes, status: int) -> None:
    # Where it stops reading before the end, the answer may be lost with the connection.
    with suppress(ConnectionResetError, BrokenPipeError):
        assert witness.ask(sent)[0] == status
    assert witness.latest()[0] == 200


def test_what_follows_a_request_is_not_read(witness: RunningWitness) -> None:
    with suppress(ConnectionResetError):
        assert witness.raw((POST + FIRST) * 3).count(b"HTTP/1.1") == 1


def test_a_body_may_come_in_chunks_and_wait_to_be_asked_for(witness: RunningWitness) -> None:
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (FIRST[:100], FIRST[100:])) + b"0\r\n\r\n"
    start = b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", witness.port), 20) as connection:
        connection.sendall(start)
        assert connection.recv(1000).startswith(b"HTTP/1.1 100")
        connection.sendall(chunks)
        assert connection.recv(1000).startswith(b"HTTP/1.1 409")


def test_a_slow_body_has_its_time_and_no_more(witness: RunningWitness) -> None:
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", witness.port), 20) as slow:
        slow.sendall(POST)
        with suppress(OSError):
            for octet in FIRST:
                slow.sendall(bytes([octet]))
                if slow.recv(1, socket.MSG_DONTWAIT) == b"":
                    break
                time.sleep(0.1)  # a client that sends ten bytes a second
        assert Bounds().seconds - 1 < time.monotonic() - started < Bounds().seconds + 10


def test_those_that_wait_make_room(witness: RunningWitness) -> None:
    idle = [socket.create_connection(("127.0.0.1", witness.port), 20) for _ in range(Bounds().connections + 20)]
    try:
        assert witness.add(FIRST)[0] == 409
        for first in idle[:20]:
            first.settimeout(5)
            assert first.recv(1) == b""
    finally:
        for each in idle:
            each.close()


def test_a_state_that_cannot_be_stored_ends_it(tmp_path: Path) -> None:
    folder = tmp_path / "w"
    folder.mkdir()
    with running_witness(folder, KEY.verifier) as running:
        folder.rename(tmp_path / "gone")
        with pytest.raises(OSError):  # noqa: PT011  (closed or reset, as it comes)
            running.add(FIRST)
        assert running.process.wait(20) == 1


def test_with_a_certificate_it_speaks_tls_and_nothing_else(tmp_path: Path) -> None:
    certificate, private_key = self_signed(tmp_path, "localhost")
    files = ("--certificate", str(certificate), "--private-key", str(private_key))
    with running_witness(tmp_path, KEY.verifier, more=files) as running:
        assert running.url.startswith("https://")
        with suppress(ConnectionResetError):
            assert running.raw(POST + FIRST)[:4] != b"HTTP"
        context = ssl.create_default_context(cafile=certificate)
        with (
            socket.create_connection(("127.0.0.1", running.port), 20) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as connection,
        ):
            connection.sendall(POST + FIRST)
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
