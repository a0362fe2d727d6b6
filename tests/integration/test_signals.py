"""What signals do to a running service, as docs/operations/running.md says, and that nothing outlives its arbiter."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from gunicorn.arbiter import Arbiter

from tests.docs.pages import quoted, section
from tests.hsm.children import children_of, ended, wait_until
from tests.integration import running
from tests.integration.running import Installation
from tests.integration.test_processes import workers_of
from tests.support.rows import slow_but

ROWS = {
    name: row["effect"]
    for row in section("operations/running.md", "Run").table("signal").records()
    for name in quoted(row["signal"])
}
BUSY = "a service that waits for the rest of a request"
NOTHING = [name for name, effect in ROWS.items() if effect == "nothing"]
REFUSED = "the certificate stays as it was"


def descendants(pid: int) -> list[int]:
    """Workers, the recorder, the processes of tokens."""
    found = [pid]
    for parent in found:
        found += children_of(parent)
    return found[1:]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return running.initialise(tmp_path_factory.mktemp("signals") / "installation")


@pytest.fixture(scope="module")
def service(installation: Installation) -> Iterator[subprocess.Popen[bytes]]:
    """With a certificate that it cannot take again, so that each HUP leaves a line in the log."""
    certificate = installation.directory / "served.crt"
    certificate.write_bytes((installation.directory / "cert.crt").read_bytes())
    with running.running(installation, SERVER_WORKERS="1", SERVER_CERTIFICATE=str(certificate)) as process:
        certificate.write_text("no certificate")
        yield process


def deal_with_signals(installation: Installation, process: subprocess.Popen[bytes]) -> None:
    """Return when the arbiter has dealt with every signal that it was sent."""
    # Signals that are pending together are taken by number: what the first HUP overtook comes before the second.
    for _ in range(2):
        read = installation.log.read_text().count(REFUSED)
        process.send_signal(signal.SIGHUP)
        wait_until(lambda read=read: installation.log.read_text().count(REFUSED) > read)  # type: ignore[misc]


def test_every_signal_that_the_server_handles_is_documented() -> None:
    assert {f"SIG{name}" for name in ROWS} == {number.name for number in Arbiter.SIGNALS}
    assert set(NOTHING) == {"USR1", "USR2", "TTIN", "TTOU", "WINCH"}


@pytest.mark.parametrize("name", NOTHING)
def test_a_signal_that_does_nothing_does_nothing(
    installation: Installation, service: subprocess.Popen[bytes], name: str
) -> None:
    before = descendants(service.pid)
    for pid in (service.pid, *workers_of(service)):
        os.kill(pid, signal.Signals[f"SIG{name}"])
    deal_with_signals(installation, service)

    running.wait_until(installation, "/readyz", 200, service)
    assert descendants(service.pid) == before


@pytest.mark.parametrize("victim", slow_but(set(), ("a service that is idle", BUSY)))
def test_nothing_outlives_its_arbiter_and_the_port_is_free(tmp_path: Path, victim: str) -> None:
    installation = running.initialise(tmp_path / "installation")
    process = running.start(installation, SERVER_WORKERS="2")
    try:
        running.wait_until(installation, "/readyz", 200, process)
        left = descendants(process.pid)
        with installation.connect() as waiting:
            if "rest of a request" in victim:
                waiting.sendall(b"GET /healthz HTTP/1.1\r\nHost: ")
            process.kill()
            process.wait(running.STOP_SECONDS)
            assert [pid for pid in left if not ended(pid)] == []
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", installation.port))
    finally:
        if process.poll() is None:
            running.stop(process)
    with running.running(installation, SERVER_WORKERS="2"):
        pass
