"""The description of the routes: whole, valid, and held against what is answered."""

from __future__ import annotations

import json
import re

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from signer.domain.identity import Role
from signer.web.dialect_routes import EVERY_ROUTE
from signer.web.openapi.catalogue import FAMILIES, OPERATIONS
from signer.web.openapi.document import openapi_document
from signer.web.openapi.parameters import PATH_PARAMETERS
from signer.web.openapi.refusals import of_artifacts, statuses
from signer.web.routes import Route
from tests.docs.application import Application
from tests.docs.pages import DOCS, quoted, sections
from tests.docs.test_routes import PAGE, REAL
from tests.support.described import CHECKED, check_answer, document, response

KEYS = EVERY_ROUTE[[route.name for route in EVERY_ROUTE].index("list_keys")]
ID = {"request_id": "1"}
REFUSAL = {
    "type": "urn:artifact-signer:problem:access-denied",
    "title": "access denied",
    "status": 403,
    "code": "access-denied",
    "detail": "no",
    **ID,
}
PROBLEM = "application/problem+json"


def test_every_route_has_an_operation_and_every_operation_a_route() -> None:
    assert {route.name for route in EVERY_ROUTE} == set(OPERATIONS)


def test_an_operation_belongs_to_one_family() -> None:
    assert sum(len(operations) for operations in FAMILIES.values()) == len(OPERATIONS)


def test_every_parameter_of_a_path_is_described_and_no_other() -> None:
    assert {name for route in EVERY_ROUTE for name in route.parameters} == set(PATH_PARAMETERS)


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_codes_of_an_operation_exist(name: str) -> None:
    assert set(OPERATIONS[name].refusals) <= {*statuses(), *of_artifacts()}


def test_the_document_is_openapi() -> None:
    validate(document())


def test_it_is_served_to_credentials_and_says_where_the_service_is(site: Application) -> None:
    answer = site.ask("GET", "/v1/openapi.json", site.credentials[Role.READER])
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.json() == json.loads(json.dumps(openapi_document(url=None)))
    assert document()["servers"] == [{"url": "https://signer.example"}]
    assert site.ask("GET", "/v1/openapi.json").status_code == 401
    assert site.ask("GET", "/v1/openapi.json?of=all", site.credentials[Role.READER]).status_code == 400


BOUNDS = {
    "a page of leaves": ("/v1/log/entries", "limit", {"minimum": 1, "maximum": 1000}),
    "a revision": ("/v1/policy", "revision", {"minimum": 1, "maximum": (1 << 63) - 1}),
    "a page of devices": ("/api/management/v2/devauth/devices", "per_page", {"minimum": 1, "maximum": 500}),
}


@pytest.mark.parametrize("sentence", BOUNDS)
def test_bounds_of_numbers_are_told_in_words_of_json_schema(sentence: str) -> None:
    path, name, bounds = BOUNDS[sentence]
    (told,) = (each for each in document()["paths"][path]["get"]["parameters"] if each["name"] == name)
    assert told["schema"].items() >= {"type": "integer", **bounds}.items()
    assert not {"ge", "le", "gt", "lt"} & told["schema"].keys()


def test_operations_have_names_of_their_own() -> None:
    names = [told["operationId"] for path in document()["paths"].values() for told in path.values()]
    assert len(set(names)) == len(EVERY_ROUTE)


def _codes(route: Route, status: int) -> set[str]:
    return set(response(route, status)["content"][PROBLEM]["schema"]["properties"]["code"]["enum"])


def _documented() -> dict[str, set[str]]:
    """The codes that docs/api/routes.md names for each route."""
    named = {}
    for item in sections(PAGE):
        route = re.fullmatch(r"`(\w+ /\S*)`", item.heading)
        if route:
            lines = [line for line in item.lines if line.startswith(("- *Errors*:", "- *Refusals*:"))]
            named[route[1]] = {code for line in lines for code in quoted(line) if code in statuses()}
    return named


DOCUMENTED = _documented()
# Whose body is the device, as Mender's gateways read it.
OWN_FORM = {"device-known"}


@pytest.mark.parametrize("route", [name for name, codes in DOCUMENTED.items() if codes])
def test_what_the_page_says_of_refusals_is_described(route: str) -> None:
    for code in DOCUMENTED[route] - OWN_FORM:
        assert code in _codes(REAL[route], statuses()[code])


def test_the_refusal_that_the_page_shows_is_one() -> None:
    (shown,) = re.findall(r"```json\n(.+?)```", (DOCS / "api" / "errors.md").read_text(), re.DOTALL)
    problem = json.loads(shown)
    schema = {**document()["components"]["schemas"]["Problem"], "additionalProperties": False}
    assert [*Draft202012Validator(schema).iter_errors(problem)] == []
    assert statuses()[problem["code"]] == problem["status"]


def test_answers_are_checked_wherever_tests_ask() -> None:
    assert CHECKED


WRONG = {
    "a status that is not there": (418, PROBLEM, REFUSAL),
    "a media type that is not there": (200, "text/html", {"keys": []}),
    "a member that is not there": (200, "application/json", {"keys": [], "more": 1}),
    "a member that is missing": (200, "application/json", {}),
    "a member of another type": (200, "application/json", {"keys": {}}),
    "a refusal with a code of another route": (403, PROBLEM, {**REFUSAL, "code": "vote-refused"}),
    "a refusal with another status in it": (403, PROBLEM, {**REFUSAL, "status": 401}),
    "a refusal with a member that none has": (403, PROBLEM, {**REFUSAL, "error": "no"}),
    "a refusal that is no problem document": (403, "application/json", REFUSAL),
}


@pytest.mark.parametrize("sentence", WRONG)
def test_an_answer_that_is_not_described_is_found(sentence: str) -> None:
    status, kind, document = WRONG[sentence]
    with pytest.raises(AssertionError):
        _check(status, kind, document)


def test_answers_that_are_described_pass() -> None:
    _check(200, "application/json", {"keys": []})
    _check(403, PROBLEM, REFUSAL)


def test_a_body_that_was_taken_and_is_not_described_is_found() -> None:
    body = json.dumps({"name": "ada", "nick": "a"}).encode()
    with pytest.raises(AssertionError, match="would not take"):
        check_answer("POST", "/v1/groups", body, status=201, content_type="application/json", data=_GROUP)
    check_answer("POST", "/v1/groups", b'{"name": "a"}', status=201, content_type="application/json", data=_GROUP)


_GROUP = b'{"name": "a", "created_at": "2030-01-31T12:00:00Z", "members": []}'


def _check(status: int, kind: str, content: object) -> None:
    data = json.dumps(content).encode()
    check_answer("GET", KEYS.path, b"", status=status, content_type=kind, data=data)
