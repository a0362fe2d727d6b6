"""docs/api/routes.md against the application: every route, who may use it, and an example for each."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from signer.domain.access.actions import KEY_ACTIONS
from signer.domain.identity import Role
from signer.services.access import Extent
from signer.web.dialect_routes import DIALECT_ROUTES, EVERY_ROUTE
from signer.web.families import family_of
from signer.web.routes import Route
from tests.docs.application import KEY, Application, application
from tests.docs.pages import DOCS, ROOT, quoted, section, sections
from tests.support.roles import ROLE_ACTIONS

PAGE = "api/routes.md"
ANYONE = "anyone"
PROVED = "anyone with credentials"
GATEWAY = "a gateway"
A_USER = "a user"
# Whose credentials are looked at by the route itself.
LOGIN = "POST /api/management/v1/useradm/auth/login"
EXTENTS = {Extent.ONE: "", Extent.SOME: " of some key", Extent.ALL: " of every key"}
_ROUTE = re.compile(r"`(GET|POST|PUT|PATCH|DELETE) (/\S*)`")
_WHO = re.compile(r"^- \*Who\*: (.+)\.$")
# The names of path parameters on the page, by their names in the code.
PARAMETERS = {"number": "n"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    made = application(tmp_path_factory.mktemp("documented"))
    yield made
    made.close()


def _documented() -> dict[str, str]:
    """Each documented route, such as ``GET /v1/keys``, and what its line says of who may."""
    found = {}
    for item in sections(PAGE):
        route = _ROUTE.fullmatch(item.heading)
        if route:
            (who,) = (match for line in item.lines if (match := _WHO.match(line)))
            found[f"{route[1]} {route[2]}"] = who[1]
    return found


DOCUMENTED = _documented()


def _real() -> dict[str, Route]:
    def written(match: re.Match[str]) -> str:
        return "{" + PARAMETERS.get(match[1], match[1]) + "}"

    return {f"{route.method} {re.sub('{([^}]+)}', written, route.path)}": route for route in EVERY_ROUTE}


REAL = _real()


def _who(route: Route) -> str:
    if route.action is not None:
        return f"`{route.action}`{EXTENTS[route.extent]}"
    if route.internal:
        return GATEWAY
    if route.own:
        return A_USER
    return PROVED if route.for_all_proved else ANYONE


def test_every_route_is_documented_with_who_may_and_every_documented_route_exists() -> None:
    assert {name: _who(route) for name, route in REAL.items()} == DOCUMENTED


def test_an_action_that_is_done_with_a_key_says_with_which() -> None:
    for route in EVERY_ROUTE:
        if route.action in KEY_ACTIONS:
            assert route.names_key is (route.extent is Extent.ONE), route.path


@pytest.mark.parametrize("route", DOCUMENTED)
def test_a_route_has_an_example_that_calls_it(route: str) -> None:
    method, path = route.split()
    text = (DOCS / PAGE).read_text(encoding="utf-8").partition(f"### `{route}`")[2].partition("\n##")[0]
    (example,) = re.findall(r"```sh\n(.+?)```", text, re.DOTALL)
    url = re.escape(path)
    forms = {"key": "[a-z]+", "name": "[a-z]+", "n": "[0-9]+", "tile": "[0-9/.p]+", "email": "[a-z@.]+", "ca": "[a-z]+"}
    forms["hash"] = "[a-z0-9-]+"
    ids = dict.fromkeys(("approval", "device", "auth_set", "jti", "user"), "[a-z0-9-]+")
    for parameter, value in (forms | ids).items():
        url = url.replace(rf"\{{{parameter}\}}", value)
    service = "http://localhost" if REAL[route].internal else r"\$ARTIFACT_SIGNER_URL"
    assert re.search(rf'{service}{url}[?"]', example)
    asked = re.search(r"--request (\w+)", example)
    posts = re.search(r"--(?:json|data-binary) ", example)
    assert (asked[1] if asked else "POST" if posts else "GET") == method


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("route", DOCUMENTED)
def test_a_route_refuses_roles_that_may_not_and_no_others(service: Application, route: str, role: Role) -> None:
    if REAL[route].own or REAL[route] in DIALECT_ROUTES:
        return  # tests/signer/users asks them as users, tests/signer/web/test_vault.py in their own words
    action = REAL[route].action
    allowed = action is None or action in ROLE_ACTIONS[role]
    assert (_status(service, route, service.credentials[role]) != 403) is allowed


@pytest.mark.parametrize("route", [route for route in DOCUMENTED if route != LOGIN])
def test_a_route_asks_for_credentials_unless_it_is_for_anyone(service: Application, route: str) -> None:
    unproved = family_of(route.partition(" ")[2]).status(401)
    assert (_status(service, route, None) != unproved) is (DOCUMENTED[route] in (ANYONE, GATEWAY))


def _status(service: Application, route: str, authorization: str | None) -> int:
    method, path = route.split()
    tile = "000" if "/entries/" in path else "0/000"
    path = path.replace("{key}", KEY).replace("{name}", "nobody").replace("{n}", "1").replace("{tile}", tile)
    path = path.replace("{ca}", "nobody").replace("{hash}", "sha2-256")
    for name in ("approval", "device", "auth_set", "jti"):
        path = path.replace("{" + name + "}", "0" * 32)
    return service.ask(method, path, authorization).status_code


def test_the_roles_are_listed_with_what_they_may_do() -> None:
    table = section(PAGE, "Who may").table("role")
    listed = {quoted(role)[0]: set(quoted(actions)) for role, actions in table.rows}
    assert listed == {role.value: {action.value for action in ROLE_ACTIONS[role]} for role in Role}


def test_every_route_that_another_page_names_exists() -> None:
    real = {re.sub(r"\{\w+\}", "{}", route) for route in REAL}
    for page in [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]:
        for method, path in _ROUTE.findall(page.read_text(encoding="utf-8")):
            assert re.sub(r"\{\w+\}", "{}", f"{method} {path.partition('?')[0]}") in real, (page, method, path)
