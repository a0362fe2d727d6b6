"""Several tokens: requests are spread, fail over, and come back to a token that is healthy again."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hsm import Algorithm, PinnedKey, TokenPool, TokenState
from hsm.errors import (
    AlgorithmUnsupported,
    KeyHalvesDiffer,
    KeyMismatch,
    KeyNotFound,
    TokenUnavailable,
)
from hsm.parent.status import LACKING_FOR
from hsm.protocol.signing import MAX_MESSAGE
from tests.hsm.children import ended, wait_until
from tests.hsm.conftest import OpenPool, make_key
from tests.hsm.load import GRACE, Load
from tests.hsm.shim import Shim
from tests.hsm.softhsm import SoftHsm, make_softhsm
from tests.hsm.twins import Twins
from tests.support.rows import slow_but

DEADLINE = 3.0


def test_requests_are_spread_over_both(twins: Twins) -> None:
    before = twins.first.signed()
    for _ in range(20):
        twins.pool.sign(twins.key, b"")
    assert (twins.first.signed() - before, twins.second.signed()) == (10, 10)


def test_a_busy_token_gets_nothing_more_to_do(twins: Twins) -> None:
    twins.first.say("C_Sign hold")
    before = twins.first.signed()
    waiting = threading.Thread(target=lambda: twins.pool.sign(twins.key, b"", tokens=["demo"], timeout=5))
    waiting.start()
    wait_until(lambda: twins.first.signed() > before)
    for _ in range(10):
        twins.pool.sign(twins.key, b"")
    assert (twins.first.signed() - before, twins.second.signed()) == (1, 10)
    twins.first.say()
    waiting.join(10)
    assert not waiting.is_alive()


def test_a_refusal_of_one_token_is_made_good_by_the_other(twins: Twins) -> None:
    pool, key, shim = twins.pool, twins.key, twins.first
    shim.say("C_Sign return 0x70")  # a refusal that does not count as a failure of the token
    with pytest.raises(AlgorithmUnsupported):
        pool.sign(key, b"", tokens=["demo"])
    assert len([pool.sign(key, b"") for _ in range(10)]) == 10


def test_a_request_for_one_token_stays_there(twins: Twins) -> None:
    pool, key, shim = twins.pool, twins.key, twins.first
    shim.say("C_Sign abort")
    assert pool.sign(key, b"", tokens=["second"])
    with pytest.raises(TokenUnavailable) as refused:
        pool.sign(key, b"", tokens=["demo"])
    assert refused.value.token == "demo"


FAILURES = {
    "a token that crashes": "C_Sign abort",
    "a token that hangs": "C_Sign block",
    "a token that is lost": "C_Sign return 0x30",
}


@pytest.mark.parametrize("row", slow_but({"a token that crashes"}, FAILURES))
def test_the_other_token_signs_meanwhile(twins: Twins, row: str) -> None:
    pool, key, shim = twins.pool, twins.key, twins.first
    with Load(pool, key, timeout=DEADLINE) as load:
        shim.say(FAILURES[row])
        started = time.monotonic()
        while pool.health()[0].state is TokenState.READY and time.monotonic() - started < DEADLINE:
            load.wait_signature()
        broken = pool.health()[0]
        assert broken.state is not TokenState.READY
        for _ in range(20):
            load.wait_signature()
        shim.say()
        assert pool.wait_ready(10)
    assert load.codes() == {None}
    assert load.longest < DEADLINE + GRACE
    assert [health.state for health in pool.health()] == [TokenState.READY, TokenState.READY]


def test_a_token_that_is_back_is_used_again(twins: Twins) -> None:
    pool, key = twins.pool, twins.key
    first, second = (health.pid for health in pool.health())
    assert first is not None
    assert second is not None
    os.kill(first, signal.SIGKILL)
    assert ended(first)
    assert pool.sign(key, b"by the second")
    assert pool.wait_ready(10)
    os.kill(second, signal.SIGKILL)
    assert ended(second)
    assert pool.sign(key, b"by the first")


def test_a_key_of_one_token_is_found_there(softhsm: SoftHsm, open_pool: OpenPool, tmp_path: Path) -> None:
    other = make_softhsm(tmp_path, label="other")
    pool = open_pool(softhsm.config, other.config)
    key = make_key(pool, token="other")
    for _ in range(10):
        assert pool.sign(key, b"")
    assert (pool.has_key("demo", key), pool.has_key("other", key)) == (False, True)


def test_a_token_that_lacks_the_key_is_not_asked_again_for_a_while(
    shim: Shim, softhsm_beside: SoftHsm, open_pool: OpenPool
) -> None:
    later = 0.0
    pool = open_pool(shim.hsm.config, softhsm_beside.config, clock=lambda: time.monotonic() + later)
    key = make_key(pool, token="beside")
    for _ in range(2):  # whichever is asked first, both have been
        assert pool.sign(key, b"")
    searched = shim.searched()
    for _ in range(10):
        assert pool.sign(key, b"")
    assert shim.searched() == searched
    later = LACKING_FOR + 1
    for _ in range(2):
        assert pool.sign(key, b"")
    assert shim.searched() > searched


NEWS: dict[str, Callable[[TokenPool, PinnedKey], object]] = {
    "another key is made": lambda pool, _: make_key(pool, key_id=b"another", label="another"),
    "somebody looks, and it is there": lambda pool, key: pool.has_key("beside", key),
}


@pytest.mark.parametrize("sentence", NEWS)
def test_a_key_that_was_made_meanwhile_is_looked_for_again(
    shim: Shim, softhsm_beside: SoftHsm, open_pool: OpenPool, sentence: str
) -> None:
    pool = open_pool(shim.hsm.config, softhsm_beside.config)
    key = make_key(pool, token="beside")
    for _ in range(2):
        assert pool.sign(key, b"")
    NEWS[sentence](pool, key)
    searched = shim.searched()
    for _ in range(2):
        assert pool.sign(key, b"")
    assert shim.searched() > searched


@pytest.fixture
def softhsm_beside(tmp_path: Path) -> SoftHsm:
    """Another token, with other keys."""
    return make_softhsm(tmp_path, label="beside")


def test_a_key_of_no_token_is_not_found(softhsm: SoftHsm, open_pool: OpenPool, tmp_path: Path) -> None:
    pool = open_pool(softhsm.config, make_softhsm(tmp_path, label="other").config)
    key = make_key(pool)
    pool.destroy("demo", key.key_id)
    for _ in range(3):
        with pytest.raises(KeyNotFound):
            pool.sign(key, b"")


def test_a_key_that_may_be_in_a_token_that_is_away_is_not_called_missing(
    softhsm: SoftHsm, open_pool: OpenPool, tmp_path: Path
) -> None:
    pool = open_pool(softhsm.config, make_softhsm(tmp_path, label="other").config)
    key = make_key(pool)
    softhsm.store.rename(softhsm.store.with_name("away"))
    started = time.monotonic()
    while time.monotonic() - started < 10:
        with pytest.raises((TokenUnavailable, KeyNotFound)) as refused:
            pool.sign(key, b"")
        if isinstance(refused.value, TokenUnavailable):
            break
    assert refused.value.retry_after is not None
    assert pool.has_key("demo", key) is None


def test_another_key_in_one_of_the_tokens_stops_the_request(
    softhsm: SoftHsm, open_pool: OpenPool, tmp_path: Path
) -> None:
    other = make_softhsm(tmp_path, label="other")
    pool = open_pool(softhsm.config, other.config)
    key = make_key(pool)
    make_key(pool, token="other")
    outcomes = set()
    for _ in range(10):
        try:
            outcomes.add(len(pool.sign(key, b"")))
        except KeyMismatch as error:
            outcomes.add(error.token)
    assert outcomes == {64, "other"}


def test_halves_that_do_not_belong_together_are_not_adopted(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    pool = open_pool(softhsm.config)
    make_key(pool, key_id=b"\1", label="one")
    make_key(pool, key_id=b"\2", label="two")
    with swapped_public_halves(softhsm):
        other = open_pool(softhsm.config)
        with pytest.raises(KeyHalvesDiffer):
            other.find_key("demo", key_id=b"\1")
        assert {found.key_id for found in other.find_keys("demo")} == {b"\1", b"\2"}


@contextmanager
def swapped_public_halves(softhsm: SoftHsm) -> Iterator[None]:
    """Give the public half of each of two pairs the identifier of the other, in the files of SoftHSM."""
    files = [path for path in softhsm.store.rglob("*.object") if path.name != "token.object"]
    # CKA_CLASS is stored as its number, its kind (2: an unsigned long) and the value: 2 is a public key.
    public = [path for path in files if (b"\0" * 15 + b"\2" + b"\0" * 7 + b"\2") in path.read_bytes()]
    assert len(public) == 2
    for path in public:
        content = path.read_bytes()
        one, two = (b"\0\0\0\0\0\0\0\1" + number for number in (b"\1", b"\2"))
        marker = (0x102).to_bytes(8, "big") + (3).to_bytes(8, "big")
        position = content.index(marker) + len(marker)
        current = content[position : position + 9]
        assert current in (one, two)
        path.write_bytes(content[:position] + (two if current == one else one) + content[position + 9 :])
    yield


MECHANISMS = {
    "RSA without raw signatures sees the message": (0x1, Algorithm.RSA_2048),
    "RSA without hashing gets the digest": (0x40, Algorithm.RSA_2048),
}


@pytest.mark.parametrize("row", MECHANISMS)
def test_the_mechanism_is_one_that_the_token_offers(shim: Shim, open_pool: OpenPool, row: str) -> None:
    hidden, algorithm = MECHANISMS[row]
    shim.say(f"C_GetMechanismList hide {hidden:#x}")
    pool = open_pool(shim.hsm.config)
    key = make_key(pool, algorithm=algorithm)
    assert pool.sign(key, b"message")
    if hidden == 0x1:
        with pytest.raises(AlgorithmUnsupported):
            pool.sign_digest(key, bytes(32))
        with pytest.raises(AlgorithmUnsupported):
            pool.sign(key, bytes(MAX_MESSAGE + 1))
    else:
        assert pool.sign_digest(key, bytes(32))


def test_a_token_without_a_mechanism_says_so(shim: Shim, open_pool: OpenPool) -> None:
    key = make_key(open_pool(shim.hsm.config))
    shim.say("C_GetMechanismList hide 0x1041")
    with pytest.raises(AlgorithmUnsupported) as refused:
        open_pool(shim.hsm.config).sign(key, b"")
    assert refused.value.algorithm == "ecdsa-p256"


def test_ed25519_signs_64_kib_and_no_more(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    pool = open_pool(softhsm.config)
    key = make_key(pool, algorithm=Algorithm.ED25519)
    assert pool.sign(key, bytes(MAX_MESSAGE))
    with pytest.raises(AlgorithmUnsupported):
        pool.sign(key, bytes(MAX_MESSAGE + 1))
    with pytest.raises(AlgorithmUnsupported):
        pool.sign_digest(key, bytes(32))


def test_many_threads_share_few_sessions(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    pool = open_pool(softhsm.with_(sessions=2))
    keys = [make_key(pool, key_id=bytes([number]), label=str(number)) for number in range(1, 6)]
    wrong: list[Exception] = []

    def work(key: PinnedKey) -> None:
        try:
            for number in range(50):
                pool.sign(key, str(number).encode())
        except Exception as error:  # noqa: BLE001  (whatever it is, the test fails)
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(key,)) for key in keys * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []
    assert not any(thread.is_alive() for thread in threads)


def test_keys_are_made_while_others_sign(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    pool = open_pool(softhsm.config)
    with Load(pool, make_key(pool), timeout=DEADLINE) as load:
        for number in range(2, 8):
            make_key(pool, key_id=bytes([number]), label=str(number))
            pool.destroy("demo", bytes([number]))
    assert load.codes() == {None}


def test_many_keys_are_listed(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    pool = open_pool(softhsm.config, timeout=60)
    for number in range(50):
        make_key(pool, key_id=number.to_bytes(2, "big"), label=str(number))
    found = pool.find_keys("demo")
    assert {key.label for key in found} == {str(number) for number in range(50)}
