"""``/readyz`` of a running service: what is not there while signatures would need it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.hsm.children import children_of
from tests.integration.running import Installation, initialise, running, start, stop, wait_until

pytestmark = pytest.mark.slow

PATIENCE = 60.0
SETTINGS = {"SERVER_WORKERS": "2", "READINESS_INTERVAL": "0.5", "SIGNING_TIMEOUT": "1"}


Look = Callable[[int, dict[str, Any]], bool]


def until(installation: Installation, wanted: Look, *, never: Look = lambda _status, _recorder: False) -> None:
    """Wait until the status and the recorder's condition are as wanted; they may not be as ``never`` says meanwhile."""
    begun, found = time.monotonic(), None
    while time.monotonic() - begun < PATIENCE:
        with installation.http() as http:
            answer = http.get("/readyz")
        conditions = {item["name"]: item for item in answer.json().get("conditions", [])}
        found = (answer.status_code, conditions.get("recorder", {}))
        if wanted(*found):
            return
        assert not never(*found), found
        time.sleep(0.05)
    raise AssertionError(found)


def recorder_of(arbiter: int) -> int | None:
    """The process that records for all workers; None between two."""
    for child in children_of(arbiter):
        with suppress(OSError):
            if b"signer.recorder.main" in Path(f"/proc/{child}/cmdline").read_bytes():
                return child
    return None


def answers(status: int, recorder: dict[str, Any]) -> bool:
    return status == 200 and recorder.get("status") == "ok"


def test_a_recorder_that_hangs_is_told_and_its_successor_too(tmp_path: Path) -> None:
    installation = initialise(tmp_path / "installation")
    with running(installation, **SETTINGS) as process:
        until(installation, answers)
        hung, stopped = recorder_of(process.pid), datetime.now(UTC)
        assert hung is not None
        os.kill(hung, signal.SIGSTOP)

        def found(status: int, recorder: dict[str, Any]) -> bool:
            """By a round since then: before, a worker may still tell what another found while the service started."""
            told = status == 503 and recorder.get("code") == "recorder-unavailable"
            return told and datetime.fromisoformat(recorder["since"]) >= stopped

        until(installation, found)
        until(installation, lambda status, _recorder: recorder_of(process.pid) not in (None, hung), never=answers)
        until(installation, answers)
        assert recorder_of(process.pid) not in (None, hung)


def test_a_recorder_that_hangs_at_the_end_is_not_left_behind(tmp_path: Path) -> None:
    installation = initialise(tmp_path / "installation")
    process = start(installation, **SETTINGS)
    wait_until(installation, "/readyz", 200, process)
    hung = recorder_of(process.pid)
    assert hung is not None
    os.kill(hung, signal.SIGSTOP)
    try:
        assert stop(process) == 0
        assert not Path(f"/proc/{hung}").exists()
    finally:
        with suppress(ProcessLookupError):
            os.kill(hung, signal.SIGKILL)
    with running(installation, **SETTINGS) as successor:
        wait_until(installation, "/readyz", 200, successor)
