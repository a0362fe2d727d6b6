"""Who looks after users, and how far: over the native routes and Mender's; and what users may do with other routes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from signer.domain.api_tokens import NewApiToken, scope_of
from signer.storage.api_token_store import SqlApiTokenStore
from tests.signer.users.test_login import OTHER
from tests.support.api_tokens import issue_api_token
from tests.support.user_site import EMAIL, PASSWORD, USERADM, UserSite, bearer

Header = dict[str, str]
DESK = """
[[rules]]
name = "desk"
effect = "allow"
principals = ["role:desk"]
actions = ["manage-users"]
[[rules]]
name = "devices"
effect = "allow"
principals = ["role:desk", "role:device-manager"]
actions = ["manage-devices"]
[[rules]]
name = "boss"
effect = "allow"
principals = ["user:boss@example.com", "role:boss", "person:ada"]
actions = ["administer", "read-log"]
[[rules]]
name = "reads"
effect = "allow"
principals = ["group:readers"]
actions = ["read"]
keys = ["user-*"]
"""


@pytest.fixture
def desk(site: UserSite) -> Header:
    """Somebody who manages users and devices, and may do nothing else."""
    site.apply(DESK)
    site.create("desk@example.com", roles=["desk"])
    site.create("boss@example.com", roles=[])
    site.create("strong@example.com", roles=["boss"])
    site.ask("POST", "/v1/people", site.admin, {"name": "ada"})
    site.create("ada@example.com", roles=[], person="ada")
    return site.session("desk@example.com")


def _new(email: str, **facts: object) -> dict[str, object]:
    return {"email": email, "password": PASSWORD, **facts}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A request of the desk."""

    method: str = "POST"
    path: str
    body: dict[str, object] | None = None


GIVEN = {
    "somebody for devices": Step(path="/v1/users", body=_new("a@example.com")),
    "somebody who may nothing": Step(path="/v1/users", body=_new("a@example.com", roles=[])),
    "somebody for devices, as Mender asks": Step(path=f"{USERADM}/users", body=_new("a@example.com")),
    "a role that no rule names": Step(path="/v1/users", body=_new("a@example.com", roles=["intern"])),
    "an end to the strong one": Step(path="/v1/users/strong@example.com/disable", body={"reason": "left"}),
    "the strong one deleted": Step(path="/v1/users/strong@example.com/delete"),
    "the strong one without a role": Step(path="/v1/users/desk@example.com/roles", body={"roles": ["device-manager"]}),
}
NOT_GIVEN = {
    "a role that may more": Step(path="/v1/users", body=_new("a@example.com", roles=["boss"])),
    "a role that may more, as Mender asks": Step(path=f"{USERADM}/users", body=_new("a@example.com", roles=["boss"])),
    "a role that may more, later": Step(path="/v1/users/desk@example.com/roles", body={"roles": ["boss", "desk"]}),
    "a person who may more": Step(path="/v1/users", body=_new("a@example.com", roles=[], person="ada")),
    "another password for the strong one": Step(path="/v1/users/strong@example.com/password", body={"password": OTHER}),
    "another password for whom a rule names": Step(
        path="/v1/users/boss@example.com/password", body={"password": OTHER}
    ),
    "another password for a strong person's": Step(path="/v1/users/ada@example.com/password", body={"password": OTHER}),
    "less to the strong one, which is another one then": Step(
        path="/v1/users/strong@example.com/roles", body={"roles": []}
    ),
}


@pytest.mark.parametrize("sentence", GIVEN)
def test_the_desk_gives(site: UserSite, desk: Header, sentence: str) -> None:
    step = GIVEN[sentence]
    assert site.ask(step.method, step.path, desk, step.body).status_code in (200, 201)


@pytest.mark.parametrize("sentence", NOT_GIVEN)
def test_the_desk_does_not_give(site: UserSite, desk: Header, sentence: str) -> None:
    step = NOT_GIVEN[sentence]
    refused = site.ask(step.method, step.path, desk, step.body)
    assert (refused.status_code, refused.json()["code"]) == (403, "access-denied")
    assert refused.json()["facts"]["rule"] == "boss"


def test_who_is_disabled_is_enabled_by_who_could_give_as_much(site: UserSite, desk: Header) -> None:
    path = "/v1/users/strong@example.com/enable"
    site.ask("POST", "/v1/users/strong@example.com/disable", site.admin, {"reason": "left"})
    assert site.ask("POST", path, desk, {"reason": "back"}).status_code == 403
    assert site.ask("POST", path, site.admin, {"reason": "back"}).json()["changed"] is True


