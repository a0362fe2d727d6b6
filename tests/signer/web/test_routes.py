"""One table of routes for the front and Flask, and one spelling for each path."""

from __future__ import annotations

import ipaddress
from urllib.parse import unquote_to_bytes

import pytest
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from signer.domain.identity import Role
from signer.web.front.metrics import CONTENT_TYPE
from signer.web.routes import AUTOMATIC, LONGEST_KEPT, PATHS_KEPT, ROUTES, RouteTable
from tests.docs.application import KEY, Application

TABLE = RouteTable()
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW")
SPELLINGS = {
    "as it is": "/v1/keys/{key}/versions/1/certificate",
    "a key": "/v1/keys/{key}",
    "the signing route": "/v1/keys/{key}/signatures",
    "an encoded slash before the last part": "/v1/keys/{key}%2Fsignatures",
    "an encoded slash in lower case": "/v1/keys/{key}%2fpublic-keys",
    "an encoded slash at the beginning": "/%2Fv1/keys",
    "an encoded slash at the end": "/v1/keys/{key}/signatures%2F",
    "a letter of a literal part encoded": "/v1/key%73",
    "a letter of the operation encoded": "/v1/keys/{key}/%73ignatures",
    "a letter of the key encoded": "/v1/keys/%64ocumented",
    "a key that is not UTF-8": "/v1/keys/%ff",
    "a key with an encoded percent sign": "/v1/keys/a%252Fb",
    "a lone percent sign": "/v1/keys/%",
    "two slashes at the beginning": "//v1/keys",
    "two slashes in the middle": "/v1//keys",
    "two slashes before the operation": "/v1/keys/{key}//signatures",
    "a slash at the end": "/v1/keys/{key}/signatures/",
    "a part that goes up": "/v1/keys/../keys",
    "a part that goes up, encoded": "/v1/keys/%2e%2e/keys",
    "a part that stays": "/v1/./keys",
    "up into the signing route": "/v1/keys/{key}/versions/../signatures",
    "an empty key": "/v1/keys//signatures",
    "a parameter of a path": "/v1/keys;a=b",
    "a version with a leading zero": "/v1/keys/{key}/versions/01/certificate",
    "a version of too many digits": "/v1/keys/{key}/versions/1234567890/certificate",
    "a version that is encoded": "/v1/keys/{key}/versions/%31/certificate",
    "capitals": "/V1/KEYS",
    "nothing": "/",
    "a whole URL": "http://example.org/v1/keys",
    "an asterisk": "*",
}
# What leads somewhere, and where; everything else leads nowhere, whatever a proxy makes of it.
LEADS = {
    "as it is": "/v1/keys/{key}/versions/{number}/certificate",
    "a key": "/v1/keys/{key}",
    "the signing route": "/v1/keys/{key}/signatures",
    "a letter of the key encoded": "/v1/keys/{key}",
    "a key with an encoded percent sign": "/v1/keys/{key}",
    "a lone percent sign": "/v1/keys/{key}",
    "a part that goes up": None,
}


def spelled(sentence: str) -> str:
    return SPELLINGS[sentence].replace("{key}", KEY)


@pytest.mark.parametrize("sentence", SPELLINGS)
def test_a_spelling_leads_where_it_should_and_nowhere_else(sentence: str) -> None:
    match = TABLE.match(spelled(sentence).encode())
    paths = {route.path for route in match.routes.values()} if match else {None}
    assert paths == {LEADS.get(sentence)}


@pytest.mark.parametrize("sentence", SPELLINGS)
def test_a_path_leads_where_it_led_before(sentence: str) -> None:
    path, table = spelled(sentence).encode(), RouteTable()
    for length in (0, LONGEST_KEPT):
        # Of the same ends, and longer than what is kept.
        other = path.replace(KEY.encode(), KEY.encode() + b"x" * length)
        assert table.match(path) == table.match(path) == RouteTable().match(path)
        assert table.match(other) == table.match(other) == RouteTable().match(other)


def test_what_is_kept_of_paths_is_bounded() -> None:
    table = RouteTable()
    for number in range(PATHS_KEPT + 50):
        match = table.match(b"/v1/keys/k%d" % number)
        assert match is not None
        assert match.values == (f"k{number}",)
    table.match(b"/v1/keys/" + b"k" * LONGEST_KEPT)
    assert table._known.cache_info()[2:] == (PATHS_KEPT, PATHS_KEPT)
    assert table._known.cache_info().misses == PATHS_KEPT + 50


def flask_methods(site: Application, path: str) -> set[str]:
    """The methods that Flask's router has for a path."""
    adapter = site.app.url_map.bind("test")
    found = set()
    for method in METHODS:
        try:
            adapter.match(unquote_to_bytes(path).decode("latin-1"), method)
            found.add(method)
        except MethodNotAllowed:
            continue
        except (NotFound, HTTPException):
            return set()
    return found


@pytest.mark.parametrize("sentence", LEADS)
def test_flask_finds_what_the_front_hands_on_and_no_route_of_the_front(site: Application, sentence: str) -> None:
    match = TABLE.match(spelled(sentence).encode())
    if match is None:
        return
    handed_on = {route.method for route in match.routes.values() if not route.in_front}
    automatic = AUTOMATIC if "GET" in handed_on else AUTOMATIC - {"HEAD"}
    assert flask_methods(site, spelled(sentence)) == (handed_on | automatic if handed_on else set())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("sentence", SPELLINGS)
def test_the_front_answers_as_its_table_says(site: Application, sentence: str, method: str) -> None:
    answer = site.ask(method, spelled(sentence), site.credentials[Role.ADMINISTRATOR])
    match = TABLE.match(spelled(sentence).encode())
    if match is None:
        assert answer.status_code == 404
        assert method == "HEAD" or answer.json()["code"] == "route-not-found"
    elif method == "OPTIONS":
        assert (answer.status_code, answer.headers["allow"]) == (200, ", ".join(match.allowed))
    else:
        assert (answer.status_code == 405) is (match.route(method) is None)


def test_every_route_is_known_to_one_side() -> None:
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)
    assert {route.name for route in ROUTES if route.in_front} >= {"sign", "sign_artifact", "healthz", "readyz"}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_a_caller_is_asked_who_it_is_before_its_body(site: Application, route: object) -> None:
    path = route.path.replace("{key}", KEY).replace("{number}", "1")  # type: ignore[attr-defined]
    method, asks_who = route.method, route.asks_who  # type: ignore[attr-defined]
    answer = site.ask(method, path, None, b"x" * (1 << 20))
    assert (answer.status_code == 401) is asks_who


def test_a_body_that_is_too_large_never_reaches_flask(site: Application) -> None:
    answer = site.ask("POST", "/v1/keys", site.credentials[Role.ADMINISTRATOR], b" " * (1 << 20))
    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")


def test_metrics_are_for_credentials_and_listed_addresses_never_for_strangers(site: Application) -> None:
    assert site.ask("GET", "/metrics").status_code == 401
    assert site.ask("GET", "/metrics", "Bearer nonsense").status_code == 401
    reader = site.ask("GET", "/metrics", site.credentials[Role.READER])
    assert (reader.status_code, reader.content_type) == (200, CONTENT_TYPE)
    assert b"artifact_signer_requests_total" in reader.data
    site.front._listed = (ipaddress.ip_network("127.0.0.0/8"),)
    try:
        assert site.ask("GET", "/metrics").status_code == 200
        assert site.ask("GET", "/v1/keys").status_code == 401
        site.front._listed = (ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network("::/0"))
        assert site.ask("GET", "/metrics").status_code == 401
    finally:
        site.front._listed = ()
