"""What users do for themselves: sessions, passwords, second factors, personal access tokens; and what they cannot."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from signer.services.former_sessions import FormerSessions
from tests.signer.users.test_login import OTHER, enrolled
from tests.support.user_site import EMAIL, PASSWORD, USERADM, UserSite, bearer

ME = f"{USERADM}/users/me"
TOKENS = f"{USERADM}/settings/tokens"
Header = dict[str, str]


def _personal(site: UserSite, session: Header, name: str = "ci", seconds: int = 3600) -> Header:
    made = site.ask("POST", TOKENS, session, {"name": name, "expires_in": seconds})
    assert (made.status_code, made.content_type) == (200, "application/jwt"), made.data
    return bearer(made.data.decode())


def _status(site: UserSite, header: Header) -> int:
    return site.ask("GET", ME, header).status_code


def _jti(header: Header) -> str:
    payload = header["Authorization"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return str(claims["jti"])


def test_a_user_sees_themselves(site: UserSite) -> None:
    site.create()
    session = site.session()
    me = site.ask("GET", ME, session).json()
    assert (me["email"], me["roles"], me["tfa_status"]) == (EMAIL, ["device-manager"], "disabled")
    assert me["login_ts"]
    assert site.ask("GET", f"{USERADM}/users/{me['id']}", session).json() == me


def test_logging_out_ends_the_token_and_no_other(site: UserSite) -> None:
    site.create()
    one, other = site.session(), site.session()
    assert site.ask("POST", f"{USERADM}/auth/logout", one).status_code == 202
    assert (_status(site, one), _status(site, other)) == (401, 200)


LOGGED_OUT_ALREADY: dict[str, Header] = {
    "without a token": {},
    "with a token that is none": bearer("eyJa.b.c"),
    "with an unknown API token": bearer("ast_0123456789abcdef_" + "x" * 43),
    "with a password": {"Authorization": "Basic b3BzOng="},
}


@pytest.mark.parametrize("sentence", LOGGED_OUT_ALREADY)
def test_logging_out_is_answered_alike(site: UserSite, sentence: str) -> None:
    reply = site.ask("POST", f"{USERADM}/auth/logout", LOGGED_OUT_ALREADY[sentence])
    assert (reply.status_code, reply.data) == (202, b"")


@pytest.mark.parametrize("sentence", LOGGED_OUT_ALREADY)
def test_what_proves_nobody_here_may_have_been_issued_before(
    site: UserSite, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tokens alone are looked at."""
    shown: list[str] = []
    monkeypatch.setattr(FormerSessions, "log_out", lambda _, text: shown.append(text))
    site.ask("POST", f"{USERADM}/auth/logout", LOGGED_OUT_ALREADY[sentence])
    scheme, _, text = LOGGED_OUT_ALREADY[sentence].get("Authorization", "").partition(" ")
    assert shown == ([text] if scheme == "Bearer" else [])


def test_the_eleventh_session_ends_the_oldest(site: UserSite) -> None:
    site.create()
    sessions = []
    for _ in range(11):
        site.clock.advance(seconds=61)  # tokens are issued as often as that
        sessions.append(site.session())
    assert [_status(site, session) for session in sessions] == [401] + [200] * 10


def test_a_token_ends_at_its_end(site: UserSite) -> None:
    site.create()
    session = site.session()
    site.clock.advance(days=6, hours=23)
    assert _status(site, session) == 200
    site.clock.advance(hours=1)
    assert _status(site, session) == 401


