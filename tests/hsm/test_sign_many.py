"""Many signatures at once: each has an outcome of its own, in order, whatever becomes of the others."""

from __future__ import annotations

import hashlib
import os
import queue
import signal
import socket
import threading
import time
from collections.abc import Sequence

import pytest

from hsm import Algorithm, PinnedKey, SignRequest, TokenError, TokenPool
from hsm.errors import (
    AlgorithmUnsupported,
    DeadlineExceeded,
    KeyMismatch,
    KeyNotFound,
    SignatureMismatch,
    TokenNotFound,
    TokenUnavailable,
)
from hsm.parent.client import Exchange, TokenClient
from hsm.parent.jobs import Job
from hsm.protocol.messages import MAX_FRAME, Op, Status, parse_reply
from hsm.protocol.messages import request as packed_request
from hsm.protocol.signing import (
    MAX_MESSAGE,
    Batch,
    KeyReference,
    PayloadKind,
    pack_batch,
    pack_key,
    unpack_answers,
)
from hsm.worker.groups import FEW, MAX_GROUP, Groups
from hsm.worker.responder import Responder, _Work
from tests.hsm.children import ended, pid_of, wait_until
from tests.hsm.conftest import OpenPool, make_key
from tests.hsm.judging import verify
from tests.hsm.load import GRACE
from tests.hsm.shim import Shim
from tests.hsm.softhsm import SoftHsm
from tests.hsm.twins import Twins
from tests.support.rows import slow_but

TIMEOUT = 20.0


def requests(key: PinnedKey, count: int, *, tokens: tuple[str, ...] | None = None) -> list[SignRequest]:
    """So many requests that differ."""
    return [SignRequest(key, b"message %d" % number, tokens) for number in range(count)]


def all_verify(asked: Sequence[SignRequest], outcomes: Sequence[bytes | TokenError]) -> None:
    """Every request has the signature over its own message."""
    for request, outcome in zip(asked, outcomes, strict=True):
        verify(request, outcome)


@pytest.mark.parametrize("count", slow_but({0, 5, 257}, [0, 1, 4, 5, 256, 257, 600]))
def test_each_has_the_signature_over_its_own_message(softhsm: SoftHsm, open_pool: OpenPool, count: int) -> None:
    pool = open_pool(softhsm.config)
    asked = requests(make_key(pool), count)
    all_verify(asked, pool.sign_many(asked, timeout=TIMEOUT))
    assert pool.clients[0].load == 0


