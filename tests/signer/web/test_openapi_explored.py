"""schemathesis asks every operation for what the description allows, and for what it does not.

Nothing is answered that the description does not have, and nothing with 500. The seed is fixed: the same is asked each
time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode, Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.asking import ask
from tests.support.clock import ManualClock
from tests.support.databases import migrate
from tests.support.described import document
from tests.support.user_site import UserSite, basic, user_site

CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
READS_JSON = (response_schema_conformance,)
SEED = 23
schemathesis.serializer.alias("application/x-pem-file", "text/plain")


@schemathesis.deserializer("application/x-pem-file", "application/vnd.mender-artifact")
def _as_it_is(_context: object, answer: Response) -> str:
    return answer.content.decode("latin-1")


SCHEMA = schemathesis.openapi.from_dict(document())
OPERATIONS = {result.ok().label: result.ok() for result in SCHEMA.get_all_operations()}
SELF, OTHER = "explorer@example.com", "other@example.com"
# What is there to be found; half of all cases are about it.
KNOWN = {"key": "firmware", "number": 1, "name": "known", "email": OTHER, "tile": "0/000.p/1"}
GATEWAYS = "/api/internal/"


@pytest.fixture(scope="module")
def explored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UserSite]:
    """A service with a key, users, a person, a group and an API token."""
    folder = tmp_path_factory.mktemp("explored")
    url = f"sqlite:///{folder}/test.sqlite"
    migrate(url)
    with user_site(url, folder, ManualClock()) as site:
        site.house.create("firmware")
        site.create(SELF)
        site.create(OTHER)
        for path in ("people", "groups", "api-tokens"):
            site.ask("POST", f"/v1/{path}", site.admin, {"name": "known"})
        yield site


@pytest.mark.no_cover  # what makes up the requests takes most of the time, and each route has tests that are counted
@pytest.mark.parametrize("label", OPERATIONS)
def test_an_operation_keeps_to_its_description(explored: UserSite, label: str) -> None:
    _explore(explored, label, examples=2)


@pytest.mark.slow
@pytest.mark.no_cover
@pytest.mark.parametrize("label", OPERATIONS)
def test_an_operation_keeps_to_its_description_for_long(explored: UserSite, label: str) -> None:
    _explore(explored, label, examples=25)


def _explore(site: UserSite, label: str, *, examples: int) -> None:
    operation, headers = OPERATIONS[label], _credentials(site, label)
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        if mode is GenerationMode.NEGATIVE and not _refusable(operation):
            continue
        _run(
            operation.as_strategy(generation_mode=mode), lambda case, known: _ask(site, case, headers, known), examples
        )


def _run(cases: st.SearchStrategy[Any], act: Callable[[Any, bool], None], examples: int) -> None:
    @seed(SEED)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[*HealthCheck],
    )
    @given(case=cases, known=st.booleans())
    def asked(case: Any, known: bool) -> None:
        act(case, known)

    asked()


def _refusable(operation: Any) -> bool:
    """Whether there is anything in it that can be wrong."""
    if operation.body or operation.query or operation.headers:
        return True
    # A text that may be anything cannot be wrong.
    return any(each.definition["schema"] != {"type": "string"} for each in operation.path_parameters)


def _credentials(site: UserSite, label: str) -> dict[str, str]:
    told = document()["paths"][label.partition(" ")[2]][label.partition(" ")[0].lower()]
    schemes = {name for each in told["security"] for name in each}
    site.clock.advance(seconds=60)
    if "password" in schemes:
        return basic(SELF, "correct horse battery")
    if "userToken" in schemes and "apiToken" not in schemes:
        return site.session(SELF)
    return dict(site.admin)


def _ask(site: UserSite, case: Any, headers: dict[str, str], known: bool) -> None:
    if known:
        case.path_parameters = {name: KNOWN.get(name, value) for name, value in (case.path_parameters or {}).items()}
    prepared = requests.Request(**_sent(case)).prepare()
    fields = {name: str(value) for name, value in prepared.headers.items() if name.lower() != "host"} | headers
    body = prepared.body or b""
    reply = ask(
        site.front,
        case.method.upper(),
        prepared.path_url,
        headers=fields,
        body=body.encode() if isinstance(body, str) else bytes(body),
    )
    assert reply.status_code != 500, reply.data
    answer = Response(
        status_code=reply.status_code,
        headers={name: [value] for name, value in reply.headers.items()},
        content=reply.data,
        request=prepared,
        elapsed=0.0,
        verify=False,
    )
    case.validate_response(answer, checks=[each for each in CHECKS if not (each in READS_JSON and _is_token(answer))])


def _is_token(answer: Response) -> bool:
    # schemathesis takes application/jwt for JSON; `ask` has looked at it.
    return answer.headers.get("content-type") == ["application/jwt"]


def _sent(case: Any) -> dict[str, Any]:
    known = case.as_transport_kwargs(base_url="http://test")
    return {
        name: known[name] for name in ("method", "url", "headers", "params", "data", "json", "cookies") if name in known
    }