def test_another_password_ends_all_other_sessions(site: UserSite) -> None:
    site.create()
    one, other = site.session(), site.session()
    personal = _personal(site, one)
    changed = site.ask("PUT", ME, one, {"current_password": PASSWORD, "password": OTHER})
    assert changed.status_code == 204
    assert [_status(site, header) for header in (one, other, personal)] == [200, 401, 200]
    assert [site.login(password=words).status_code for words in (PASSWORD, OTHER)] == [401, 200]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request of a user, and how it is refused."""

    method: str = "POST"
    path: str
    body: dict[str, object] = field(default_factory=dict)
    status: int
    code: str


TWO_FACTOR = f"{USERADM}/settings/2fa"
REFUSED = {
    "another password without the present one": Asked(
        method="PUT", path=ME, body={"password": OTHER}, status=422, code="current-password-wrong"
    ),
    "another password with a wrong one": Asked(
        method="PUT",
        path=ME,
        body={"password": OTHER, "current_password": OTHER},
        status=422,
        code="current-password-wrong",
    ),
    "a short password": Asked(
        method="PUT",
        path=ME,
        body={"password": "short", "current_password": PASSWORD},
        status=422,
        code="password-refused",
    ),
    "another address": Asked(method="PUT", path=ME, body={"email": "a@b"}, status=422, code="user-email-fixed"),
    "roles for oneself": Asked(
        method="PUT", path=ME, body={"roles": ["administrator"]}, status=403, code="access-denied"
    ),
    "a member that is unknown": Asked(method="PUT", path=ME, body={"admin": True}, status=400, code="invalid-request"),
    "a seed with a wrong password": Asked(
        path=TWO_FACTOR, body={"current_password": OTHER}, status=422, code="current-password-wrong"
    ),
    "a seed without a password": Asked(path=TWO_FACTOR, status=400, code="invalid-request"),
    "to confirm what is not enrolled": Asked(
        path=f"{TWO_FACTOR}/confirm", body={"token2fa": "123456"}, status=409, code="second-factor-not-enrolled"
    ),
    "to switch off what is not on": Asked(
        path=f"{TWO_FACTOR}/disable",
        body={"token2fa": "123456", "current_password": PASSWORD},
        status=409,
        code="second-factor-not-enrolled",
    ),
    "a token without an end": Asked(path=TOKENS, body={"name": "ci"}, status=400, code="invalid-request"),
    "a token that never ends": Asked(
        path=TOKENS, body={"name": "ci", "expires_in": 0}, status=400, code="user-facts-invalid"
    ),
    "a token for longer than a year": Asked(
        path=TOKENS, body={"name": "ci", "expires_in": 31_536_001}, status=400, code="user-facts-invalid"
    ),
    "a token for a number that no database counts": Asked(
        path=TOKENS, body={"name": "ci", "expires_in": 1 << 70}, status=400, code="invalid-request"
    ),
    "a token of no name": Asked(
        path=TOKENS, body={"name": " ", "expires_in": 60}, status=400, code="user-facts-invalid"
    ),
    "a token whose name is in another script": Asked(
        path=TOKENS, body={"name": "ключ", "expires_in": 60}, status=400, code="user-facts-invalid"
    ),
    "to delete a token that there is not": Asked(
        method="DELETE", path=f"{TOKENS}/x", status=404, code="personal-token-not-found"
    ),
    "other users": Asked(method="GET", path=f"{USERADM}/users", status=403, code="access-denied"),
    "another user": Asked(method="GET", path=f"{USERADM}/users/x", status=403, code="access-denied"),
    "to delete oneself": Asked(method="DELETE", path=ME, status=403, code="access-denied"),
    "the list of the native routes": Asked(method="GET", path="/v1/users", status=403, code="access-denied"),
    "to make somebody": Asked(
        path="/v1/users", body={"email": "a@b", "password": OTHER}, status=403, code="access-denied"
    ),
    "the policy": Asked(method="GET", path="/v1/policy", status=403, code="access-denied"),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_a_user_is_refused(site: UserSite, sentence: str) -> None:
    asked = REFUSED[sentence]
    site.create()
    reply = site.ask(asked.method, asked.path, site.session(), asked.body or None)
    assert (reply.status_code, reply.json()["code"]) == (asked.status, asked.code)
    assert PASSWORD.encode() not in reply.data
    assert site.login().status_code == 200


def test_guessing_the_present_password_counts_like_logging_in(site: UserSite) -> None:
    site.create()
    session = site.session()
    body = {"current_password": OTHER, "password": "a new horse battery"}
    assert [site.ask("PUT", ME, session, body).status_code for _ in range(6)] == [422] * 5 + [429]
    assert site.login().status_code == 429
    assert _status(site, session) == 200


def test_a_second_factor_is_switched_off_with_password_and_code(site: UserSite) -> None:
    site.create()
    app = enrolled(site)
    session = site.session(code=app.code())
    path = f"{TWO_FACTOR}/disable"
    site.clock.advance(seconds=60)
    wrong = [
        {"current_password": OTHER, "token2fa": app.code()},
        {"current_password": PASSWORD, "token2fa": "000000" if app.code() != "000000" else "111111"},
        {"current_password": PASSWORD, "token2fa": app.code(steps=-2)},
    ]
    assert [site.ask("POST", path, session, body).status_code for body in wrong] == [422] * 3
    again = site.ask("POST", TWO_FACTOR, session, {"current_password": PASSWORD})
    assert again.json()["code"] == "second-factor-enrolled"
    off = site.ask("POST", path, session, {"current_password": PASSWORD, "token2fa": app.code()})
    assert (off.status_code, off.json()["tfa_status"]) == (200, "disabled")
    assert site.login().status_code == 200


def test_a_seed_that_is_not_confirmed_is_asked_for_by_nobody_and_made_anew(site: UserSite) -> None:
    site.create()
    session = site.session()
    seeds = [site.ask("POST", TWO_FACTOR, session, {"current_password": PASSWORD}).json()["secret"] for _ in range(2)]
    assert seeds[0] != seeds[1]
    assert site.login().status_code == 200


def test_a_personal_access_token_is_listed_until_it_is_deleted(site: UserSite) -> None:
    site.create()
    session = site.session()
    personal = _personal(site, session, seconds=3600)
    (listed,) = site.ask("GET", TOKENS, session).json()
    assert (listed["id"], listed["name"]) == (_jti(personal), "ci")
    assert {*listed} == {"id", "name", "created_ts", "expiration_date"}
    assert _status(site, personal) == 200
    site.house.parts.users.last_uses.write()
    (listed,) = site.ask("GET", TOKENS, session).json()
    assert listed["last_used"]
    assert site.ask("DELETE", f"{TOKENS}/{_jti(personal)}", session).status_code == 204
    assert (_status(site, personal), site.ask("GET", TOKENS, session).json()) == (401, [])
    assert site.ask("DELETE", f"{TOKENS}/{_jti(personal)}", session).status_code == 404


def test_a_session_is_no_personal_access_token_to_delete(site: UserSite) -> None:
    site.create()
    session = site.session()
    assert site.ask("DELETE", f"{TOKENS}/{_jti(session)}", session).status_code == 404
    assert _status(site, session) == 200


def test_nobody_deletes_the_token_of_somebody_else(site: UserSite) -> None:
    site.create()
    site.create("other@example.com")
    personal = _personal(site, site.session())
    assert site.ask("DELETE", f"{TOKENS}/{_jti(personal)}", site.session("other@example.com")).status_code == 404
    assert _status(site, personal) == 200


def test_a_name_is_taken_once_and_there_are_ten(site: UserSite) -> None:
    site.create()
    session = site.session()
    made = [_personal(site, session, f"ci{number}") for number in range(10)]
    again = site.ask("POST", TOKENS, session, {"name": "ci0", "expires_in": 60})
    assert (again.status_code, again.json()["code"]) == (409, "personal-token-name-taken")
    one_more = site.ask("POST", TOKENS, session, {"name": "more", "expires_in": 60})
    assert (one_more.status_code, one_more.json()["code"]) == (422, "personal-tokens-exhausted")
    assert {_status(site, header) for header in made} == {200}


NOT_BY_PERSONAL_TOKENS: dict[str, Callable[[UserSite, Header], int]] = {
    "makes no other": lambda site, header: (
        site.ask("POST", TOKENS, header, {"name": "x", "expires_in": 60}).status_code
    ),
    "changes no password": lambda site, header: (
        site.ask("PUT", ME, header, {"current_password": PASSWORD, "password": OTHER}).status_code
    ),
    "enrols no second factor": lambda site, header: (
        site.ask("POST", TWO_FACTOR, header, {"current_password": PASSWORD}).status_code
    ),
    "confirms none": lambda site, header: (
        site.ask("POST", f"{TWO_FACTOR}/confirm", header, {"token2fa": "123456"}).status_code
    ),
    "switches none off": lambda site, header: (
        site.ask(
            "POST", f"{TWO_FACTOR}/disable", header, {"current_password": PASSWORD, "token2fa": "123456"}
        ).status_code
    ),
}


@pytest.mark.parametrize("sentence", NOT_BY_PERSONAL_TOKENS)
def test_a_personal_access_token(site: UserSite, sentence: str) -> None:
    site.create()
    assert NOT_BY_PERSONAL_TOKENS[sentence](site, _personal(site, site.session())) == 403


OWN_ROUTES = {
    "password": ("PUT", ME),
    "oneself": ("GET", ME),
    "tokens": ("GET", TOKENS),
    "a token": ("POST", TOKENS),
    "the end of a token": ("DELETE", f"{TOKENS}/x"),
    "a second factor": ("POST", TWO_FACTOR),
    "its confirmation": ("POST", f"{TWO_FACTOR}/confirm"),
    "its end": ("POST", f"{TWO_FACTOR}/disable"),
}
BODIES = {
    ("POST", TOKENS): {"name": "x", "expires_in": 60},
    ("POST", TWO_FACTOR): {"current_password": PASSWORD},
    ("POST", f"{TWO_FACTOR}/confirm"): {"token2fa": "123456"},
    ("POST", f"{TWO_FACTOR}/disable"): {"current_password": PASSWORD, "token2fa": "123456"},
}


@pytest.mark.parametrize("sentence", OWN_ROUTES)
def test_who_is_no_user_has_nothing_of_their_own(site: UserSite, sentence: str) -> None:
    method, path = OWN_ROUTES[sentence]
    body = BODIES.get((method, path), {})
    statuses = [site.ask(method, path, header, body).status_code for header in ({}, bearer("eyJa.b.c"), site.admin)]
    # An administrator may look at users: at one named "me" there is none.
    assert statuses == [401, 401, 404 if path == ME else 403]
