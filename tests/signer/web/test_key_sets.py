"""The public keys of tokens: for anybody, to be kept for a minute, of one kind each."""

from __future__ import annotations

import pytest

from tests.docs.application import Application

PATHS = {
    "user-token": "/.well-known/jwks/user-token.json",
    "device-token": "/.well-known/jwks/device-token.json",
}


@pytest.mark.parametrize("path", PATHS.values())
def test_a_set_is_for_anybody_and_may_be_kept_for_a_minute(site: Application, path: str) -> None:
    answer = site.ask("GET", path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/jwk-set+json")
    assert answer.headers["cache-control"] == "public, max-age=60"
    assert answer.json() == {"keys": []}


REFUSED = {
    "another name": ("GET", "/.well-known/jwks/artifact.json", 404),
    "the log's keys": ("GET", "/.well-known/jwks/log.json", 404),
    "another spelling": ("GET", "/.well-known/jwks/user%2Dtoken.json", 404),
    "a parameter": ("GET", "/.well-known/jwks/user-token.json?purpose=artifact", 400),
    "another method": ("POST", "/.well-known/jwks/user-token.json", 405),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_nothing_else_is_a_set(site: Application, sentence: str) -> None:
    method, target, status = REFUSED[sentence]
    assert site.ask(method, target).status_code == status
