"""Batches at a real service: beside single requests, from clients that go, and with the client's extra alone."""

from __future__ import annotations

import base64
import json
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.artifacts import ArtifactBuilder
from tests.hsm.children import wait_until
from tests.integration.running import Installation
from tests.support.house import new_request
from verifier.log import Checkpoint, SignedNote

PATH = "/v1/keys/rsa/signatures"
ITEMS = 200
# What a slice may take of the token, and as much again for another one and for a machine with other work.
LONGEST_SECONDS = 10.0
# Top-level names of what only the service needs.
OF_THE_SERVICE = (
    "alembic", "argon2", "backports", "flask", "gunicorn", "gunicorn_h1c", "isal", "jwt", "pkcs11", "prometheus_client",
    "psycopg", "pydantic", "sqlalchemy", "uvloop", "werkzeug",
)  # fmt: skip
BLOCKER = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
from signer.__main__ import main
sys.exit(main())
"""


def body(count: int) -> bytes:
    items = [{"manifest": base64.b64encode(new_request().manifest.raw).decode()} for _ in range(count)]
    return json.dumps({"requests": items}).encode()


def post(service: Installation, path: str, content: bytes, timeout: float = 120.0) -> Any:
    with service.http() as http:
        return http.post(path, content=content, timeout=timeout)


def test_single_requests_go_between_the_slices_of_a_batch(service: Installation) -> None:
    batch = body(ITEMS)
    done: list[Any] = []
    thread = threading.Thread(target=lambda: done.append(post(service, f"{PATH}/batch", batch)))
    thread.start()
    took, beside = [], 0
    while thread.is_alive():
        begun = time.monotonic()
        answer = post(service, PATH, new_request().manifest.raw)
        took.append(time.monotonic() - begun)
        beside += thread.is_alive()
        assert answer.status_code == 200
    thread.join()
    assert [each["status"] for each in done[0].json()["results"]] == [200] * ITEMS
    assert beside > 0, "each waited for the end of the batch"
    assert max(took) < LONGEST_SECONDS


def test_what_a_client_that_went_had_signed_is_on_record(service: Installation) -> None:
    batch = body(ITEMS)
    head = (
        f"POST {PATH}/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.api_token}\r\n"
        f"Content-Length: {len(batch)}\r\n\r\n"
    )
    first = size(service)
    with service.connect() as connection:
        connection.sendall(head.encode() + batch)
        # In the middle of it: a part is on record, and nobody is there for the answer.
        wait_until(lambda: size(service) > first)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    for _ in range(2):
        again = post(service, f"{PATH}/batch", batch)
        assert [each["status"] for each in again.json()["results"]] == [200] * ITEMS
    with service.http() as http:
        page = http.get(f"/v1/log/entries?first={first}&limit=1000&type=signature,signature-repeated").json()
    signed = Counter(entry["leaf"]["manifest_sha256"] for entry in page["entries"])
    assert (len(signed), set(signed.values())) == (ITEMS, {1}), "something is on record twice"


def size(service: Installation) -> int:
    with service.http() as http:
        return Checkpoint.parse(SignedNote.parse(http.get("/v1/log/checkpoint").content).text).size


def test_a_body_is_not_asked_for_before_the_caller_is_known(service: Installation) -> None:
    for token, key, status in (("wrong", "rsa", 401), (service.api_token, "nothing", 404)):
        head = (
            f"POST /v1/keys/{key}/signatures/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            "Expect: 100-continue\r\nContent-Length: 1000000\r\n\r\n"
        )
        with service.connect() as connection:
            connection.sendall(head.encode())
            assert connection.recv(65536).startswith(b"HTTP/1.1 %d " % status)


def test_the_client_needs_nothing_of_the_service(service: Installation, tmp_path: Path) -> None:
    given, signed = tmp_path / "given.mender", tmp_path / "signed.mender"
    given.write_bytes(ArtifactBuilder(name="alone").build())
    done = without_the_service(service, "sign", str(given), "--key", "p256", "--output", str(signed))
    assert done.returncode == 0, done.stderr
    assert signed.stat().st_size > given.stat().st_size


def test_a_command_of_the_service_says_which_extra_is_missing(service: Installation) -> None:
    done = without_the_service(service, "serve", "--config", str(service.config))
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "artifact-signer: the package pydantic is missing, the service is an extra",
        "hint: pip install 'artifact-signer[service]'",
    ]


def without_the_service(service: Installation, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command where what only the service needs cannot be imported."""
    return subprocess.run(
        [sys.executable, "-c", BLOCKER.format(names=set(OF_THE_SERVICE)), *arguments],
        env={**service.client_environment, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
