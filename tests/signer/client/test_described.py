"""The library against the OpenAPI document of the service: every method of both clients, its request and its answer."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from jsonschema import Draft202012Validator

from signer.answers import ClientError
from signer.client import AsyncClient, Client, calls
from signer.client.calls import Asked, BatchItem, Call, Part
from signer.client.verbs import Verbs
from signer.web.routes import Route, RouteTable
from tests.support.described import document, operation

SHA256 = "ab" * 32
SIGNATURE = {
    "signature": "A" * 88,
    "key": "firmware",
    "version": 1,
    "algorithm": "ecdsa-p256",
    "fingerprint": SHA256,
    "index": 7,
    "checked": "head",
    "manifest_sha256": SHA256,
    "payloads": [],
    "artifact": None,
    "proof": "c2sp.org/tlog-proof@v1\n",
}
ITEM = {name: SIGNATURE[name] for name in SIGNATURE if name not in ("key", "algorithm", "payloads", "artifact")}
PROBLEM = {
    "type": "urn:artifact-signer:problem:signed-already", "title": "t", "status": 409, "code": "signed-already",
    "detail": "no", "request_id": "1",
}  # fmt: skip
VERSION = {
    "version": 1, "state": "active", "origin": "generated", "fingerprint": SHA256, "cka_id": "00", "tokens": ["main"],
    "created_at": "2026-01-02T03:04:05Z", "not_before": None, "not_after": None, "signature_count": 0,
    "signature_limit": None, "last_signed_at": None, "allowed_steps": [],
}  # fmt: skip
KEY = {
    "name": "firmware", "purpose": "artifact", "algorithm": "ecdsa-p256", "tokens": ["main"],
    "created_at": "2026-01-02T03:04:05Z", "created_by": "api-token:admin", "active_version": 1, "versions": [VERSION],
    "blind_sign": False,
}  # fmt: skip
PATH = {"hashes": [SHA256], "root": SHA256}
ASKED = Asked(replace=True, emergency="a fire")
ITEMS = (BatchItem(part=Part.MANIFEST, content=b"m"), BatchItem(part=Part.HEAD, content=b"h"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A method of the clients, a call that it makes, and an answer; ``operation``: its name in the document."""

    call: Callable[[], Call[Any]]
    operation: str
    answer: Any


ROWS = {
    "sign": Row(call=lambda: calls.sign("firmware", b"m", ASKED), operation="sign", answer=SIGNATURE),
    "sign_batch": Row(
        call=lambda: calls.sign_batch("firmware", ITEMS, ASKED),
        operation="sign_batch",
        answer={"results": [{"status": 200, **ITEM}, {"status": 409, "problem": PROBLEM, "retry_after": 1}]},
    ),
    "sign_artifact": Row(
        call=lambda: calls.sign_artifact("firmware", 7, ASKED), operation="sign_artifact", answer=b"an artifact"
    ),
    "keys": Row(call=calls.keys, operation="list_keys", answer={"keys": [KEY]}),
    "key": Row(call=lambda: calls.key("firmware"), operation="show_key", answer=KEY),
    "public_key": Row(call=lambda: calls.public_key("firmware", 1), operation="public_key", answer=b"-----BEGIN"),
    "proof": Row(
        call=lambda: calls.proof("firmware", 1, SHA256, witnessed=True),
        operation="log_proof",
        answer={"index": 1, "size": 2, **PATH, "proof": "c2sp.org/tlog-proof@v1\n"},
    ),
    "consistency": Row(
        call=lambda: calls.consistency(1, 2),
        operation="log_proof",
        answer={"from": 1, "to": 2, "old_root": SHA256, **PATH},
    ),
    "checkpoint": Row(call=calls.checkpoint, operation="log_checkpoint", answer=b"a note"),
    "log_keys": Row(call=calls.log_keys, operation="log_keys", answer={"keys": ["a+00000000+AAAA"]}),
    "exchange_ci_token": Row(
        call=lambda: calls.exchange_ci_token("a.b.c", "n" * 43),
        operation="exchange_ci_token",
        answer={"session": "asx", "identity": "ci:github/1", "expires_at": "2026-01-02T03:04:05Z"},
    ),
}


def public(kind: type) -> dict[str, Any]:
    return {name: each for name, each in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}


