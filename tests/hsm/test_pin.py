"""The way of the PIN: where it may come from, where it never is, and how often it is tried."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hsm import PinSource, TokenState
from hsm.config import MAX_PIN_FILE
from hsm.errors import ConfigurationError, PinAtRisk, PinLocked, PinRejected, TokenError, TokenUnavailable
from hsm.parent.pin_source import SEALS, sealed_pin_source
from hsm.parent.supervisor import Supervisor
from tests.hsm.children import only_root_sees, wait_until
from tests.hsm.conftest import READY_SECONDS, OpenPool, make_key
from tests.hsm.shim import Shim
from tests.hsm.softhsm import PIN, SoftHsm
from tests.support.rows import slow_but

WRONG = "wrong battery 5678"


def pipe_with(content: bytes) -> int:
    """The reading end of a pipe that holds ``content`` and nothing more to come."""
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    return reading


def test_a_pin_from_a_pipe_opens_the_token_again_and_again(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    source = sealed_pin_source(PinSource(fd=pipe_with(PIN.encode() + b"\n")), clock=time.monotonic)
    config = softhsm.with_(pin=source)
    pool = open_pool(config)
    key = make_key(pool)
    first = pool.health()[0].pid
    assert first is not None
    os.kill(first, 9)
    assert pool.sign(key, b"after a restart")
    assert pool.health()[0].pid != first
    other = open_pool(config)
    assert other.sign(key, b"from another pool")
    assert source.fd is not None
    os.close(source.fd)


def test_the_memory_that_holds_a_pin_from_a_pipe_is_sealed() -> None:
    source = sealed_pin_source(PinSource(fd=pipe_with(b"1234")), clock=time.monotonic)
    assert source.fd is not None
    assert fcntl.fcntl(source.fd, fcntl.F_GET_SEALS) == SEALS
    assert not os.get_inheritable(source.fd)
    with pytest.raises(PermissionError):
        os.write(source.fd, b"5678")
    os.close(source.fd)


def test_a_pin_from_a_file_descriptor(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    with softhsm.pin_file.open("rb") as opened:
        assert make_key(open_pool(softhsm.with_(pin=PinSource(fd=opened.fileno()))))


@only_root_sees
def test_a_pin_from_an_environment_variable(
    softhsm: SoftHsm, open_pool: OpenPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_PIN_OF_THE_TEST", PIN)
    pool = open_pool(softhsm.with_(pin=PinSource(env="THE_PIN_OF_THE_TEST")))
    pid = pool.health()[0].pid
    assert PIN.encode() not in Path(f"/proc/{pid}/environ").read_bytes()


def closed_descriptor() -> int:
    """A number that no open file has."""
    reading, writing = os.pipe()
    os.close(reading)
    os.close(writing)
    return reading


REFUSED_SOURCES: dict[str, Callable[[], PinSource]] = {
    "a descriptor that is closed": lambda: PinSource(fd=closed_descriptor()),
    "a descriptor of a directory": lambda: PinSource(fd=os.open("/", os.O_RDONLY)),
    "a pipe that holds a novel": lambda: PinSource(fd=pipe_with(b"x" * (MAX_PIN_FILE + 1))),
    "a variable that is not set": lambda: PinSource(env="NO_SUCH_VARIABLE_OF_THE_TEST"),
}


@pytest.mark.parametrize("row", REFUSED_SOURCES)
def test_refused_sources(softhsm: SoftHsm, open_pool: OpenPool, row: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        open_pool(softhsm.with_(pin=REFUSED_SOURCES[row]()))
    assert refused.value.setting == "pin"


def test_a_pipe_that_nobody_closes_is_not_waited_for_long() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"1234")
    readings = iter(range(0, 10_000, 5))
    with pytest.raises(ConfigurationError):
        sealed_pin_source(PinSource(fd=reading), clock=lambda: float(next(readings)))
    os.close(reading)
    os.close(writing)


CONTENTS = {
    "no PIN": b"",
    "an empty line": b"\n",
    "two lines": b"12\n34\n",
    "bytes that are not UTF-8": b"\xff\xfe",
    "a NUL": b"12\x0034",
    "256 bytes": b"1" * 256,
}


@pytest.mark.parametrize("row", slow_but({"no PIN", "two lines"}, CONTENTS))
def test_a_file_that_holds_no_pin_costs_no_attempt(shim: Shim, open_pool: OpenPool, row: str) -> None:
    shim.hsm.pin_file.write_bytes(CONTENTS[row])
    pool = open_pool(shim.hsm.config, ready=None)
    with pytest.raises(TokenUnavailable) as refused:
        pool.require_ready("demo", timeout=2)
    assert refused.value.reason == ConfigurationError.code
    assert shim.logins == 0


@pytest.mark.parametrize("made", [Path.unlink, lambda path: (path.unlink(), os.mkfifo(path))], ids=["missing", "fifo"])
def test_what_is_no_file_costs_no_attempt_and_no_wait(
    shim: Shim, open_pool: OpenPool, made: Callable[[Path], object]
) -> None:
    made(shim.hsm.pin_file)
    pool = open_pool(shim.hsm.config, ready=None)
    with pytest.raises(TokenUnavailable) as refused:
        pool.require_ready("demo", timeout=2)
    assert refused.value.reason == ConfigurationError.code
    assert shim.logins == 0


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"], ids=["bare", "newline", "windows"])
def test_one_line_end_is_not_part_of_the_pin(softhsm: SoftHsm, open_pool: OpenPool, ending: bytes) -> None:
    softhsm.pin_file.write_bytes(PIN.encode() + ending)
    open_pool(softhsm.config)


def test_a_wrong_pin_is_tried_once_and_said_in_every_answer(shim: Shim, open_pool: OpenPool) -> None:
    key = make_key(open_pool(shim.hsm.config))
    before = shim.logins
    shim.hsm.pin_file.write_text(WRONG)
    pool = open_pool(shim.hsm.config, ready=False)
    for _ in range(3):
        with pytest.raises(PinRejected) as refused:
            pool.sign(key, b"")
        assert refused.value.retry_after is None
    assert pool.health()[0].state is TokenState.REFUSED
    assert pool.health()[0].last_error == "token-pin-rejected"
    assert shim.logins == before + 1


def test_eight_starters_with_a_wrong_pin_spend_one_attempt(shim: Shim, open_pool: OpenPool) -> None:
    shim.hsm.pin_file.write_text(WRONG)
    pools = [open_pool(shim.hsm.config, ready=None) for _ in range(8)]
    for pool in pools:
        with pytest.raises(PinRejected):
            pool.require_ready("demo", timeout=30)
    assert shim.logins == 1


def test_a_later_start_with_the_same_wrong_pin_spends_nothing(shim: Shim, open_pool: OpenPool) -> None:
    shim.hsm.pin_file.write_text(WRONG)
    open_pool(shim.hsm.config, ready=False)
    open_pool(shim.hsm.config, ready=False)
    assert shim.logins == 1


def test_a_corrected_file_opens_the_token_without_a_restart(shim: Shim, open_pool: OpenPool) -> None:
    shim.hsm.pin_file.write_text(WRONG)
    pool = open_pool(shim.hsm.config, ready=False)
    shim.hsm.pin_file.write_text(PIN)
    started = time.monotonic()
    while pool.health()[0].state is TokenState.REFUSED and time.monotonic() - started < 10:
        pool.wait_ready(0.05)
    pool.require_ready("demo", timeout=10)
    assert shim.logins == 2
    locks = shim.hsm.config.lock_directory
    assert locks is not None
    assert list(locks.glob("*.refused")) == []


def test_a_pin_that_comes_while_another_is_being_refused_opens_the_token(
    shim: Shim, open_pool: OpenPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_life = Supervisor._one_life
    shim.hsm.pin_file.write_text(WRONG)

    def corrected_meanwhile(supervisor: Supervisor) -> object:
        ended = one_life(supervisor)
        shim.hsm.pin_file.write_text(PIN)
        return ended

    monkeypatch.setattr(Supervisor, "_one_life", corrected_meanwhile)
    pool = open_pool(shim.hsm.config, ready=None)
    wait_until(lambda: pool.health()[0].restarts == 1)
    assert pool.wait_ready(READY_SECONDS)
    assert shim.logins == 2


def test_another_wrong_pin_is_tried_once_too(shim: Shim, open_pool: OpenPool) -> None:
    shim.hsm.pin_file.write_text(WRONG)
    open_pool(shim.hsm.config, ready=False)
    shim.hsm.pin_file.write_text(WRONG + "!")
    open_pool(shim.hsm.config, ready=False)
    assert shim.logins == 2


def test_the_same_wrong_variable_in_one_server_is_tried_once(
    shim: Shim, open_pool: OpenPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_PIN_OF_THE_TEST", WRONG)
    config = shim.hsm.with_(pin=PinSource(env="THE_PIN_OF_THE_TEST"))
    for _ in range(3):
        open_pool(config, ready=False)
    assert shim.logins == 1


FLAGS: dict[str, tuple[int, type[TokenError]]] = {
    "a locked PIN is not tried": (0x40000, PinLocked),
    "the last attempt is left to a person": (0x20000, PinAtRisk),
}


@pytest.mark.parametrize("row", FLAGS)
def test_what_the_token_says_of_its_pin_is_believed(shim: Shim, open_pool: OpenPool, row: str) -> None:
    flags, expected = FLAGS[row]
    shim.say(f"C_GetTokenInfo flags {flags:#x}")
    pool = open_pool(shim.hsm.config, ready=False)
    with pytest.raises(expected):
        pool.require_ready("demo")
    assert shim.logins == 0
    described = pool.describe("demo")
    assert described.user_pin_locked or described.user_pin_final_try


def test_a_pin_refused_before_is_still_tried(shim: Shim, open_pool: OpenPool) -> None:
    shim.say("C_GetTokenInfo flags 0x10000")
    assert make_key(open_pool(shim.hsm.config))


REFUSALS = {
    "CKR_PIN_INCORRECT": (0xA0, PinRejected),
    "CKR_PIN_INVALID": (0xA1, PinRejected),
    "CKR_PIN_LEN_RANGE": (0xA2, PinRejected),
    "CKR_PIN_EXPIRED": (0xA3, PinRejected),
    "CKR_PIN_LOCKED": (0xA4, PinLocked),
}


@pytest.mark.parametrize("row", REFUSALS)
def test_what_a_login_may_answer(shim: Shim, open_pool: OpenPool, row: str) -> None:
    value, expected = REFUSALS[row]
    shim.say(f"C_Login return {value:#x}")
    pool = open_pool(shim.hsm.config, ready=False)
    with pytest.raises(expected):
        pool.require_ready("demo")
    assert shim.logins == 1