def test_keys_of_every_kind_travel_together(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    pool = open_pool(softhsm.config)
    kinds = [Algorithm.ECDSA_P256, Algorithm.RSA_2048, Algorithm.ED25519]
    keys = [make_key(pool, algorithm=kind, key_id=kind.encode(), label=kind) for kind in kinds]
    asked = [SignRequest(keys[number % 3], b"%d" % number) for number in range(60)]
    all_verify(asked, pool.sign_many(asked, timeout=TIMEOUT))


def test_messages_that_do_not_fit_together_go_one_after_the_other(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    pool = open_pool(softhsm.config)
    key = make_key(pool, algorithm=Algorithm.ED25519)
    asked = [SignRequest(key, bytes([number]) * MAX_MESSAGE) for number in range(5)]
    all_verify(asked, pool.sign_many(asked, timeout=TIMEOUT))
    assert pool.health()[0].restarts == 0


class TestOneOfMany:
    """What is wrong with one request is told to that one alone."""

    @pytest.fixture
    def pool(self, softhsm: SoftHsm, open_pool: OpenPool) -> TokenPool:
        return open_pool(softhsm.config)

    def only_the_third_fails(self, pool: TokenPool, key: PinnedKey, wrong: SignRequest) -> TokenError:
        asked = requests(key, 10)
        asked[2] = wrong
        outcomes = pool.sign_many(asked, timeout=TIMEOUT)
        all_verify(asked[:2] + asked[3:], outcomes[:2] + outcomes[3:])
        error = outcomes[2]
        assert isinstance(error, TokenError)
        return error

    def test_a_key_that_nobody_has(self, pool: TokenPool) -> None:
        key = make_key(pool)
        unknown = PinnedKey(key_id=b"nobody", algorithm=key.algorithm, spki=key.spki)
        error = self.only_the_third_fails(pool, key, SignRequest(unknown, b""))
        assert isinstance(error, KeyNotFound)
        assert (error.token, error.key_id) == ("demo", b"nobody".hex())

    def test_a_key_that_is_another_than_the_pinned_one(self, pool: TokenPool) -> None:
        key, other = make_key(pool), make_key(pool, key_id=b"\2", label="other")
        wrong = PinnedKey(key_id=key.key_id, algorithm=key.algorithm, spki=other.spki)
        error = self.only_the_third_fails(pool, key, SignRequest(wrong, b""))
        assert isinstance(error, KeyMismatch)
        assert (error.expected, error.actual) == (other.fingerprint, key.fingerprint)

    def test_a_message_that_is_too_long_for_its_kind(self, pool: TokenPool) -> None:
        edwards = make_key(pool, algorithm=Algorithm.ED25519, key_id=b"\2", label="edwards")
        error = self.only_the_third_fails(pool, make_key(pool), SignRequest(edwards, bytes(MAX_MESSAGE + 1)))
        assert isinstance(error, AlgorithmUnsupported)

    def test_a_token_that_is_not_configured(self, pool: TokenPool) -> None:
        key = make_key(pool)
        error = self.only_the_third_fails(pool, key, SignRequest(key, b"", ("elsewhere",)))
        assert isinstance(error, TokenNotFound)


def test_signatures_that_do_not_verify_never_leave(shim: Shim, open_pool: OpenPool) -> None:
    pool = open_pool(shim.hsm.config)
    key = make_key(pool)
    shim.say("C_Sign corrupt")
    outcomes = pool.sign_many(requests(key, 40), timeout=TIMEOUT)
    assert {type(outcome) for outcome in outcomes} == {SignatureMismatch}


def test_a_token_that_is_lost_amid_a_batch_is_reloaded_in_place(shim: Shim, open_pool: OpenPool) -> None:
    pool = open_pool(shim.hsm.config)
    asked = requests(make_key(pool), 100)
    pid, logins = pid_of(pool), shim.logins
    shim.say("C_Sign once 0x30")
    all_verify(asked, pool.sign_many(asked, timeout=TIMEOUT))
    assert (pid_of(pool), shim.logins) == (pid, logins + 1)


def test_a_process_that_is_killed_amid_batches_costs_no_signature(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    pool = open_pool(softhsm.config)
    asked = requests(make_key(pool, algorithm=Algorithm.RSA_2048), 200)
    pid = pid_of(pool)
    killer = threading.Timer(0.03, os.kill, (pid, signal.SIGKILL))
    killer.start()
    outcomes = pool.sign_many(asked, timeout=TIMEOUT)
    killer.join()
    assert ended(pid)
    all_verify(asked, outcomes)


def test_what_waited_for_the_next_process_travels_together(
    softhsm: SoftHsm, open_pool: OpenPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = open_pool(softhsm.config)
    asked = requests(make_key(pool), 100)
    counts: list[int] = []
    begin = TokenClient.begin

    def counted(client: TokenClient, body: bytes, count: int, *, deadline: float) -> Exchange:
        counts.append(count)
        return begin(client, body, count, deadline=deadline)

    monkeypatch.setattr(TokenClient, "begin", counted)
    os.kill(pid_of(pool), signal.SIGKILL)
    assert ended(pid_of(pool))
    all_verify(asked, pool.sign_many(asked, timeout=TIMEOUT))
    assert set(counts) == {100}


def test_a_module_that_hangs_amid_a_batch(shim: Shim, open_pool: OpenPool) -> None:
    pool = open_pool(shim.hsm.with_(sign_timeout=0.5))
    asked = requests(make_key(pool), 40)
    hung = pid_of(pool)
    shim.say("C_Sign block")
    started = time.monotonic()
    outcomes = pool.sign_many(asked, timeout=3.0)
    assert time.monotonic() - started < 3.0 + GRACE
    assert {type(outcome) for outcome in outcomes} <= {TokenUnavailable, DeadlineExceeded}
    assert ended(hung)
    shim.say()
    assert pool.wait_ready(10)
    all_verify(asked, pool.sign_many(asked, timeout=TIMEOUT))
    assert pool.clients[0].load == 0


def test_a_batch_ends_at_its_deadline_and_kills_nothing(shim: Shim, open_pool: OpenPool) -> None:
    pool = open_pool(shim.hsm.config)
    key, pid = make_key(pool), pid_of(pool)
    shim.say("C_Sign hold")
    started = time.monotonic()
    outcomes = pool.sign_many(requests(key, 40), timeout=0.3)
    assert time.monotonic() - started < 0.3 + GRACE
    assert {type(outcome) for outcome in outcomes} == {DeadlineExceeded}
    shim.say()
    asked = requests(key, 40)
    all_verify(asked, pool.sign_many(asked, timeout=TIMEOUT))
    assert pid_of(pool) == pid


def test_a_batch_is_spread_over_both_tokens(twins: Twins) -> None:
    before = twins.first.signed()
    asked = requests(twins.key, 100)
    all_verify(asked, twins.pool.sign_many(asked, timeout=TIMEOUT))
    assert (twins.first.signed() - before, twins.second.signed()) == (50, 50)


FAILURES = {
    "a token that crashes": "C_Sign abort",
    "a token that hangs": "C_Sign block",
    "a token that is lost": "C_Sign return 0x30",
    "a token that refuses": "C_Sign return 0x70",
}


@pytest.mark.parametrize("row", slow_but({"a token that hangs", "a token that refuses"}, FAILURES))
def test_the_other_token_signs_what_one_fails(twins: Twins, row: str) -> None:
    twins.first.say(FAILURES[row])
    asked = requests(twins.key, 100)
    all_verify(asked, twins.pool.sign_many(asked, timeout=TIMEOUT))


def test_a_batch_is_spread_over_the_sessions_of_a_process(shim: Shim, open_pool: OpenPool) -> None:
    pool = open_pool(shim.hsm.with_(sessions=3))
    asked = requests(make_key(pool), 100)
    before = shim.signed()
    shim.say("C_Sign hold")
    outcomes: list[bytes | TokenError] = []
    asking = threading.Thread(target=lambda: outcomes.extend(pool.sign_many(asked, timeout=TIMEOUT)))
    asking.start()
    wait_until(lambda: shim.signed() == before + 3)
    shim.say()
    asking.join(TIMEOUT)
    all_verify(asked, outcomes)


def test_channels_are_borrowed_in_the_order_of_configuration(twins: Twins) -> None:
    """Whatever the order of the requests: else two callers could wait for each other."""
    jobs = [
        job
        for token in ("second", "demo")
        if isinstance(job := twins.pool.job(SignRequest(twins.key, b"", (token,)), time.monotonic() + 10), Job)
    ]
    parcels, _ = twins.pool._runner._sorted_out(jobs)
    assert [parcel.client.config.name for parcel in parcels] == ["demo", "second"]


def test_two_callers_with_all_channels_in_use_end(twins: Twins) -> None:
    """Each holds a channel of one token and waits for one of the other, if the order of waiting is wrong."""
    asked = requests(twins.key, 20)
    wrong: list[object] = []

    def work() -> None:
        for _ in range(10):
            wrong.extend(item for item in twins.pool.sign_many(asked, timeout=TIMEOUT) if not isinstance(item, bytes))

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []


class HashingSigner:
    """Signs by hashing."""

    def sign(self, batch: Batch, numbers: range) -> tuple[list[tuple[int, bytes]], None]:
        return [(number, hashlib.sha256(batch.items[number][2]).digest()) for number in numbers], None


@pytest.mark.parametrize(
    ("algorithm", "fast", "most", "messages"),
    [
        (Algorithm.ECDSA_P256, False, FEW, 63),
        (Algorithm.ECDSA_P256, True, MAX_GROUP, 32),
        (Algorithm.ED25519, False, FEW, 63),
        (Algorithm.RSA_2048, True, 1, 250),
        (Algorithm.RSA_4096, False, 1, 250),
    ],
)
def test_answers_come_in_small_groups_slow_ones_one_by_one_and_the_last_one_says_so(
    algorithm: Algorithm, fast: bool, most: int, messages: int
) -> None:
    key = pack_key(KeyReference(algorithm, bytes(32), b"key"))
    batch = Batch((key,), tuple((0, PayloadKind.DIGEST, bytes([number])) for number in range(250)))
    seconds = iter(range(10_000))
    groups = Groups(lambda: 0.0 if fast else float(next(seconds)))
    groups.learn(batch, [(0, b"")], began=groups.clock())
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        work = _Work(HashingSigner(), groups, batch, theirs, 7)  # type: ignore[arg-type]
        threads = [threading.Thread(target=work.join) for _ in range(8)]
        for thread in threads:
            thread.start()
        seen: list[int] = []
        statuses = []
        while len(seen) < 250:
            reply = parse_reply(ours.recv(MAX_FRAME))
            group = unpack_answers(reply.body)
            assert reply.id == 7
            assert 1 <= len(group) <= most
            seen += [number for number, _ in group]
            statuses.append(reply.status)
        for thread in threads:
            thread.join(10)
    assert sorted(seen) == list(range(250))
    assert statuses == [Status.ITEM] * (messages - 1) + [Status.DONE]


@pytest.mark.parametrize("algorithm", [Algorithm.ECDSA_P256, Algorithm.RSA_3072])
def test_a_few_items_are_signed_by_the_thread_that_read_them(algorithm: Algorithm) -> None:
    responder = Responder(None, HashingSigner(), helpers=3, leave=lambda _: None, clock=time.monotonic)  # type: ignore[arg-type]
    responder._wanted = queue.SimpleQueue()  # where no helper looks
    key = pack_key(KeyReference(algorithm, bytes(32), b"key"))
    items = [(0, PayloadKind.DIGEST, bytes(32))] * FEW
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.send(packed_request(Op.SIGN, 1, pack_batch((key,), items)))
        ours.shutdown(socket.SHUT_WR)
        responder.serve(theirs)
    assert responder._wanted.empty()
