"""What answers below ``/api/`` have for Mender's clients, and no other answer has."""

from __future__ import annotations

import json

import pytest

from signer.errors import KeyNotFound
from signer.web.families import Family, family_of
from signer.web.problems import problem_of
from tests.docs.application import Application

UNKNOWN = "/api/management/v2/devauth/nowhere"
OURS = 16  # hex digits

CLAIMED = {
    "a UUID is kept": ("36e7a9b0-4a2f-4c8e-9b1d-2f1c9f0d6a3b", True),
    "one character is kept": ("x", True),
    "64 characters are kept": ("x" * 64, True),
    "65 characters are not": ("x" * 65, False),
    "nothing is not": ("", False),
    "a line end is not": ("abc\nlevel=error", False),
    "a space is not": ("a b", False),
    "another script is not": ("é", False),
    "what could be an option is not": ("-x", False),
    "quotes are not": ('a"b', False),
}


@pytest.mark.parametrize("sentence", CLAIMED)
def test_a_client_of_mender_may_name_its_request(site: Application, sentence: str) -> None:
    claimed, kept = CLAIMED[sentence]
    answer = site.front_ask("GET", UNKNOWN, {"X-MEN-RequestID": claimed})
    told = answer.headers["x-men-requestid"]
    assert (told == claimed) is kept
    assert kept or len(told) == OURS
    assert answer.headers["x-request-id"] == told
    assert answer.json()["request_id"] == told


def test_its_refusals_have_the_sentence_where_its_clients_look(site: Application) -> None:
    document = site.ask("GET", UNKNOWN).json()
    assert document["error"] == document["detail"]
    assert document["code"] == "route-not-found"


@pytest.mark.parametrize("path", ["/v1/nowhere", "/nowhere", "/apis", "/API/management"])
def test_other_answers_have_neither(site: Application, path: str) -> None:
    answer = site.front_ask("GET", path, {"X-MEN-RequestID": "mine"})
    assert "x-men-requestid" not in answer.headers
    assert answer.headers["x-request-id"] != "mine"
    assert "error" not in answer.json()


def test_flask_alone_answers_in_the_same_form(site: Application) -> None:
    answer = site.app.test_client().get(UNKNOWN, headers={"X-MEN-RequestID": "mine"})
    assert answer.headers["X-MEN-RequestID"] == answer.headers["X-Request-Id"] == "mine"
    assert json.loads(answer.data)["error"] == "there is no such route"


def test_the_family_is_told_by_the_beginning_of_a_path() -> None:
    assert family_of("/api/devices/v1/x") is Family.MENDER
    assert family_of("/v1/api/") is Family.NATIVE


def test_a_refusal_of_ours_has_no_such_member() -> None:
    document = json.loads(problem_of(KeyNotFound(key="k")).document("id"))
    assert "error" not in document


STATUSES = {
    # Vault's clients ask again after 412, 429 and 5xx: nothing that is denied is one of these.
    Family.VAULT: {400: 400, 401: 403, 403: 403, 404: 404, 405: 405, 409: 400, 412: 400, 429: 403, 500: 500, 507: 503},
    Family.SIGNSERVER: {401: 400, 403: 400, 404: 404, 405: 405, 412: 400, 429: 400, 500: 500, 507: 503},
    Family.MENDER: {401: 401, 412: 412, 429: 429, 507: 507},
    Family.NATIVE: {401: 401, 412: 412, 429: 429, 507: 507},
}


@pytest.mark.parametrize("family", STATUSES)
def test_a_status_is_one_that_the_familys_clients_know(family: Family) -> None:
    assert {status: family.status(status) for status in STATUSES[family]} == STATUSES[family]
