"""The routes that gateways ask: where they are found, and in which form they answer."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from signer.bootstrap import Parts
from signer.domain.credentials import PeerKind
from signer.errors import TokenRefusal
from signer.gateway_bootstrap import GatewayParts
from signer.services.token_states import KnownTokenStates
from signer.storage.database import Database
from signer.web.environ import LISTENER
from tests.docs.application import Application, application
from tests.support.asking import Reply, ask
from tests.support.gateway_tokens import MemoryStates, MemoryVerifier

DEVICE_DOOR, USER_DOOR = "/api/internal/v1/devauth/tokens/verify", "/api/internal/v1/useradm/auth/verify"
TOKEN = {"Authorization": "Bearer eyJh.eyJz.c2ln"}
ASKED = {"X-Forwarded-Method": "GET", "X-Forwarded-Uri": "/api/devices/v1/inventory/device/attributes"}
GOOD = {**TOKEN, **ASKED}


@dataclass
class Site:
    """The front, with tokens in memory behind it."""

    rows: MemoryStates
    verifier: MemoryVerifier
    application: Application

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        *,
        kind: PeerKind = PeerKind.GATEWAY,
        body: bytes = b"",
    ) -> Reply:
        return ask(self.application.front, method, path, headers=headers, body=body, said={LISTENER: kind})


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    rows, verifier = MemoryStates(found={"device": None, "user": None}), MemoryVerifier()

    def changed(parts: Parts, _: Database) -> Parts:
        states = KnownTokenStates(store=rows, watch=rows, monotonic=lambda: 0.0)
        gateway = GatewayParts(watch=rows, states=states, monotonic=lambda: 0.0)
        return replace(parts, token_verifier=verifier, gateway=gateway)

    made = application(tmp_path, changed=changed)
    yield Site(rows=rows, verifier=verifier, application=made)
    made.close()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", [DEVICE_DOOR, USER_DOOR])
def test_a_request_may_go_on(site: Site, method: str, path: str) -> None:
    reply = site.ask(method, path, {**GOOD, "X-MEN-RequestID": "of-the-gateway"}, body=b"not read" * 100)
    assert (reply.status_code, reply.data) == (200, b"")
    assert reply.headers["x-men-requestid"] == "of-the-gateway"
    assert "content-type" not in reply.headers


@pytest.mark.parametrize("path", [DEVICE_DOOR, USER_DOOR])
def test_they_are_found_over_the_gateways_socket_alone(site: Site, path: str) -> None:
    reply = site.ask("GET", path, GOOD, kind=PeerKind.TCP)
    assert (reply.status_code, reply.json()["code"]) == (404, "route-not-found")
    assert site.verifier.seen == []


def test_the_document_of_a_refusal_says_nothing_of_why(site: Site) -> None:
    bodies = set()
    for refusal in TokenRefusal:
        site.verifier.refusal = refusal
        reply = site.ask("GET", DEVICE_DOOR, {**GOOD, "X-MEN-RequestID": "same"})
        assert reply.status_code == 401
        assert reply.headers["www-authenticate"].startswith("Bearer")
        bodies.add(reply.data)
    site.verifier.refusal = None
    site.rows.take("device-1", "device", TokenRefusal.REVOKED)
    bodies.add(site.ask("GET", DEVICE_DOOR, {**GOOD, "X-MEN-RequestID": "same"}).data)
    bodies.add(site.ask("GET", DEVICE_DOOR, {**ASKED, "X-MEN-RequestID": "same"}).data)
    assert len(bodies) == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Fields, and what they are answered."""

    headers: Mapping[str, str]
    status: int
    code: str


REFUSED = {
    "no token": Row(headers=ASKED, status=401, code="token-not-admitted"),
    "an API token": Row(
        headers={**ASKED, "Authorization": "Bearer ast_0123456789ab_secret"}, status=401, code="token-not-admitted"
    ),
    "a name and a password": Row(
        headers={**ASKED, "Authorization": "Basic YTpi"}, status=401, code="token-not-admitted"
    ),
    "a cookie": Row(headers={**ASKED, "Cookie": "JWT=eyJh.eyJz.c2ln"}, status=401, code="token-not-admitted"),
    "no method": Row(
        headers={**TOKEN, "X-Forwarded-Uri": ASKED["X-Forwarded-Uri"]}, status=400, code="forwarded-request-invalid"
    ),
    "no URI": Row(headers={**TOKEN, "X-Forwarded-Method": "GET"}, status=400, code="forwarded-request-invalid"),
    "a URI that is none": Row(headers={**GOOD, "X-Forwarded-Uri": "x"}, status=400, code="forwarded-request-invalid"),
}


@pytest.mark.parametrize("path", [DEVICE_DOOR, USER_DOOR])
@pytest.mark.parametrize("sentence", REFUSED)
def test_refused_is(site: Site, sentence: str, path: str) -> None:
    row = REFUSED[sentence]
    reply = site.ask("GET", path, row.headers)
    assert (reply.status_code, reply.json()["code"]) == (row.status, row.code)
    assert {"error", "request_id"} <= reply.json().keys()


def test_two_tokens_are_none_whichever_comes_first(site: Site) -> None:
    fields = [("authorization", TOKEN["Authorization"]), ("authorization", "Bearer eyJh.eyJz.b3RoZXI")]
    for order in (fields, fields[::-1]):
        headers = [*order, *((name.lower(), value) for name, value in ASKED.items())]
        said = {LISTENER: PeerKind.GATEWAY, "headers": [(name.encode(), value.encode()) for name, value in headers]}
        assert ask(site.application.front, "GET", DEVICE_DOOR, said=said).status_code == 401
    assert site.verifier.seen == []


def test_nothing_is_known_of_states(site: Site) -> None:
    site.rows.unavailable = True
    reply = site.ask("GET", DEVICE_DOOR, GOOD)
    assert (reply.status_code, reply.json()["code"]) == (503, "token-states-unavailable")
    assert int(reply.headers["retry-after"]) > 0


@pytest.mark.parametrize(("refusal", "lines"), [(None, 0), (TokenRefusal.EXPIRED, 1)])
def test_what_is_refused_has_a_log_line_and_what_goes_on_has_none(
    site: Site, caplog: pytest.LogCaptureFixture, refusal: TokenRefusal | None, lines: int
) -> None:
    caplog.set_level(logging.INFO)
    site.verifier.refusal = refusal
    site.ask("GET", DEVICE_DOOR, GOOD)
    found = [record for record in caplog.records if record.name == "artifact-signer.request"]
    assert len(found) == lines
    assert all(getattr(record, "reason", None) == "expired" for record in found)


def test_other_methods_are_none_of_theirs(site: Site) -> None:
    reply = site.ask("DELETE", DEVICE_DOOR, GOOD)
    assert (reply.status_code, reply.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")
