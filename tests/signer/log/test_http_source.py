"""A log behind an API: a sound one, and servers that answer what no service answers."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable

import pytest

from signer.answers import ClientError, ServiceRefusal
from signer.client import Client, ClientSettings
from signer.log.check import CheckPlan, Verdict, check_log
from signer.log.faults import FaultKind as K
from signer.log.http_source import HttpSource
from signer.log.source import MAX_BUNDLE_BYTES
from tests.support.canned import Answer, answering
from tests.support.written_logs import WrittenLog, leaves, verifier_key
from verifier.errors import TilePathInvalid
from verifier.log import Tile

LOG = WrittenLog.of(leaves(300))
TILES, NOTE = "application/octet-stream", "text/plain; charset=utf-8"


def http(body: bytes, kind: str, status: str = "200 OK", *more: str) -> bytes:
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *more])
    return head.encode() + b"\r\nConnection: close\r\n\r\n" + body


def refusal(code: str, status: str) -> bytes:
    document = {"code": code, "detail": f"it is {code}"}
    return http(json.dumps(document).encode(), "application/problem+json", status)


def serve(log: WrittenLog) -> Callable[[str], bytes]:
    """As the service does."""

    def answer(head: str) -> bytes:
        path = head.split(" ")[1].removeprefix("/v1/log/")
        if path == "checkpoint":
            return http(log.checkpoint(), NOTE)
        try:
            tile = Tile.parse(path)
        except TilePathInvalid:
            return refusal("route-not-found", "404 Not Found")
        if tile.level is None:
            return http(log.entries(tile.number, tile.width), TILES)
        return http(log.hashes(tile.level, tile.number, tile.width), TILES)

    return answer


def check(answer: Answer, timeout: float = 20) -> Verdict:
    with answering(answer) as server:
        settings = ClientSettings(url=server.url, api_token="secret", ca_file=None, timeout=timeout)
        with Client(settings) as client:
            return check_log(HttpSource(client), CheckPlan(keys=(verifier_key(),)))


def for_tiles(answer: bytes) -> Callable[[str], bytes]:
    """A sound checkpoint, and then this."""
    sound = serve(LOG)
    return lambda head: sound(head) if " /v1/log/checkpoint " in head else answer


def test_a_sound_log_holds() -> None:
    verdict = check(serve(LOG))
    assert (verdict.fault, verdict.signatures) == (None, 298)


FAULTS: dict[str, tuple[Answer, K]] = {
    "a tile that is not there": (for_tiles(refusal("log-beyond-checkpoint", "404 Not Found")), K.PART_UNUSABLE),
    "a log that the service found to be damaged": (
        for_tiles(refusal("log-damaged", "503 Service Unavailable")), K.PART_UNUSABLE
    ),
    "bundles of another kind": (for_tiles(http(b"\0\5abc", TILES)), K.BUNDLE),
    "nothing": (for_tiles(http(b"", TILES)), K.BUNDLE),
    "a checkpoint that is none": (http(b"hello", NOTE), K.CHECKPOINT),
}  # fmt: skip


@pytest.mark.parametrize("sentence", FAULTS)
def test_what_is_wrong_is_named(sentence: str) -> None:
    answer, kind = FAULTS[sentence]
    fault = check(answer).fault
    assert fault is not None
    assert fault.kind is kind


REFUSALS: dict[str, Answer] = {
    "who may not read": for_tiles(refusal("access-denied", "403 Forbidden")),
    "a proxy's page": for_tiles(http(b"<html>", "text/html")),
    "more bytes than any bundle": for_tiles(http(bytes(MAX_BUNDLE_BYTES + 1), TILES)),
    "a redirect": for_tiles(http(b"", TILES, "302 Found", "Location: http://127.0.0.1/")),
    "a checkpoint without end": http(b"x" * (1 << 20), NOTE),
    "no HTTP": b"SSH-2.0\r\n",
}


@pytest.mark.parametrize("sentence", REFUSALS)
def test_what_cannot_be_looked_at_is_said_to_be_so(sentence: str) -> None:
    with pytest.raises(ClientError):
        check(REFUSALS[sentence])


def test_a_refusal_keeps_its_code() -> None:
    with pytest.raises(ServiceRefusal, match="access-denied"):
        check(REFUSALS["who may not read"])


def test_compressed_bytes_are_not_unpacked() -> None:
    """A coding that nobody asked for can hold a thousand times the bytes that were counted."""
    sound = serve(LOG)

    def answer(head: str) -> bytes:
        answered = sound(head)
        if "/tile/" not in head:
            return answered
        return http(gzip.compress(answered.partition(b"\r\n\r\n")[2]), TILES, "200 OK", "Content-Encoding: gzip")

    fault = check(answer).fault
    assert fault is not None
    assert fault.kind is K.BUNDLE


def test_a_server_that_never_ends_is_left() -> None:
    """It sends a byte now and then, so that no single wait is too long."""
    import socket
    import threading

    gone = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100000\r\n\r\n")
            while not gone.wait(0.05):
                try:
                    connection.sendall(b"x")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        began = time.monotonic()
        try:
            settings = ClientSettings(url=url, api_token="secret", ca_file=None, timeout=1.0)
            with Client(settings) as client, pytest.raises(ClientError, match="did not end in time"):
                HttpSource(client).checkpoint()
        finally:
            gone.set()
            thread.join(20)
        assert time.monotonic() - began < 15
