"""A request that was read is answered by its deadline, whatever it waits for, and one thing after the other."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.artifacts import ArtifactBuilder, PayloadFile
from tests.hsm.children import children_of, wait_until
from tests.integration.running import Installation, initialise, running

SECONDS = 3.0
# Until the token goes on; what follows it would be over SECONDS together.
TOKEN_SECONDS = 2.0
# What a busy machine may add. Without the deadline the first row takes TOO_LONG.
SLACK = 6.0
TOO_LONG = 20.0
SETTINGS = {
    "SERVER_WORKERS": "1",
    "SERVER_REQUEST_TIMEOUT": str(SECONDS),
    "SIGNING_TIMEOUT": str(TOO_LONG),
    "DATABASE_TIMEOUT": str(TOO_LONG),
    # Nobody looks at the token meanwhile and finds it out.
    "READINESS_INTERVAL": "600",
}
SIGN = "/v1/keys/artifacts/signatures"


def ask(installation: Installation, name: str) -> tuple[httpx.Response, float]:
    """Ask for a signature; the answer, and how long it took."""
    manifest = ArtifactBuilder(files=(PayloadFile(name="f", content=name.encode()),)).manifest()
    with installation.http() as http:
        begun = time.monotonic()
        return http.post(SIGN, content=manifest), time.monotonic() - begun


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    """Processes that do nothing until the end of the block."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """A database that nobody else can write to."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=TOO_LONG)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, list[int]]]:
    """A service that has signed, and its workers' token processes."""
    installation = initialise(tmp_path_factory.mktemp("deadline") / "installation")
    with running(installation, **SETTINGS) as process:
        made = installation.run("keys", "create", "artifacts", "--algorithm", "ecdsa-p256")
        assert made.returncode == 0, made.stderr
        answer, _ = ask(installation, "first")
        assert answer.status_code == 200, answer.text
        wait_until(lambda: len(tokens_of(process.pid)) == 1)
        yield installation, tokens_of(process.pid)


def tokens_of(arbiter: int) -> list[int]:
    """The token processes of its workers; the kernel may leave one out of the list while others come or go."""
    workers = [
        child for child in children_of(arbiter) if b"signer.recorder" not in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
    return [token for worker in workers for token in children_of(worker)]


def refused_in_time(asked: Future[tuple[httpx.Response, float]]) -> None:
    answer, took = asked.result(2 * TOO_LONG)
    assert (answer.status_code, answer.json().get("code")) == (503, "service-busy"), answer.text
    assert "retry-after" in answer.headers
    assert SECONDS - 0.5 < took < SECONDS + SLACK


def test_a_token_that_hangs(scene: tuple[Installation, list[int]]) -> None:
    installation, tokens = scene
    with ThreadPoolExecutor(1) as threads, stopped(tokens):
        refused_in_time(threads.submit(ask, installation, "hangs"))
    assert ask(installation, "and goes on")[0].status_code == 200


def test_a_token_that_hangs_and_then_a_database_that_is_locked(scene: tuple[Installation, list[int]]) -> None:
    installation, tokens = scene
    with ThreadPoolExecutor(1) as threads, locked(installation.directory / "artifact-signer.sqlite"):
        with stopped(tokens):
            asked = threads.submit(ask, installation, "both")
            with pytest.raises(TimeoutError):
                asked.result(TOKEN_SECONDS)
        refused_in_time(asked)
    assert ask(installation, "both are there again")[0].status_code == 200
