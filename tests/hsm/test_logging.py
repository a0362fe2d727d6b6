"""What an operator reads of a token: one line for each change, with the reason; nothing alarming of a normal start."""

from __future__ import annotations

import logging
import re
import time
from pathlib import Path

import pytest

from tests.hsm.children import wait_until
from tests.hsm.conftest import OpenPool
from tests.hsm.shim import Shim
from tests.hsm.softhsm import SoftHsm

FAILED = re.compile(r"token demo failed at attempt (\d+): ([\w, -]+); next try in ([\d.]+) s")


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="hsm")
    return caplog


def told(lines: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Level and text of each line of the token layer."""
    return [(record.levelname, record.getMessage()) for record in lines.records if record.name == "hsm"]


def test_a_normal_start_and_end_is_two_lines(
    softhsm: SoftHsm, open_pool: OpenPool, lines: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    pool = open_pool(softhsm.config)
    pid = pool.health()[0].pid
    pool.close()
    assert told(lines) == [
        ("INFO", f"token demo is ready: process {pid}, attempt 1"),
        ("INFO", "token demo is closed"),
    ]
    assert capfd.readouterr().err == ""


def test_a_failure_is_named_once_with_its_reason_and_the_next_try(
    shim: Shim, open_pool: OpenPool, lines: pytest.LogCaptureFixture
) -> None:
    shim.say("C_Initialize return 0x30")
    pool = open_pool(shim.hsm.config, ready=None)
    wait_until(lambda: pool.health()[0].restarts >= 3)
    shim.say()
    assert pool.wait_ready(10)
    *failures, (level, ready) = told(lines)
    assert (level, ready.partition(":")[0]) == ("INFO", "token demo is ready")
    assert [level for level, _ in failures] == ["WARNING", *["INFO"] * (len(failures) - 1)]
    for attempt, (_, text) in enumerate(failures, 1):
        matched = FAILED.fullmatch(text)
        assert matched, text
        assert matched.groups()[:2] == (str(attempt), "token-unavailable, reason C_Initialize 0x30")
        assert float(matched[3]) < 1


def test_another_failure_is_named_again(shim: Shim, open_pool: OpenPool, lines: pytest.LogCaptureFixture) -> None:
    shim.say("C_Initialize return 0x30")
    pool = open_pool(shim.hsm.config, ready=None)
    wait_until(lambda: bool(told(lines)))
    shim.say("C_Login return 0x102")
    wait_until(lambda: "UserPinNotInitialized" in (pool.health()[0].reason or ""))
    warnings = [text for level, text in told(lines) if level == "WARNING"]
    assert [FAILED.fullmatch(text)[2] for text in warnings] == [  # type: ignore[index]
        "token-unavailable, reason C_Initialize 0x30",
        "token-unavailable, reason UserPinNotInitialized",
    ]


def test_a_refused_pin_is_an_error_that_holds_no_pin(
    softhsm: SoftHsm, open_pool: OpenPool, lines: pytest.LogCaptureFixture
) -> None:
    softhsm.pin_file.write_text("wrong battery")
    open_pool(softhsm.config, ready=False)
    ((level, text),) = told(lines)
    assert level == "ERROR"
    assert text == (
        "token demo failed at attempt 1: token-pin-rejected, reason PinIncorrect; "
        "not tried again before its PIN's source changes"
    )
    assert "battery" not in text


def test_the_reason_is_in_the_state_too(softhsm: SoftHsm, open_pool: OpenPool, tmp_path: Path) -> None:
    pool = open_pool(softhsm.with_(environment={"SOFTHSM2_CONF": str(tmp_path / "missing")}), ready=None)
    deadline = time.monotonic() + 10
    while pool.health()[0].last_error is None and time.monotonic() < deadline:
        pool.wait_ready(0.05)
    health = pool.health()[0]
    assert (health.last_error, health.reason) in {
        ("token-not-found", "no slot holds it"),
        ("token-unavailable", "C_Initialize 0x5"),
    }
