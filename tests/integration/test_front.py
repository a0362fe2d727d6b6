"""The front of a real service: shared among workers, renewed, stopped, killed, and short of descriptors."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.artifacts import ArtifactBuilder, Compression, PayloadFile
from tests.integration.running import (
    POLL_SECONDS,
    START_SECONDS,
    Installation,
    Pair,
    initialise,
    running,
    start,
    stop,
    wait_until,
)
from tests.integration.test_processes import MEMORY_MIB, peak_mib, workers_of
from tests.support.certificates import self_signed

MANIFEST = ArtifactBuilder().manifest()
TRIES = 30
CONNECTIONS = 8
# The worst of 30 tries; without taking turns, 8:0 comes about in most of them.
MOST_WITH_ONE_WORKER = 6
ESTABLISHED = "01"
# Two gibibytes, on a machine that does other things as well.
UPLOAD_SECONDS = 500.0


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return initialise(tmp_path / "installation")


def connections_of(worker: int, port: int) -> int:
    """How many connections to the port a process has open, as the system sees it."""
    sockets = set()
    for descriptor in Path(f"/proc/{worker}/fd").iterdir():
        try:
            sockets.add(str(descriptor.readlink()))
        except OSError:
            continue
    count = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        parts = line.split()
        count += parts[1].endswith(f":{port:04X}") and parts[3] == ESTABLISHED and f"socket:[{parts[9]}]" in sockets
    return count


def test_connections_are_shared_among_workers_every_time(
    pair: Pair,
) -> None:
    installation, process = pair
    worst = 0

    def counts() -> list[int]:
        return [connections_of(worker, installation.port) for worker in workers_of(process)]

    for _ in range(TRIES):
        # All at once, as a load generator does: the first worker to wake finds all of them.
        held = [socket.socket() for _ in range(CONNECTIONS)]
        for connection in held:
            connection.connect(("127.0.0.1", installation.port))
        _until(lambda: sum(counts()) == CONNECTIONS)
        worst = max(worst, *counts())
        for connection in held:
            connection.close()
        _until(lambda: sum(counts()) == 0)
    assert worst <= MOST_WITH_ONE_WORKER


def _until(condition: object) -> None:
    until = time.monotonic() + START_SECONDS
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < until
        time.sleep(POLL_SECONDS)


def served_certificate(installation: Installation) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    address = ("127.0.0.1", installation.port)
    with socket.create_connection(address, timeout=30) as plain, context.wrap_socket(plain) as connection:
        return ssl.DER_cert_to_PEM_cert(connection.getpeercert(binary_form=True) or b"").encode()


def test_a_renewed_certificate_is_taken_by_running_workers_and_a_broken_one_is_not(
    pair: Pair,
) -> None:
    installation, process = pair
    workers = workers_of(process)
    held = installation.connect()
    certificate, private_key = installation.directory / "cert.crt", installation.directory / "private.key"
    old, old_key = certificate.read_bytes(), private_key.read_bytes()
    renewed, renewed_key = self_signed(installation.directory, "renewed")

    certificate.write_text("no certificate")
    process.send_signal(signal.SIGHUP)
    _until(lambda: any("the certificate stays as it was" in line for line in installation.log_lines()))
    assert {served_certificate(installation) for _ in range(8)} == {old}

    certificate.write_bytes(renewed.read_bytes())
    private_key.write_bytes(renewed_key.read_bytes())
    process.send_signal(signal.SIGHUP)
    _until(lambda: {served_certificate(installation) for _ in range(8)} == {renewed.read_bytes()})

    certificate.write_bytes(old)
    private_key.write_bytes(old_key)
    process.send_signal(signal.SIGHUP)
    _until(lambda: {served_certificate(installation) for _ in range(8)} == {old})

    assert workers_of(process) == workers
    held.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"200 OK" in held.recv(65536)
    held.close()
    assert "Traceback" not in installation.log.read_text()


@pytest.mark.slow
def test_a_stop_under_load_answers_every_request_that_was_read(installation: Installation) -> None:
    received: list[int] = []
    broken: list[str] = []
    enough = threading.Event()

    def client() -> None:
        try:
            with installation.http() as http:
                while True:
                    received.append(http.post("/v1/keys/p256/signatures", content=MANIFEST).status_code)
                    if len(received) > 100:
                        enough.set()
        except httpx.TransportError as error:
            broken.append(type(error).__name__)

    process = start(installation, SERVER_WORKERS="2")
    wait_until(installation, "/readyz", 200, process)
    assert installation.run("keys", "create", "p256", "--algorithm", "ecdsa-p256").returncode == 0
    threads = [threading.Thread(target=client) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert enough.wait(START_SECONDS)
    assert stop(process) == 0
    for thread in threads:
        thread.join(START_SECONDS)
    answered = [line for line in installation.log_lines() if "POST /v1/keys/p256/signatures" in line]
    assert set(received) == {200}
    assert len(answered) == len(received), broken


@pytest.mark.slow
def test_a_service_short_of_descriptors_goes_on(installation: Installation) -> None:
    limited = ["prlimit", "--nofile=256:256", sys.executable, "-m", "signer", "serve", "--config"]
    environment = {**os.environ, "ARTIFACT_SIGNER_SERVER_WORKERS": "1"}
    with installation.log.open("ab") as log:
        process = subprocess.Popen(
            [*limited, str(installation.config)], stdout=log, stderr=log, env=environment, start_new_session=True
        )
    try:
        wait_until(installation, "/readyz", 200, process)
        assert installation.run("keys", "create", "p256", "--algorithm", "ecdsa-p256").returncode == 0
        held = [socket.create_connection(("127.0.0.1", installation.port)) for _ in range(200)]
        with installation.http() as http:
            assert http.post("/v1/keys/p256/artifacts", content=ArtifactBuilder().build()).status_code == 200
        for connection in held:
            connection.close()
    finally:
        stop(process)
    assert "Traceback" not in installation.log.read_text()


@pytest.mark.slow
def test_slow_readers_of_documents_hold_up_nobody(installation: Installation) -> None:
    with running(installation, SERVER_WORKERS="1", SERVER_THREADS="1"), installation.http() as http:
        assert http.post("/v1/keys", json={"name": "p256", "algorithm": "ecdsa-p256"}).status_code == 201
        credentials = f"Authorization: Bearer {installation.api_token}"
        request = f"GET /v1/events?limit=1000 HTTP/1.1\r\nHost: x\r\n{credentials}\r\n\r\n"
        held = []
        for _ in range(16):
            connection = installation.connect(receive_buffer=1024)
            connection.sendall(request.encode() * 50)
            held.append(connection)
        begun = time.monotonic()
        assert http.post("/v1/keys/p256/signatures", content=MANIFEST).status_code == 200
        assert http.get("/v1/keys").status_code == 200
        assert time.monotonic() - begun < 10
        for connection in held:
            connection.close()


REFUSED_HEADS = {
    "credentials before the body is asked for": ("Expect: 100-continue\r\nContent-Length: 100\r\n", None, 401),
    "credentials before the size is looked at": (f"Content-Length: {1 << 50}\r\n", None, 401),
    "credentials before the content coding": ("Content-Encoding: gzip\r\nContent-Length: 3\r\n", None, 401),
    "a content coding": ("Content-Encoding: gzip\r\nContent-Length: 3\r\n", "good", 415),
    "two content codings": ("Content-Encoding: identity, br\r\nContent-Length: 3\r\n", "good", 415),
    "a body that is too large before it is asked for": (
        f"Expect: 100-continue\r\nContent-Length: {1 << 50}\r\n", "good", 413,
    ),
    "a key that is not there before its body is asked for": (
        "Expect: 100-continue\r\nContent-Length: 100\r\n", "other key", 404,
    ),
}  # fmt: skip


@pytest.mark.parametrize("path", ["signatures", "artifacts"])
@pytest.mark.parametrize("sentence", REFUSED_HEADS)
def test_a_head_is_refused_before_its_body_is_asked_for(pair: Pair, sentence: str, path: str) -> None:
    installation, _ = pair
    fields, who, status = REFUSED_HEADS[sentence]
    key = "nothing" if who == "other key" else "p256"
    credentials = "" if who is None else f"Authorization: Bearer {installation.api_token}\r\n"
    with installation.connect() as connection:
        connection.sendall(f"POST /v1/keys/{key}/{path} HTTP/1.1\r\nHost: x\r\n{credentials}{fields}\r\n".encode())
        received = connection.recv(65536)
    assert received.startswith(f"HTTP/1.1 {status} ".encode())


@pytest.mark.slow
def test_a_free_port_and_an_ipv6_address_are_taken(installation: Installation) -> None:
    process = start(installation, SERVER_BIND="[::1]:0", SERVER_WORKERS="1", SERVER_TLS="off")
    try:
        _until(lambda: any("Listening at" in line for line in installation.log_lines()))
        line = next(line for line in installation.log_lines() if "Listening at" in line)
        # After it the gateway's socket is named.
        url = line.partition("Listening at: ")[2].split()[0].partition(",")[0]
        _until(lambda: _healthy(url))
    finally:
        stop(process)


def _healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def test_metrics_are_the_sum_over_all_workers(pair: Pair) -> None:
    installation, _ = pair

    def figure(name: str) -> float:
        with installation.http() as http:
            lines = http.get("/metrics").text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    signatures, answered = 'artifact_signer_signatures_total{checked="manifest",key="p256"}', 24
    before = figure(signatures)
    for _ in range(answered):
        with installation.http() as http:
            assert http.post("/v1/keys/p256/signatures", content=MANIFEST).status_code == 200
            assert http.get("/v1/keys/nothing").status_code == 404
    # Each worker writes down once a second.
    _until(lambda: figure(signatures) == before + answered)
    assert figure('artifact_signer_refusals_total{code="key-not-found"}') >= answered
    assert figure("artifact_signer_token_ready") == 2
    for stage in ("front", "parse", "decide", "token", "verify", "record"):
        assert figure(f'artifact_signer_stage_cpu_seconds_total{{stage="{stage}"}}') > 0, stage
    for stage in ("record", "sign", "write", "other", "tokens"):
        assert figure(f'artifact_signer_recorder_cpu_seconds_total{{stage="{stage}"}}') > 0, stage
    assert figure("artifact_signer_recorder_records_total") >= answered
    assert figure("artifact_signer_recorder_checkpoints_total") > 0
    assert 0 < figure("artifact_signer_recorder_batches_total") <= figure("artifact_signer_recorder_records_total")
    assert figure("artifact_signer_token_cpu_seconds_total") > 0
    folder = installation.directory / "spool" / "metrics"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert len({path.name for path in folder.glob("counter_*.db")}) == 2


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_gibibytes_go_through_beside_fast_requests_with_flat_memory(installation: Installation) -> None:
    megabytes = 2048
    with running(installation, SERVER_WORKERS="1") as process:
        assert installation.run("keys", "create", "p256", "--algorithm", "ecdsa-p256").returncode == 0
        (worker,) = workers_of(process)[:1]
        source = installation.directory / "large.mender"
        payload = PayloadFile(name="rootfs.ext4", content=bytes(megabytes << 20))
        with source.open("wb") as file:
            ArtifactBuilder(files=(payload,)).compressed(Compression.NONE).write(file)
        del payload
        done: list[int] = []

        def upload() -> None:
            target = installation.directory / "signed.mender"
            options = ["--key", "p256", "--whole", "-o", str(target)]
            command = [sys.executable, "-m", "signer", "sign", str(source), *options]
            environment = {**os.environ, **installation.client_environment}
            done.append(subprocess.run(command, env=environment, timeout=UPLOAD_SECONDS, check=False).returncode)

        thread = threading.Thread(target=upload)
        thread.start()
        times = []
        with installation.http() as http:
            while thread.is_alive():
                begun = time.monotonic()
                assert http.post("/v1/keys/p256/signatures", content=MANIFEST).status_code == 200
                times.append(time.monotonic() - begun)
                time.sleep(POLL_SECONDS)
        assert done == [0]
        # It went there and came back, and was no head.
        assert any("/artifacts 200" in line for line in installation.log_lines())
        peak = max(peak_mib(pid) for pid in workers_of(process))
        middle, slowest = statistics.median(times), max(times)
        print(f"{len(times)} fast requests, {middle * 1000:.1f} ms in the middle, {slowest * 1000:.0f} ms at most")
        print(f"a peak of {peak:.0f} MiB in the worker")
        assert slowest < 5.0
        assert peak < MEMORY_MIB
        assert worker in workers_of(process)
