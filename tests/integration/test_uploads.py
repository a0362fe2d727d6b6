"""Whole artifacts at a real service: cut at every member, ten slow ones beside fast requests, and of any size."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.artifacts import ArtifactBuilder, PayloadFile
from tests.artifacts.compression import Compression
from tests.artifacts.tarwriter import BLOCK, zeros
from tests.hsm.children import wait_until
from tests.integration.running import Installation, initialise, running
from tests.support.house import new_request
from verifier import TrustStore, Verifier

ARTIFACTS, SIGNATURES = "/v1/keys/p256/artifacts", "/v1/keys/p256/signatures"
BUILDER = ArtifactBuilder(name="upload")
SLOW_CLIENTS = 10
# The service of these tests lets a client be silent for 2 s.
PIECES, PAUSE_SECONDS = 12, 0.25
GIB = 1 << 30
LARGE = 2 * GIB
# What steps, chunks and answers of one upload may hold at a time, with room for the allocator.
FLAT_BYTES = 48 << 20


def boundaries() -> dict[str, int]:
    """Where the artifact may be cut: before and in each member's header, in its content, and in its padding."""
    places, at = {"before anything": 0}, 0
    for member in BUILDER.members():
        content = member.content
        assert isinstance(content, bytes)
        end = at + BLOCK + len(content)
        places[f"before {member.name}"] = at
        places[f"in the header of {member.name}"] = at + BLOCK // 2
        places[f"after the header of {member.name}"] = at + BLOCK
        places[f"in {member.name}"] = at + BLOCK + len(content) // 2
        places[f"at the end of {member.name}"] = end
        at = -(-end // BLOCK) * BLOCK
    return {**places, "before the end of the archive": at, "in the end of the archive": at + BLOCK}


def request(service: Installation, length: int, fields: str = "") -> bytes:
    return (
        f"POST {ARTIFACTS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.api_token}\r\n"
        f"Content-Length: {length}\r\n{fields}\r\n"
    ).encode()


def leaves(service: Installation) -> int:
    """How many signatures of the artifact are on record."""
    with service.http() as http:
        found = http.get("/v1/log/entries?artifact=upload&type=signature,signature-repeated").json()
    return len(found["entries"])


def spooled(service: Installation) -> int:
    """Open files of the spool without a name, in any process of the service."""
    found, nameless = 0, re.compile(rf"{re.escape(str(service.directory))}/spool/\S+ \(deleted\)")
    for process in _processes(service):
        for entry in _descriptors(process):
            with contextlib.suppress(OSError):
                found += nameless.fullmatch(str(entry.readlink())) is not None
    return found


def test_a_body_that_ends_at_any_member_is_refused(service: Installation, subtests: pytest.Subtests) -> None:
    """It is said to be as long as it is: only its contents tell that something is missing."""
    artifact = BUILDER.build()
    with service.http() as http:
        for sentence, end in boundaries().items():
            with subtests.test(sentence):
                answer = http.post(ARTIFACTS, content=artifact[:end])
                assert 400 <= answer.status_code < 500, answer.text
                assert answer.json()["code"] not in ("unexpected", "body-interrupted")
    assert leaves(service) == 0


def test_a_connection_that_ends_at_any_member_leaves_nothing(service: Installation, subtests: pytest.Subtests) -> None:
    artifact, before = BUILDER.build(), len(service.log_lines())
    for sentence, end in boundaries().items():
        with subtests.test(sentence), service.connect() as connection:
            connection.sendall(request(service, len(artifact)) + artifact[:end])
    expected = len(boundaries())
    wait_until(lambda: sum("body-interrupted" in line for line in service.log_lines()[before:]) == expected)
    wait_until(lambda: spooled(service) == 0)
    assert leaves(service) == 0
    assert "Traceback" not in service.log.read_text()


@pytest.mark.parametrize("over", [1, GIB], ids=["by a byte", "by far"])
def test_what_is_said_to_be_larger_than_the_limit_is_not_asked_for(service: Installation, over: int) -> None:
    with service.connect() as connection:
        connection.sendall(request(service, (8 << 20) + over, "Expect: 100-continue\r\n"))
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"body-too-large" in answer


def test_a_body_is_asked_for_when_the_caller_is_known_and_then_signed(service: Installation) -> None:
    artifact = replace(BUILDER, name="continued").build()
    with service.connect() as connection:
        connection.sendall(request(service, len(artifact), "Expect: 100-continue\r\nConnection: close\r\n"))
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(artifact)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"manifest.sig" in answer


def _trickled(service: Installation, number: int) -> bytes:
    artifact = replace(BUILDER, name=f"slow-{number}").build()
    size = -(-len(artifact) // PIECES)
    with service.connect() as connection:
        connection.sendall(request(service, len(artifact), "Connection: close\r\n"))
        for start in range(0, len(artifact), size):
            connection.sendall(artifact[start : start + size])
            # What is slow is the client: nothing is waited for here.
            time.sleep(PAUSE_SECONDS)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


def test_ten_slow_uploads_do_not_hold_up_fast_requests(service: Installation) -> None:
    with ThreadPoolExecutor(SLOW_CLIENTS) as clients, service.http() as http:
        uploads = [clients.submit(_trickled, service, number) for number in range(SLOW_CLIENTS)]
        took = []
        while not any(each.done() for each in uploads):
            begun = time.monotonic()
            assert http.post(SIGNATURES, content=new_request().manifest.raw).status_code == 200
            took.append(time.monotonic() - begun)
        answers = [each.result() for each in uploads]
    assert [each.split(b" ", 2)[1] for each in answers] == [b"200"] * SLOW_CLIENTS
    # One that waited for an upload would have waited for the most of its time.
    assert len(took) > 2
    assert sorted(took)[len(took) // 2] < PIECES * PAUSE_SECONDS / 2


@pytest.fixture(scope="module")
def large_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """With limits as they are where nobody sets any, and one worker."""
    installation = initialise(tmp_path_factory.mktemp("large"))
    with running(installation, SERVER_WORKERS="1", SERVER_READ_TIMEOUT="120"):
        made = installation.run("keys", "create", "p256", "--algorithm", "ecdsa-p256")
        assert made.returncode == 0, made.stderr
        yield installation


def large(name: str, size: int) -> ArtifactBuilder:
    """Of zeros, which are made as they are sent."""
    files = (PayloadFile(name="image.bin", content=zeros(size)),)
    return ArtifactBuilder(name=name, files=files, payload_compression=Compression.NONE)


def _signed(service: Installation, builder: ArtifactBuilder) -> str:
    """Upload it, and verify the answer as it comes; the name that its signature proves."""
    with service.http() as http:
        trust = TrustStore.from_pem(http.get("/v1/keys/p256/versions/1/public-key").content)
        verifier = Verifier(trust=trust, payload_data=False)
        with http.stream("POST", ARTIFACTS, content=builder.chunks(), timeout=600.0) as answer:
            assert answer.status_code == 200, answer.read()
            for chunk in answer.iter_bytes(1 << 20):
                verifier.feed(chunk)
    return verifier.finish().artifact_name


@pytest.mark.slow
def test_two_gibibytes_are_signed_in_flat_memory_beside_fast_requests(large_service: Installation) -> None:
    assert _signed(large_service, large("small", 32 << 20)) == "small"
    before, peak, took = _anonymous(large_service), 0, []
    with ThreadPoolExecutor(1) as uploader, large_service.http() as http:
        upload = uploader.submit(_signed, large_service, large("large", LARGE))
        while not upload.done():
            begun = time.monotonic()
            assert http.post(SIGNATURES, content=new_request().manifest.raw).status_code == 200
            took.append(time.monotonic() - begun)
            peak = max(peak, _anonymous(large_service))
        assert upload.result() == "large"
    assert peak - before < FLAT_BYTES
    assert len(took) > 10
    assert max(took) < 10.0
    wait_until(lambda: spooled(large_service) == 0)


def _anonymous(service: Installation) -> int:
    """What all processes of the service hold of their own, in bytes: neither files nor what they share."""
    found = 0
    for process in _processes(service):
        with contextlib.suppress(OSError):
            lines = (process / "status").read_text().splitlines()
            found += sum(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon:"))
    return found


def _processes(service: Installation) -> list[Path]:
    """Those that have a file of the installation open, or were started for it."""
    return [path for path in Path("/proc").glob("[0-9]*") if _belongs(path, service)]


def _belongs(process: Path, service: Installation) -> bool:
    try:
        return (
            str(service.directory).encode() in (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
        )
    except OSError:
        return False


def _descriptors(process: Path) -> list[Path]:
    try:
        return list((process / "fd").iterdir())
    except OSError:
        return []
