"""``/readyz`` of a running service: what is not there while signatures would need it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.hsm.children import children_of
from tests.integration.running import Installation, initialise, running

PATIENCE = 60.0
SETTINGS = {"SERVER_WORKERS": "2", "READINESS_INTERVAL": "0.5", "SIGNING_TIMEOUT": "1"}


def until(installation: Installation, wanted: Callable[[int, dict[str, str | None]], bool]) -> None:
    """Wait until the status and the codes of the conditions are as wanted."""
    begun, found = time.monotonic(), None
    while time.monotonic() - begun < PATIENCE:
        with installation.http() as http:
            answer = http.get("/readyz")
        found = (answer.status_code, {item["name"]: item["code"] for item in answer.json().get("conditions", [])})
        if wanted(*found):
            return
        time.sleep(0.1)
    raise AssertionError(found)


def recorder_of(arbiter: int) -> int:
    """The process that records for all workers."""
    (found,) = (
        child
        for child in children_of(arbiter)
        if b"signer.recorder.main" in Path(f"/proc/{child}/cmdline").read_bytes()
    )
    return found


def test_a_recorder_that_hangs_is_told_and_its_successor_too(tmp_path: Path) -> None:
    installation = initialise(tmp_path / "installation")
    with running(installation, **SETTINGS) as process:
        until(installation, lambda status, codes: status == 200 and codes.get("recorder", "") is None)
        os.kill(recorder_of(process.pid), signal.SIGSTOP)
        until(installation, lambda status, codes: status == 503 and codes.get("recorder") == "recorder-unavailable")
        until(installation, lambda status, codes: status == 200 and codes.get("recorder", "") is None)