def test_every_method_of_both_clients_is_a_row() -> None:
    assert set(public(Client)) - set(public(Verbs)) == set(ROWS) == set(public(AsyncClient))


@pytest.mark.parametrize("method", ROWS)
def test_both_clients_take_the_same(method: str) -> None:
    one, other = (inspect.signature(public(kind)[method]).parameters for kind in (Client, AsyncClient))
    assert one == other


def route_of(call: Call[Any]) -> Route:
    match = RouteTable().match(call.path.encode("ascii"))
    assert match is not None, f"no route has the path {call.path}"
    route = match.route(call.method)
    assert route is not None
    return route


def validator(schema: Any) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": document()["components"]})


@pytest.mark.parametrize("method", ROWS)
def test_the_route_is_the_one_that_the_document_names(method: str) -> None:
    call = ROWS[method].call()
    assert route_of(call).name == ROWS[method].operation == call.operation
    assert operation(route_of(call))["operationId"] == call.operation


@pytest.mark.parametrize("method", ROWS)
def test_the_request_is_one_that_the_document_takes(method: str) -> None:
    call = ROWS[method].call()
    told = operation(route_of(call))
    parameters = {(each["in"], each["name"].lower()): each["schema"] for each in told["parameters"]}
    for name, value in call.parameters.items():
        sent: Any = value == "true" if parameters["query", name].get("type") == "boolean" else value
        assert [*validator(parameters["query", name]).iter_errors(sent)] == [], name
    own = {name.lower() for name in call.headers} - {"accept", "content-type", "content-length"}
    assert {("header", name) for name in own} <= set(parameters)
    content = told.get("requestBody", {}).get("content", {})
    kind = call.headers.get("Content-Type")
    assert (kind is None) == (not content)
    if kind == "application/json":
        assert [*validator(content[kind]["schema"]).iter_errors(json.loads(call.content or b""))] == []
    elif kind is not None:
        assert kind in content


def success(call: Call[Any]) -> dict[str, Any]:
    """What the document says of the answer that is expected."""
    told = operation(route_of(call))
    found = [each["content"] for status, each in told["responses"].items() if status.startswith("2")]
    (content,) = (each for each in found if call.expected in each)
    shape: dict[str, Any] = content[call.expected]["schema"]
    return shape


def body(answer: Any) -> bytes:
    return answer if isinstance(answer, bytes) else json.dumps(answer).encode()


@pytest.mark.parametrize("method", ROWS)
def test_the_answer_is_one_that_the_document_gives_and_is_read(method: str) -> None:
    call, answer = ROWS[method].call(), ROWS[method].answer
    schema = success(call)
    if not isinstance(answer, bytes):
        assert [each.message for each in validator(schema).iter_errors(answer)] == []
    assert call.read(body(answer)) is not None


def parts(value: Any) -> list[dict[str, Any]]:
    """All objects in an answer, each to be changed in place."""
    match value:
        case dict():
            return [value, *(found for each in value.values() for found in parts(each))]
        case list():
            return [found for each in value for found in parts(each)]
    return []


@pytest.mark.parametrize("method", [name for name, row in ROWS.items() if not isinstance(row.answer, bytes)])
def test_what_is_needed_of_an_answer_is_promised(method: str) -> None:
    """What reading cannot do without is what the document says is always there, and of the type that it says."""
    call = ROWS[method].call()
    schema = success(call)
    for number, _ in enumerate(parts(ROWS[method].answer)):
        for name in list(parts(ROWS[method].answer)[number]):
            for change in ("without", "of another type"):
                answer = json.loads(json.dumps(ROWS[method].answer))
                changed = parts(answer)[number]
                if change == "without":
                    del changed[name]
                else:
                    changed[name] = {"another": "type"}
                try:
                    call.read(body(answer))
                except ClientError:
                    promised = [*validator(schema).iter_errors(answer)] != []
                    assert promised or name in OPEN.get(method, ()), f"{name} {change}"


# Which the document leaves open: a proof is made for programs alone, and a problem is described where it is an answer.
OPEN = {"proof": {"proof"}, "sign_batch": {"problem", "code", "detail", "hint"}}


def test_a_path_names_keys_in_one_spelling() -> None:
    assert calls.key_path("a/b ü", 1) == f"/v1/keys/{quote('a/b ü', safe='')}/1"
