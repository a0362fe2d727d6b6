"""What a hostile or unlucky client sends: each a problem document, one log line, no traceback, and life goes on."""

from __future__ import annotations

import os
import re
import socket
import time
from dataclasses import dataclass, field

import pytest

from tests.artifacts import ArtifactBuilder, PayloadFile
from tests.integration.running import Installation

SIGN = "/v1/keys/p256/signatures"
ARTIFACTS = "/v1/keys/p256/artifacts"
GOOD_TOKEN = "good"
ARTIFACT = ArtifactBuilder().build()
MANIFEST = ArtifactBuilder().manifest()


@dataclass(frozen=True, kw_only=True)
class Row:
    """One request and the refusal that it gets."""

    status: int
    code: str
    body: bytes | None = ARTIFACT
    path: str = ARTIFACTS
    method: str = "POST"
    authorization: str | None = GOOD_TOKEN
    headers: dict[str, str] = field(default_factory=dict)


def changed(position: int, artifact: bytes = ARTIFACT) -> bytes:
    """The artifact with one bit of one byte changed."""
    return artifact[:position] + bytes([artifact[position] ^ 1]) + artifact[position + 1 :]


REFUSALS = {
    "not a tar": Row(body=b"\x7fELF" + bytes(4096), status=422, code="not-an-artifact"),
    "not a tar, asked for a signature": Row(body=b"<html>", path=SIGN, status=422, code="manifest-line-invalid"),
    "an empty body": Row(body=b"", status=400, code="empty-body"),
    "an empty body, asked for a signature": Row(body=b"", path=SIGN, status=400, code="empty-body"),
    "a manifest where an artifact is needed": Row(body=MANIFEST, status=422, code="not-an-artifact"),
    "an artifact cut in its version": Row(body=ARTIFACT[:520], status=422, code="truncated"),
    "an artifact cut in its manifest": Row(body=ARTIFACT[:1600], status=422, code="truncated"),
    "an artifact cut in its manifest, asked for a signature": Row(
        body=ARTIFACT[:1600], path=SIGN, status=422, code="truncated"
    ),
    "an artifact cut in its payload": Row(body=ARTIFACT[:-1500], status=422, code="truncated"),
    "an artifact without its last block": Row(body=ARTIFACT[:-512], status=422, code="truncated"),
    "something after the artifact": Row(body=ARTIFACT + b"more", status=422, code="tar-trailing-data"),
    "a manifest with carriage returns": Row(
        body=MANIFEST.replace(b"\n", b"\r\n"), path=SIGN, status=422, code="manifest-line-invalid"
    ),
    "a manifest without its last newline": Row(
        body=MANIFEST[:-1], path=SIGN, status=422, code="manifest-line-invalid"
    ),
    "a manifest in capitals": Row(body=MANIFEST.upper(), path=SIGN, status=422, code="manifest-line-invalid"),
    "a header that is not the manifest's": Row(
        body=changed(ARTIFACT.rindex(b"header.tar") + 512 + 30), status=422, code="digest-mismatch"
    ),
    "an unknown key": Row(path="/v1/keys/nothing/artifacts", status=404, code="key-not-found"),
    "a key name with odd characters": Row(path="/v1/keys/..%2f..%2fetc/artifacts", status=404, code="route-not-found"),
    "no credentials": Row(authorization=None, status=401, code="credentials-missing"),
    "a bearer token of another form": Row(authorization="Bearer hunter2", status=401, code="credentials-rejected"),
    "credentials of another kind": Row(authorization="Basic YTpi", status=401, code="credentials-rejected"),
    "an unknown API token": Row(
        authorization="Bearer ast_0123456789abcdef_" + "A" * 43, status=401, code="credentials-rejected"
    ),
    "a body over the limit": Row(body=bytes(9 << 20), status=413, code="body-too-large"),
    "a JSON body over the limit": Row(
        path="/v1/keys", body=b" " * (65 << 10), status=413, code="body-too-large"
    ),
    "a route that does not exist": Row(path="/v2/keys", status=404, code="route-not-found"),
    "a method that the route lacks": Row(method="DELETE", status=405, code="method-not-allowed"),
    "JSON that is not JSON": Row(path="/v1/keys", body=b"{", status=400, code="invalid-request"),
    "JSON with an unknown member": Row(
        path="/v1/keys", body=b'{"name":"a","algorithm":"rsa-3072","x":1}', status=400, code="invalid-request"
    ),
    "a key name that cannot be": Row(
        path="/v1/keys", body=b'{"name":"../etc","algorithm":"rsa-3072"}', status=400, code="invalid-name"
    ),
    "a key name that exists": Row(
        path="/v1/keys", body=b'{"name":"p256","algorithm":"rsa-3072"}', status=409, code="key-name-taken"
    ),
    "an algorithm that devices cannot verify": Row(
        path="/v1/keys", body=b'{"name":"ed","algorithm":"ed25519"}', status=400, code="algorithm-not-allowed"
    ),
    "a token that is not configured": Row(
        path="/v1/keys", body=b'{"name":"t","algorithm":"rsa-3072","tokens":["x"]}', status=400,
        code="token-not-configured",
    ),
    "a version that does not exist": Row(
        method="GET", path="/v1/keys/p256/versions/7/public-key", body=None, status=404, code="version-not-found"
    ),
    "a parameter that is not one": Row(path=ARTIFACTS + "?replace=perhaps", status=400, code="invalid-request"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_refusal_is_a_problem_document(service: Installation, name: str) -> None:
    row = REFUSALS[name]
    headers = dict(row.headers)
    if row.authorization is not None:
        good = row.authorization is GOOD_TOKEN
        headers["Authorization"] = f"Bearer {service.api_token}" if good else row.authorization
    with service.http(headers=headers) as http:
        answer = http.request(row.method, row.path, content=row.body)
        assert http.get("/healthz").status_code == 200
    assert (answer.status_code, answer.json()["code"]) == (row.status, row.code), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == row.status
    assert problem["detail"]
    _one_line_without_traceback(service, problem["request_id"], row.code)


def _one_line_without_traceback(service: Installation, request_id: str, code: str) -> None:
    lines = [line for line in service.log_lines() if request_id in line]
    assert len(lines) == 1, lines
    assert f"code={code}" in lines[0]
    log = service.log.read_text()
    assert "Traceback" not in log
    assert service.api_token not in log


def test_chunked_body_over_the_limit_is_refused(service: Installation) -> None:
    large = ArtifactBuilder(files=(PayloadFile(name="large.bin", content=os.urandom(9 << 20)),)).build()
    chunks = (large[start : start + 65536] for start in range(0, len(large), 65536))
    with service.http() as http:
        answer = http.post(ARTIFACTS, content=chunks)
        assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")
        assert http.get("/healthz").status_code == 200


@pytest.mark.parametrize("framing", ["Content-Length: 100000", "Transfer-Encoding: chunked"])
def test_client_that_leaves_midway_is_one_log_line(service: Installation, framing: str) -> None:
    before = len(service.log_lines())
    part = ARTIFACT[:4096] if "Length" in framing else b"1000\r\n" + ARTIFACT[:4096] + b"\r\n"
    request = f"POST {ARTIFACTS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.api_token}\r\n{framing}\r\n\r\n"
    with service.connect() as connection:
        connection.sendall(request.encode() + part)
    line = _awaited_line(service, before, "body-interrupted")
    assert line.count("body-interrupted") == 1
    assert "Traceback" not in service.log.read_text()


def test_client_that_stalls_is_let_go_at_the_deadline(service: Installation) -> None:
    request = (
        f"POST {ARTIFACTS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.api_token}\r\n"
        f"Content-Length: 100000\r\n\r\n"
    )
    with service.connect() as connection:
        connection.sendall(request.encode() + ARTIFACT[:1024])
        answer = b""
        while b"request_id" not in answer:
            answer += connection.recv(65536)
    assert b"400" in answer.splitlines()[0]
    assert b"body-interrupted" in answer


def _awaited_line(service: Installation, before: int, text: str) -> str:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = [line for line in service.log_lines()[before:] if text in line]
        if found:
            return found[0]
        time.sleep(0.02)
    raise AssertionError(f"no line with {text}")


def test_plain_http_is_refused_at_once(service: Installation) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=5) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while part := connection.recv(65536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"https-required" in answer


@pytest.mark.parametrize(
    "request_bytes",
    [b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200],
    ids=["binary", "no path", "unknown version", "too many fields"],
)
def test_what_is_not_http_is_refused_with_a_problem_document(service: Installation, request_bytes: bytes) -> None:
    with service.connect() as connection:
        connection.sendall(request_bytes + b"\r\n")
        answer = b""
        while part := connection.recv(65536):
            answer += part
    assert re.match(rb"HTTP/1\.1 4\d\d ", answer), answer
    assert b"malformed-http" in answer
    assert "Traceback" not in service.log.read_text()
