"""What HTTP asks of every answer, whatever the route: Allow, HEAD, OPTIONS, one spelling of a path, never HTML."""

from __future__ import annotations

import pytest

from signer.domain.identity import Role
from signer.web.problems import MEDIA_TYPE
from tests.docs.application import KEY, Application
from tests.support.asking import Reply

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ODD_METHODS = ("BREW", "PROPFIND")
ROUTES = {
    "/healthz": {"GET", "HEAD", "OPTIONS"},
    "/readyz": {"GET", "HEAD", "OPTIONS"},
    "/v1/events": {"GET", "HEAD", "OPTIONS"},
    "/v1/keys": {"GET", "HEAD", "OPTIONS", "POST"},
    f"/v1/keys/{KEY}": {"GET", "HEAD", "OPTIONS"},
    f"/v1/keys/{KEY}/signatures": {"OPTIONS", "POST"},
    f"/v1/keys/{KEY}/versions/1/certificate": {"GET", "HEAD", "OPTIONS", "POST", "PUT"},
}
NO_ROUTES = {
    "nothing": "",
    "the root": "/",
    "a slash at the end": "/v1/keys/",
    "a slash at the end of an operation": "/healthz/",
    "a slash at the end of a key": f"/v1/keys/{KEY}/",
    "a slash at the end of a step": f"/v1/keys/{KEY}/rotate/",
    "a double slash within": "/v1//keys",
    "a double slash before the key": f"/v1/keys//{KEY}",
    "a double slash before a version": f"/v1/keys/{KEY}/versions//1/certificate",
    "a double slash at the end": "/v1/keys//",
    "a double slash at the beginning": "//v1/keys",
    "many slashes at the beginning": "////healthz",
    "another host at the beginning": "//example.org/v1/keys",
    "a slash that is encoded": "/v1/keys/%2F",
    "capitals": "/V1/keys",
    "a version that is no number": f"/v1/keys/{KEY}/versions/one/certificate",
    "a version that is negative": f"/v1/keys/{KEY}/versions/-1/certificate",
    "a file": "/index.html",
    "static files": "/static/app.css",
}


def ask(site: Application, method: str, path: str) -> Reply:
    """The path exactly as it is, as an administrator."""
    return site.ask(method, path, site.credentials[Role.ADMINISTRATOR])


@pytest.mark.parametrize("method", [*METHODS, *ODD_METHODS])
@pytest.mark.parametrize("path", ROUTES)
def test_a_method_that_a_route_lacks_is_refused_with_those_it_has(site: Application, path: str, method: str) -> None:
    answer = ask(site, method, path)
    assert (answer.status_code == 405) is (method not in ROUTES[path])
    if answer.status_code == 405:
        assert answer.headers["allow"] == ", ".join(sorted(ROUTES[path]))
        assert answer.content_type == MEDIA_TYPE
        assert method == "HEAD" or answer.json()["code"] == "method-not-allowed"


@pytest.mark.parametrize("method", [*METHODS, *ODD_METHODS])
@pytest.mark.parametrize("sentence", NO_ROUTES)
def test_a_path_has_one_spelling_and_others_lead_nowhere(site: Application, sentence: str, method: str) -> None:
    answer = ask(site, method, NO_ROUTES[sentence])
    assert (answer.status_code, answer.content_type) == (404, MEDIA_TYPE)
    assert "location" not in answer.headers
    if method != "HEAD":
        assert answer.json()["code"] == "route-not-found"


@pytest.mark.parametrize("path", [path for path, methods in ROUTES.items() if "GET" in methods])
def test_head_is_get_without_the_body(site: Application, path: str) -> None:
    got, head = ask(site, "GET", path), ask(site, "HEAD", path)
    assert head.status_code == got.status_code
    assert head.data == b""
    assert got.data != b""
    for name in ("content-type", "content-length"):
        assert head.headers[name] == got.headers[name]


@pytest.mark.parametrize("path", ROUTES)
def test_options_says_what_is_allowed_and_has_no_media_type(site: Application, path: str) -> None:
    answer = ask(site, "OPTIONS", path)
    assert (answer.status_code, answer.data) == (200, b"")
    assert {part.strip() for part in answer.headers["allow"].split(",")} == ROUTES[path]
    assert "content-type" not in answer.headers


@pytest.mark.parametrize("path", [*ROUTES, *NO_ROUTES.values()])
def test_every_answer_has_its_request_id(site: Application, path: str) -> None:
    for method in METHODS:
        answer = ask(site, method, path)
        request_id = answer.headers["x-request-id"]
        if answer.content_type == MEDIA_TYPE and method != "HEAD":
            assert answer.json()["request_id"] == request_id
