"""Faults of processes and disks: what starts, dies or restarts loses nothing, and memory stays flat."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.artifacts import ArtifactBuilder, Compression, PayloadFile
from tests.integration.running import Installation, command, initialise, running, start, stop, wait_until
from tests.support.rows import slow_but

ARTIFACT = ArtifactBuilder().build()
LARGE_MIB = 192
MEMORY_MIB = 120
FILE_LIMIT = 1 << 20


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return initialise(tmp_path / "installation")


def workers_of(process: subprocess.Popen[bytes]) -> list[int]:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(child) for child in children if b"signer.recorder" not in Path(f"/proc/{child}/cmdline").read_bytes()]


def peak_mib(pid: int) -> float:
    (line,) = re.findall(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), flags=re.MULTILINE)
    return int(line) / 1024


def count(installation: Installation) -> int:
    with installation.http() as http:
        figure: int = http.get("/v1/keys/firmware").json()["versions"][0]["signature_count"]
        return figure


@pytest.mark.slow
def test_a_restart_loses_nothing(installation: Installation) -> None:
    with running(installation):
        assert installation.run("keys", "create", "firmware", "--algorithm", "rsa-2048").returncode == 0
        with installation.http() as http:
            before = http.post("/v1/keys/firmware/signatures", content=ARTIFACT).json()
    with running(installation), installation.http() as http:
        after = http.post("/v1/keys/firmware/signatures", content=ARTIFACT).json()
    assert (after["signature"], after["fingerprint"]) == (before["signature"], before["fingerprint"])


def test_a_killed_worker_is_replaced_and_every_signature_is_counted(installation: Installation) -> None:
    with running(installation, SERVER_WORKERS="2") as process:
        assert installation.run("keys", "create", "firmware", "--algorithm", "ecdsa-p256").returncode == 0
        made, broken = 0, 0
        for round_ in range(30):
            if round_ == 10:
                os.kill(workers_of(process)[0], signal.SIGKILL)
            # A manifest that was signed before gets the signature on record, which is not counted again.
            artifact = ArtifactBuilder(name=f"release-{round_}").build()
            try:
                with installation.http() as http:
                    answer = http.post("/v1/keys/firmware/signatures", content=artifact)
                assert answer.status_code in {200, 503}, answer.text
                made += answer.status_code == 200
            except httpx.TransportError:
                broken += 1
        wait_until(installation, "/readyz", 200, process)
        assert broken <= 1
        assert made <= count(installation) <= made + broken
        assert len(workers_of(process)) == 2


def test_stopping_lets_requests_under_way_finish(installation: Installation) -> None:
    large = ArtifactBuilder(files=(PayloadFile(name="a.bin", content=os.urandom(4 << 20)),)).build()
    sent_half, stopping = threading.Event(), threading.Event()

    def halves() -> Iterator[bytes]:
        yield large[: len(large) // 2]
        sent_half.set()
        assert stopping.wait(20)
        yield large[len(large) // 2 :]

    answers: list[httpx.Response] = []

    def upload() -> None:
        with installation.http() as http:
            answers.append(http.post("/v1/keys/firmware/artifacts", content=halves()))

    process = start(installation, SERVER_WORKERS="1")
    wait_until(installation, "/readyz", 200, process)
    assert installation.run("keys", "create", "firmware", "--algorithm", "ecdsa-p256").returncode == 0
    thread = threading.Thread(target=upload)
    thread.start()
    assert sent_half.wait(20)
    process.send_signal(signal.SIGTERM)
    stopping.set()
    thread.join(30)
    assert process.wait(30) == 0
    assert [answer.status_code for answer in answers] == [200]


@pytest.mark.slow
def test_a_large_artifact_is_never_in_memory(installation: Installation, tmp_path: Path) -> None:
    source, output = tmp_path / "large.mender", tmp_path / "signed.mender"
    (tmp_path / "payload").write_bytes(os.urandom(1 << 20) * LARGE_MIB)
    large = PayloadFile(name="rootfs.ext4", content=(tmp_path / "payload").read_bytes())
    with source.open("wb") as file:
        ArtifactBuilder(files=(large,)).compressed(Compression.NONE).write(file)
    with running(installation, SERVER_WORKERS="1") as process:
        assert installation.run("keys", "create", "firmware", "--algorithm", "ecdsa-p256").returncode == 0
        (worker,) = workers_of(process)
        done = installation.run("sign", source, "--key", "firmware", "--whole", "-o", output)
        assert done.returncode == 0, done.stderr
        assert peak_mib(worker) < MEMORY_MIB
        assert list((installation.directory / "spool").glob("tmp*")) == []
    assert output.stat().st_size == source.stat().st_size + 1024


@pytest.mark.slow
def test_a_full_disk_is_a_problem_document(installation: Installation) -> None:
    limited = ["prlimit", f"--fsize={FILE_LIMIT}", sys.executable, "-m", "signer", "serve", "--config"]
    with installation.log.open("ab") as log:
        process = subprocess.Popen([*limited, str(installation.config)], stdout=log, stderr=log, start_new_session=True)
    try:
        wait_until(installation, "/readyz", 200, process)
        assert installation.run("keys", "create", "firmware", "--algorithm", "ecdsa-p256").returncode == 0
        large = ArtifactBuilder(files=(PayloadFile(name="a.bin", content=os.urandom(2 * FILE_LIMIT)),)).build()
        with installation.http() as http:
            refused = http.post("/v1/keys/firmware/artifacts", content=large)
            fine = http.post("/v1/keys/firmware/artifacts", content=ARTIFACT)
        assert (refused.status_code, refused.json()["code"]) == (507, "spool-full")
        assert fine.status_code == 200
    finally:
        stop(process)
    assert "Traceback" not in installation.log.read_text()


@pytest.mark.slow
def test_a_body_that_is_too_long_is_refused_before_the_spool_is_touched(installation: Installation) -> None:
    with running(installation, SERVER_WORKERS="1", LIMITS_ARTIFACT_BYTES="1024", LIMITS_HEAD_BYTES="1024"):
        assert installation.run("keys", "create", "firmware", "--algorithm", "ecdsa-p256").returncode == 0
        spool = installation.directory / "spool"
        spool.rename(spool.with_name("elsewhere"))
        spool.write_text("")
        with installation.http() as http:
            long = http.post("/v1/keys/firmware/artifacts", content=bytes(1025))
            short = http.post("/v1/keys/firmware/artifacts", content=bytes(1024))
        assert (long.status_code, long.json()["code"]) == (413, "body-too-large")
        assert (short.status_code, short.json()["code"]) == (503, "spool-unusable")
    assert "Traceback" not in installation.log.read_text()


@pytest.mark.slow
def test_plain_http_is_served_on_loopback_only(installation: Installation) -> None:
    refused = command(
        "serve", "--config", installation.config,
        environment={"ARTIFACT_SIGNER_SERVER_TLS": "off", "ARTIFACT_SIGNER_SERVER_BIND": "0.0.0.0:0"},
    )  # fmt: skip
    assert refused.returncode == 2
    assert "loopback" in refused.stderr
    process = start(installation, SERVER_TLS="off", SERVER_WORKERS="1")
    try:
        plain = f"http://127.0.0.1:{installation.port}"
        wait_until(installation, "/healthz", 200, process, client=lambda: httpx.Client(base_url=plain))
    finally:
        stop(process)


REFUSED_STARTS = {
    "no configuration": ({}, ["--config", "missing.toml"], 2, "cannot be read"),
    "a certificate that is not there": ({"SERVER_CERTIFICATE": "/nowhere.crt"}, [], 2, "certificate and private key"),
    "a misspelt setting": ({"SERVER_WORKRES": "3"}, [], 2, "is no setting"),
    "a database that was not made": (
        {"DATABASE_URL": "sqlite:///other.sqlite"},
        [],
        1,
        "the database is lost: file missing",
    ),
}


@pytest.mark.parametrize("name", slow_but({"no configuration"}, REFUSED_STARTS))
def test_a_start_that_cannot_be_is_one_sentence(service: Installation, name: str, tmp_path: Path) -> None:
    settings, arguments, code, sentence = REFUSED_STARTS[name]
    environment = {f"ARTIFACT_SIGNER_{variable}": value for variable, value in settings.items()}
    done = command("serve", *(arguments or ["--config", str(service.config)]), environment=environment)
    assert done.returncode == code, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_service_on_the_same_installation_is_refused_by_name(service: Installation) -> None:
    with service.http(headers={}) as http:
        assert http.get("/readyz").status_code == 200
    counted = set(service.directory.glob("spool/metrics/*.db"))
    assert counted
    second = command("serve", "--config", service.config)
    assert second.returncode != 0
    assert set(service.directory.glob("spool/metrics/*.db")) >= counted
    assert "a service runs on this installation already" in second.stderr
    assert "recorder/lock" in second.stderr
    assert "Traceback" not in second.stderr
    with service.http(headers={}) as http:
        assert http.get("/readyz").status_code == 200
