"""``/v1/api-tokens``: made once, told once, and never told to whom they are not for."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from signer.auth.token_text import TokenText
from signer.domain.identity import Role
from tests.docs.application import KEY, Application
from tests.docs.pages import DOCS
from tests.support.asking import Reply

ROUTE = "/v1/api-tokens"
ID = "0011223344556677"
OLD = f"ast_{ID}_{'s-_S' * 10}abc"
NEW = "ast_0011223344556677_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf3G0Kpu"


def asked(site: Application, method: str, target: str, document: Any = None, *, role: Role | str = "") -> Reply:
    authorization = site.credentials[Role(role or Role.ADMINISTRATOR)]
    body = b"" if document is None else json.dumps(document).encode()
    return site.ask(method, target, authorization, body)


def made(site: Application, name: str, **limits: Any) -> dict[str, Any]:
    reply = asked(site, "POST", ROUTE, {"name": name, **limits})
    assert reply.status_code == 201, reply.data
    document: dict[str, Any] = reply.json()
    return document


def code(reply: Reply) -> str:
    return str(reply.json()["code"])


def test_its_text_is_told_once_and_proves_who_it_is(site: Application) -> None:
    token = made(site, "once", role="reader")
    text = token.pop("api_token")
    assert site.ask("GET", "/v1/keys", f"Bearer {text}").status_code == 200
    shown, listed = asked(site, "GET", f"{ROUTE}/once"), asked(site, "GET", ROUTE)
    assert shown.json() == token
    assert token in listed.json()["api_tokens"]
    assert text[21:] not in (shown.data + listed.data).decode()


def test_nobody_between_keeps_its_text(site: Application) -> None:
    reply = asked(site, "POST", ROUTE, {"name": "unkept"})
    assert reply.headers["cache-control"] == "no-store"


def test_what_it_is_limited_to_is_told_and_holds(site: Application) -> None:
    token = made(site, "scoped", role="administrator", keys=["other-*"], actions=["read"], expires_in=3600)
    assert (token["keys"], token["actions"]) == (["other-*"], ["read"])
    left = datetime.fromisoformat(token["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=55) < left <= timedelta(hours=1)


def test_one_without_a_role_may_nothing(site: Application) -> None:
    text = made(site, "bare")["api_token"]
    assert site.ask("GET", ROUTE, f"Bearer {text}").status_code == 403


def test_a_revoked_one_proves_nothing_at_once_where_access_was_told_and_stays_on_record(site: Application) -> None:
    text = made(site, "gone", role="reader")["api_token"]
    first, second = (asked(site, "POST", f"{ROUTE}/gone/revoke") for _ in range(2))
    assert (first.json()["changed"], second.json()["changed"]) == (True, False)
    assert first.json()["revoked_at"] == second.json()["revoked_at"] is not None
    assert code(site.ask("GET", "/v1/keys", f"Bearer {text}")) == "credentials-rejected"
    assert code(asked(site, "POST", ROUTE, {"name": "gone"})) == "api-token-name-taken"


def test_what_is_not_suspended_is_not_taken_back(site: Application) -> None:
    made(site, "valid")
    reply = asked(site, "POST", f"{ROUTE}/valid/reinstate", {"reason": "why"})
    assert (reply.status_code, reply.json()["changed"]) == (200, False)


REFUSED: dict[str, tuple[Any, str]] = {
    "no name": ({}, "invalid-request"),
    "a name of odd characters": ({"name": "A token"}, "invalid-name"),
    "a name that is a number": ({"name": 1}, "invalid-request"),
    "a role of odd characters": ({"name": "new", "role": "role:root"}, "invalid-name"),
    "a person of odd characters": ({"name": "new", "person": "../ada"}, "invalid-name"),
    "a person that there is none of": ({"name": "new", "person": "nobody"}, "person-not-found"),
    "a pattern that is a regular expression": ({"name": "new", "keys": ["fw-[a-z]+"]}, "invalid-request"),
    "a pattern in other letters": ({"name": "new", "keys": ["f\u0175-*"]}, "invalid-request"),
    "an empty pattern": ({"name": "new", "keys": [""]}, "invalid-request"),
    "no patterns": ({"name": "new", "keys": []}, "invalid-request"),
    "one pattern that is no list": ({"name": "new", "keys": "fw-*"}, "invalid-request"),
    "more patterns than there may be": ({"name": "new", "keys": ["a"] * 65}, "invalid-request"),
    "no actions": ({"name": "new", "actions": []}, "invalid-request"),
    "an action that is none": ({"name": "new", "actions": ["sign", "root"]}, "invalid-request"),
    "an end that is over": ({"name": "new", "expires_at": "2020-01-01T00:00:00Z"}, "api-token-expiry-past"),
    "an end without a zone": ({"name": "new", "expires_at": "2999-01-01T00:00:00"}, "invalid-request"),
    "no time": ({"name": "new", "expires_in": 0}, "invalid-request"),
    "a negative time": ({"name": "new", "expires_in": -1}, "invalid-request"),
    "a time that no calendar has": ({"name": "new", "expires_in": 10**12}, "invalid-request"),
    "a time that is true": ({"name": "new", "expires_in": True}, "invalid-request"),
    "two ends": ({"name": "new", "expires_in": 1, "expires_at": "2999-01-01T00:00:00Z"}, "invalid-request"),
    "a secret of one's own": ({"name": "new", "api_token": NEW}, "invalid-request"),
    "an unknown member": ({"name": "new", "admin": True}, "invalid-request"),
    "no document": ([], "invalid-request"),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_is_refused_makes_nothing(site: Application, sentence: str) -> None:
    before = asked(site, "GET", ROUTE).json()
    document, wanted = REFUSED[sentence]
    assert code(asked(site, "POST", ROUTE, document)) == wanted
    assert asked(site, "GET", ROUTE).json() == before


REQUESTS = {
    "listing": ("GET", ROUTE, None),
    "making": ("POST", ROUTE, {"name": "mine", "role": "administrator"}),
    "showing": ("GET", f"{ROUTE}/administrator", None),
    "showing one that does not exist": ("GET", f"{ROUTE}/nobody", None),
    "revoking": ("POST", f"{ROUTE}/administrator/revoke", None),
    "taking back": ("POST", f"{ROUTE}/administrator/reinstate", {"reason": "why"}),
}


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMINISTRATOR])
@pytest.mark.parametrize("sentence", REQUESTS)
def test_nobody_else_may_and_nobody_is_told_which_exist(site: Application, sentence: str, role: Role) -> None:
    before = asked(site, "GET", ROUTE).json()
    method, target, document = REQUESTS[sentence]
    assert code(asked(site, method, target, document, role=role)) == "access-denied"
    assert site.ask(method, target).status_code == 401
    assert asked(site, "GET", ROUTE).json() == before


@pytest.mark.parametrize("name", ["nobody", "ADMINISTRATOR", "%00", "administrator%20", ID])
@pytest.mark.parametrize("step", ["", "/revoke", "/reinstate"])
def test_what_is_not_there_is_not_found(site: Application, name: str, step: str) -> None:
    method = "POST" if step else "GET"
    document = {"reason": "why"} if step == "/reinstate" else None
    assert code(asked(site, method, f"{ROUTE}/{name}{step}", document)) == "api-token-not-found"


def test_a_reason_is_needed_to_take_one_back(site: Application) -> None:
    for document in ({}, {"reason": ""}, {"reason": "a" * 401}, {"reason": 1}):
        assert code(asked(site, "POST", f"{ROUTE}/reader/reinstate", document)) == "invalid-request"


class TestLeakPatterns:
    """The patterns on the page find tokens in what people commit, and the key's names are none."""

    PAGE = (DOCS / "operations/running.md").read_text(encoding="utf-8")
    (GITLEAKS,) = re.findall(r"^regex = '''(.+)'''$", PAGE, re.MULTILINE)
    (GITHUB,) = re.findall(r"^(\\bas\[tx\]_.+)$", PAGE, re.MULTILINE)

    @pytest.mark.parametrize("around", ["{}", 'TOKEN="{}"', "Authorization: Bearer {}\n", "token={}&a=b", "'{}',"])
    def test_a_token_is_found(self, around: str) -> None:
        session = TokenText.make("asx").text
        texts = ((self.GITLEAKS, NEW), (self.GITHUB, NEW), (self.GITLEAKS, OLD), (self.GITLEAKS, session))
        for pattern, text in texts:
            found = re.search(pattern, around.format(text))
            assert found is not None
            assert found[0] == text

    @pytest.mark.parametrize(
        "text", [f"ast_{ID}", f"ast_{ID}_", f"xast_{ID}_{'a' * 49}", KEY, f"ast_{'G' * 16}_{'a' * 49}"]
    )
    def test_what_is_none_is_not(self, text: str) -> None:
        assert not re.search(self.GITLEAKS, text)
        assert not re.search(self.GITHUB, text)