def test_a_name_that_a_rule_names_is_not_taken_by_whom_it_does_not_name(site: UserSite, desk: Header) -> None:
    site.ask("POST", "/v1/users/boss@example.com/delete", desk)
    assert site.ask("POST", "/v1/users", desk, _new("boss@example.com", roles=[])).status_code == 403


def test_a_credential_gives_nothing_that_its_own_scope_takes_from_it(site: UserSite) -> None:
    site.apply(DESK)
    store = SqlApiTokenStore(database=site.house.database, clock=site.clock)
    service = site.house.application.api_tokens
    new = NewApiToken(name="narrow", role="desk", scope=scope_of(None, ["manage-users"]))
    narrow = bearer(service.create(new, actor="tests").text)
    wide = bearer(issue_api_token(store, name="wide", role="desk"))
    assert site.ask("POST", "/v1/users", narrow, _new("a@example.com")).status_code == 403
    assert site.ask("POST", "/v1/users", narrow, _new("a@example.com", roles=[])).status_code == 201
    assert site.ask("POST", "/v1/users", wide, _new("b@example.com")).status_code == 201


REFUSED: dict[str, tuple[str, str, dict[str, object] | None, int, str]] = {
    "a user who is there": ("POST", "/v1/users", _new(EMAIL), 422, "user-email-taken"),
    "one in capitals who is there": ("POST", "/v1/users", _new(EMAIL.upper()), 422, "user-email-taken"),
    "what is no address": ("POST", "/v1/users", _new("ops"), 400, "user-facts-invalid"),
    "roles that are none": ("POST", "/v1/users", _new("a@b", roles=["NO"]), 400, "user-facts-invalid"),
    "a short password": ("POST", "/v1/users", {"email": "a@b", "password": "short"}, 422, "password-refused"),
    "a password like the address": (
        "POST",
        f"{USERADM}/users",
        {"email": "somebody@b", "password": "somebody@b"},
        422,
        "password-refused",
    ),
    "a person whom nobody knows": ("POST", "/v1/users", _new("a@b", person="eve"), 404, "person-not-found"),
    "a member that is unknown": ("POST", "/v1/users", _new("a@b", admin=True), 400, "invalid-request"),
    "nobody": ("GET", "/v1/users/x@y", None, 404, "user-not-found"),
    "nobody by id": ("GET", f"{USERADM}/users/x", None, 404, "user-not-found"),
    "nobody to delete": ("DELETE", f"{USERADM}/users/x", None, 404, "user-not-found"),
    "nobody to disable": ("POST", "/v1/users/x@y/disable", {"reason": "left"}, 404, "user-not-found"),
    "no reason": ("POST", f"/v1/users/{EMAIL}/disable", {"reason": " "}, 400, "reason-invalid"),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_an_administrator_is_refused(site: UserSite, sentence: str) -> None:
    method, path, body, status, code = REFUSED[sentence]
    site.create()
    reply = site.ask(method, path, site.admin, body)
    assert (reply.status_code, reply.json()["code"]) == (status, code)


def test_the_words_of_mender_for_users(site: UserSite) -> None:
    made = site.ask("POST", f"{USERADM}/users", site.admin, _new(EMAIL))
    assert (made.status_code, made.data) == (201, b"")
    location = made.headers["location"]
    assert location.startswith("users/")
    (listed,) = site.ask("GET", f"{USERADM}/users", site.admin).json()
    assert f"users/{listed['id']}" == location
    assert {*listed} == {"id", "email", "roles", "tfa_status", "created_ts", "updated_ts"}
    path = f"{USERADM}/{location}"
    assert site.ask("PUT", path, site.admin, {"email": EMAIL, "roles": ["auditor"]}).status_code == 204
    assert site.ask("PUT", path, site.admin, {"password": OTHER}).status_code == 204
    assert site.ask("GET", path, site.admin).json()["roles"] == ["auditor"]
    assert site.login(password=OTHER).status_code == 200
    assert site.ask("DELETE", path, site.admin).status_code == 204
    assert site.login(password=OTHER).status_code == 401


ENDS: dict[str, Callable[[UserSite], object]] = {
    "disabled": lambda site: site.ask("POST", f"/v1/users/{EMAIL}/disable", site.admin, {"reason": "left"}),
    "deleted": lambda site: site.ask("POST", f"/v1/users/{EMAIL}/delete", site.admin),
    "whose person is disabled": lambda site: site.ask("POST", "/v1/people/ada/disable", site.admin, {"reason": "left"}),
    "given another password": lambda site: site.ask(
        "POST", f"/v1/users/{EMAIL}/password", site.admin, {"password": OTHER}
    ),
}


@pytest.mark.parametrize("sentence", ENDS)
def test_the_session_of_a_user_ends_at_once(site: UserSite, sentence: str) -> None:
    site.ask("POST", "/v1/people", site.admin, {"name": "ada"})
    site.create(person="ada")
    session = site.session()
    assert site.ask("GET", f"{USERADM}/users/me", session).status_code == 200
    ENDS[sentence](site)
    refused = site.ask("GET", f"{USERADM}/users/me", session)
    assert (refused.status_code, refused.json()["code"]) == (401, "credentials-rejected")
    assert refused.headers["www-authenticate"] == "Bearer"


def test_what_a_user_may_is_what_rules_say_of_name_roles_groups_and_person(site: UserSite) -> None:
    site.apply(DESK)
    site.ask("POST", "/v1/people", site.admin, {"name": "ada"})
    site.ask("POST", "/v1/groups", site.admin, {"name": "readers"})
    site.create(roles=["device-manager"], person="ada")
    site.create("reader@example.com", roles=[])
    site.ask("POST", "/v1/groups/readers/add", site.admin, {"member": "user:reader@example.com"})
    ada, reader = site.session(), site.session("reader@example.com")
    asked = ("/v1/policy", "/v1/keys/user-token", "/v1/users")
    assert [site.ask("GET", path, ada).status_code for path in asked] == [200, 404, 403]
    assert [site.ask("GET", path, reader).status_code for path in asked] == [403, 200, 403]
    site.ask("POST", "/v1/groups/readers/remove", site.admin, {"member": "user:reader@example.com"})
    assert site.ask("GET", "/v1/keys/user-token", reader).status_code == 404
    site.ask("POST", "/v1/users/reader@example.com/roles", site.admin, {"roles": ["desk"]})
    assert site.ask("GET", "/v1/users", reader).status_code == 200


NO_TOKENS: dict[str, Callable[[str], str]] = {
    "cut off": lambda token: token[:-4],
    "another signature": lambda token: token[:-8] + "AAAAAAAA",
    "another payload": lambda token: ".".join([token.split(".")[0], "e30", token.split(".")[2]]),
    "no signature": lambda token: token.rpartition(".")[0] + ".",
    "alg none": lambda token: "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + token.split(".")[1] + ".",
    "a blank in it": lambda token: token.replace(".", ". ", 1),
}


@pytest.mark.parametrize("sentence", NO_TOKENS)
def test_a_token_proves_nothing(site: UserSite, sentence: str) -> None:
    site.create()
    token = site.login().data.decode()
    refused = site.ask("GET", f"{USERADM}/users/me", bearer(NO_TOKENS[sentence](token)))
    assert (refused.status_code, refused.json()["code"]) == (401, "credentials-rejected")


def test_each_change_is_a_leaf_that_tells_no_secret(site: UserSite) -> None:
    site.create()
    before = site.house.last_event
    session = site.session()
    site.ask("PUT", f"{USERADM}/users/me", session, {"current_password": PASSWORD, "password": OTHER})
    site.ask("POST", f"{USERADM}/auth/logout", session)
    site.ask("POST", f"/v1/users/{EMAIL}/roles", site.admin, {"roles": []})
    site.ask("POST", f"/v1/users/{EMAIL}/disable", site.admin, {"reason": "left"})
    site.ask("POST", f"/v1/users/{EMAIL}/enable", site.admin, {"reason": "back"})
    site.ask("POST", f"/v1/users/{EMAIL}/delete", site.admin)
    events = [item.event for item in site.house.events(after=before)]
    assert [event.type.value for event in events] == [
        "user-password-changed",
        "user-token-ended",
        "user-changed",
        "user-disabled",
        "user-enabled",
        "user-deleted",
    ]
    assert {event.after["email"] for event in events} == {EMAIL}
    assert [event.actor for event in events[:2]] == [f"user:{EMAIL}"] * 2
    told = str(events)
    assert not any(secret in told for secret in (PASSWORD, OTHER, "argon2"))


def test_a_policy_that_leaves_only_a_user_to_apply_the_next_locks_nobody_out(site: UserSite) -> None:
    site.create("boss@example.com")
    rule = (
        '[[rules]]\nname = "boss"\neffect = "allow"\nprincipals = ["user:boss@example.com"]\nactions = ["administer"]\n'
    )
    preview = site.ask("POST", "/v1/policy/preview", site.admin, {"text": f"version = 1\n{rule}"})
    assert preview.json()["administrators"] == ["user:boss@example.com"]
    site.ask("POST", "/v1/users/boss@example.com/disable", site.admin, {"reason": "left"})
    refused = site.ask("POST", "/v1/policy/preview", site.admin, {"text": f"version = 1\n{rule}"})
    assert refused.json()["code"] == "policy-locks-out"
