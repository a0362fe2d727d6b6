"""Every route and every kind of caller under rules, over the real front: who gets in, and what the others are told."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from signer.bootstrap import Parts
from signer.domain.access.actions import KEY_ACTIONS, Action
from signer.domain.credentials import Credentials
from signer.domain.identity import CertificateIdentity, CiIdentity, Identity, UserIdentity
from signer.domain.policy_events import applied_event
from signer.services.access import Extent
from signer.services.access_ports import NewPolicy
from signer.services.ports import Authenticator
from signer.storage.api_token_store import SqlApiTokenStore
from signer.storage.database import Database
from signer.storage.policy_store import SqlPolicyStore, text_digest
from signer.web.routes import ROUTES, Route
from tests.artifacts import ArtifactBuilder
from tests.docs.application import KEY, Application, application
from tests.signer.domain.access.cases import rule
from tests.support.api_tokens import issue_api_token
from tests.support.asking import Reply
from tests.support.in_process import KnownIdentities

# What each caller may, by the rules below and by nothing else. The first two keys exist.
KEYS = (KEY, "nothing")
FW = f'["{KEY}"]'
MAY: dict[str, set[tuple[Action, str | None]]] = {
    "build": {(Action.SIGN, KEY), (Action.READ, KEY)},
    "keeper": {(action, key) for action in (Action.MANAGE, Action.READ) for key in KEYS},
    "watcher": {(Action.READ_LOG, None)},
    "boss": {(Action.ADMINISTER, None)},
    "looker": {(Action.READ, KEY)},
    "denied": {(Action.READ, "nothing"), (Action.MANAGE, "nothing")},
    "stranger": set(),
}
CONTENT = 'checked = "head", artifact_name = ["release-*"], device_types = ["corpus-device"], scripts = false'
# How each caller may come, beside an API token; a token of a test says which.
KINDS: dict[str, Callable[[str], Identity]] = {
    "mtls": lambda who: CertificateIdentity(
        name=f"mtls:corp:{who}", ca="corp", field="cn", value=who, serial="a3", sha256="0" * 64, not_after=LATER
    ),
    "ci": lambda who: CiIdentity(name=f"ci:forge/{who}", issuer="forge", id=who, claims={}, session_id="0" * 16),
    "user": lambda who: UserIdentity(name=f"user:{who}@example.org", user_id=NOBODY, jti=NOBODY, token_name=None),
}
NOBODY, LATER = "b8a7d3a0-0000-4000-8000-000000000001", datetime(2100, 1, 1, tzinfo=UTC)


def _by_any_kind(*callers: str) -> str:
    """The principals of a rule: these, whichever way they come."""
    return json.dumps(
        [f"api-token:{who}" for who in callers] + [KINDS[kind](who).name for kind in KINDS for who in callers]
    )


RULES = "version = 1\n" + "".join(
    [
        rule(CONTENT, name="fw-release", principals=_by_any_kind("build"), keys=FW),
        rule(
            name="operators", principals=_by_any_kind("keeper", "denied"), actions='["manage", "read"]', keys='["**"]'
        ),
        rule(name="audit", principals=_by_any_kind("watcher"), actions='["read-log"]', keys=""),
        rule(name="boss", principals=_by_any_kind("boss"), actions='["administer"]', keys=""),
        rule(name="reader", principals=_by_any_kind("looker"), actions='["read"]', keys=FW),
        rule(name="not-this", effect="deny", principals=_by_any_kind("denied"), actions='["manage", "read"]', keys=FW),
    ]
)
PROVED = "Proved "
RELEASE = ArtifactBuilder(name="release-1")
PATHS = {
    "number": "1",
    "tile": "0/000",
    "name": "somebody",
    "revision": "1",
    "approval": "0" * 32,
    "email": "a@example.com",
    "ca": "fleet",
    **dict.fromkeys(("user", "device", "auth_set", "jti"), NOBODY),
}


class SpiedStore:
    """The key store, and which names somebody looked for."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.looked_for: list[str] = []

    def key(self, name: str) -> Any:
        self.looked_for.append(name)
        return self._store.key(name)

    def key_at(self, name: str) -> Any:
        self.looked_for.append(name)
        return self._store.key_at(name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class ProvedAlready:
    """Proves who comes another way by the word of the test; the credentials of each way have tests of their own."""

    def __init__(self, others: Authenticator) -> None:
        self._others = others

    def remembered(self, credentials: Credentials) -> Identity | None:
        """As the port."""
        if credentials.authorization is None or not credentials.authorization.startswith(PROVED):
            return self._others.remembered(credentials)
        kind, who = credentials.authorization.removeprefix(PROVED).split()
        return KINDS[kind](who)

    def authenticate(self, credentials: Credentials) -> Identity:
        """As the port."""
        return self.remembered(credentials) or self._others.authenticate(credentials)


@dataclass(slots=True)
class Site:
    """The application under the rules, with an API token for each caller."""

    application: Application
    store: SpiedStore
    credentials: dict[str, str] = field(default_factory=dict)

    def ask(self, who: str, method: str, target: str, body: bytes = b"") -> Reply:
        return self.application.ask(method, target, self.credentials[who], body)

    def ask_as(self, kind: str, who: str, method: str, target: str) -> Reply:
        """The same by a caller who comes another way."""
        return self.application.ask(method, target, f"{PROVED}{kind} {who}")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = _site(tmp_path_factory.mktemp("ruled"))
    yield made
    made.application.close()


def _site(folder: Path) -> Site:
    kept: list[Any] = []

    def under_rules(parts: Parts, database: Database) -> Parts:
        store = SpiedStore(parts.store)
        kept.extend([database, store, parts.clock])
        proved = ProvedAlready(parts.authenticator)
        return replace(parts, store=store, authenticator=proved, identities=KnownIdentities())

    built = application(folder, changed=under_rules)
    database, store, clock = kept
    _apply(database, clock)
    tokens = SqlApiTokenStore(database=database, clock=clock)
    credentials = {who: f"Bearer {issue_api_token(tokens, name=who, role=None)}" for who in MAY}
    return Site(application=built, store=store, credentials=credentials)


def _apply(database: Database, clock: Any) -> None:
    new = NewPolicy(text=RULES, sha256=text_digest(RULES), expected=1, actor="test", reason="test", break_glass=False)
    event = applied_event(
        revision=2, text=RULES, sha256=new.sha256, rules=6, actor="test", reason="test", break_glass=False
    )
    SqlPolicyStore(database=database, clock=clock).apply(new, event)


def path_of(route: Route, key: str) -> str:
    tile = {"tile": "000"} if "entries" in route.path else {}
    values = {**PATHS, **tile, "key": key}
    return re.sub(r"\{(\w+)\}", lambda match: values[match[1]], route.path)


ASKING = [route for route in ROUTES if route.action is not None]
ABOUT_KEYS = [route for route in ASKING if route.names_key]


def outcome(answer: Reply) -> str:
    """In, denied, or no such key to know of."""
    code = answer.json().get("code") if answer.content_type == "application/problem+json" else None
    return code if code in ("access-denied", "key-not-found", "credentials-missing", "credentials-rejected") else "in"


def expected(route: Route, who: str, key: str) -> str:
    assert route.action is not None
    may = MAY[who]
    if route.action not in KEY_ACTIONS:
        return "in" if (route.action, None) in may else "access-denied"
    if route.extent is Extent.SOME:
        return "in" if any(action is route.action for action, _ in may) else "access-denied"
    if route.extent is Extent.ALL:
        return "in" if all((route.action, each) in may for each in KEYS) else "access-denied"
    if (Action.READ, key) not in may:
        return "key-not-found"
    if (route.action, key) not in may:
        return "access-denied"
    return "in" if key == KEY else "gone"


@pytest.mark.parametrize("who", MAY)
@pytest.mark.parametrize("route", ASKING, ids=lambda route: f"{route.method} {route.path}")
def test_who_gets_in(site: Site, route: Route, who: str) -> None:
    for key in KEYS if route.names_key else KEYS[:1]:
        answer = site.ask(who, route.method, path_of(route, key))
        told, wanted = outcome(answer), expected(route, who, key)
        # Who may manage a key that there is not may be told first what else is wrong with the request.
        assert told == wanted or (wanted == "gone" and told in ("in", "key-not-found")), (key, answer.data)


@pytest.mark.parametrize("route", ASKING, ids=lambda route: f"{route.method} {route.path}")
def test_it_is_the_same_for_callers_of_every_kind(site: Site, route: Route) -> None:
    for kind, who in itertools.product(KINDS, ("build", "keeper", "boss", "stranger")):
        answer = site.ask_as(kind, who, route.method, path_of(route, KEY))
        assert outcome(answer) == expected(route, who, KEY), (kind, who, answer.data)


@pytest.mark.parametrize("route", ASKING, ids=lambda route: f"{route.method} {route.path}")
def test_nobody_gets_in_without_a_credential(site: Site, route: Route) -> None:
    assert site.application.ask(route.method, path_of(route, KEY)).status_code == 401


class TestStrangers:
    """A key that is there and one that is not are the same to whoever may do nothing with either."""

    @pytest.mark.parametrize("who", ["stranger", "watcher", "boss"])
    @pytest.mark.parametrize("route", ABOUT_KEYS, ids=lambda route: f"{route.method} {route.path}")
    def test_are_told_the_same(self, site: Site, route: Route, who: str) -> None:
        site.store.looked_for.clear()
        there, missing = (site.ask(who, route.method, path_of(route, key)) for key in KEYS)
        assert there.status_code == missing.status_code == 404
        assert _told(there, KEY) == _told(missing, "nothing")
        assert site.store.looked_for == [], "the answer would take longer for one of them"

    def test_a_denied_key_is_none_either(self, site: Site) -> None:
        there, missing = (site.ask("denied", "GET", f"/v1/keys/{key}") for key in KEYS)
        assert _told(there, KEY) == _told(missing, "nothing")

    @pytest.mark.parametrize(("who", "listed"), [("build", [KEY]), ("keeper", [KEY]), ("denied", [])])
    def test_lists_hold_what_the_caller_may_know_of(self, site: Site, who: str, listed: list[str]) -> None:
        answer = site.ask(who, "GET", "/v1/keys")
        assert [key["name"] for key in answer.json()["keys"]] == listed

    @pytest.mark.parametrize("who", MAY)
    def test_readiness_names_nothing_to_who_may_not_read_every_key(self, site: Site, who: str) -> None:
        document = site.ask(who, "GET", "/readyz").json()
        assert ("conditions" in document) is (who == "keeper")

    @pytest.mark.parametrize("who", ["stranger", "watcher", "boss", "denied"])
    def test_no_proof_says_that_a_key_signed(self, site: Site, who: str) -> None:
        query = f"/v1/log/proof?manifest_sha256={'0' * 64}&key="
        there, missing = (site.ask(who, "GET", query + key) for key in (KEY, "other"))
        if who != "denied":
            assert (there.status_code, missing.status_code) == (404, 404)
        assert _told(there, KEY)["code"] == "key-not-found"


def _told(answer: Reply, key: str) -> dict[str, Any]:
    """All of a problem document but the id of the request, whatever the key is called."""
    document = answer.json()
    del document["request_id"]
    return {name: str(value).replace(key, "KEY") for name, value in document.items()}


BODIES = {
    "another name": ArtifactBuilder(name="debug-1").build(),
    "a name that goes on in another segment": ArtifactBuilder(name="release-1/x").build(),
    "a name in another case": ArtifactBuilder(name="Release-1").build(),
    "a name with a letter that looks alike": ArtifactBuilder(name="r\u0435lease-1").build(),
    "a name before which something stands": ArtifactBuilder(name="xrelease-1").build(),
    "another device": ArtifactBuilder(name="release-1", device_types=("prod",)).build(),
    "a device too many": ArtifactBuilder(name="release-1", device_types=("corpus-device", "prod")).build(),
    "a device that goes on": ArtifactBuilder(name="release-1", device_types=("corpus-device2",)).build(),
    "a manifest alone": RELEASE.manifest(),
}


class TestAStolenBuildToken:
    """What its rule is for, and nothing else: one key, one kind of artifact, shown."""

    SIGN = f"/v1/keys/{KEY}/signatures"

    def test_asks_for_releases(self, site: Site) -> None:
        answer = site.ask("build", "POST", self.SIGN, RELEASE.build())
        # The key of this test has no pair, so that the answer is the key's, after the rules let it through.
        assert (answer.status_code, answer.json()["code"]) == (409, "no-active-version")

    @pytest.mark.parametrize("route", ["signatures", "artifacts"])
    @pytest.mark.parametrize("sentence", BODIES)
    def test_signs_nothing_else(self, site: Site, sentence: str, route: str) -> None:
        if (sentence, route) == ("a manifest alone", "artifacts"):
            return
        answer = site.ask("build", "POST", f"/v1/keys/{KEY}/{route}", BODIES[sentence])
        document = answer.json()
        assert (answer.status_code, document["code"]) == (403, "access-denied")
        assert document["facts"]["rule"] == "fw-release"
        assert document["facts"]["condition"] in ("artifact_name", "device_types", "checked")

    @pytest.mark.parametrize("key", ["nothing", "DOCUMENTED", "documented2", "documented%0a", "documented%2fx", "%2a"])
    def test_signs_with_no_other_key(self, site: Site, key: str) -> None:
        answer = site.ask("build", "POST", f"/v1/keys/{key}/signatures", RELEASE.build())
        assert answer.status_code == 404

    @pytest.mark.parametrize(
        ("method", "target", "body"),
        [
            ("POST", "/v1/keys", b'{"name": "mine", "algorithm": "ecdsa-p256"}'),
            ("POST", f"/v1/keys/{KEY}/rotate", b""),
            ("POST", f"/v1/keys/{KEY}/versions/1/disable", b""),
            ("POST", f"/v1/keys/{KEY}/versions/1/destroy", b'{"confirmation": "documented"}'),
            ("POST", f"/v1/keys/{KEY}/versions/1/csr", b"{}"),
            ("POST", "/v1/policy", b'{"text": "version = 1", "reason": "mine"}'),
            ("POST", "/v1/policy/floors", b"{}"),
            ("POST", "/v1/groups/release/add", b'{"member": "api-token:build"}'),
            ("POST", "/v1/api-tokens", b'{"name": "more"}'),
            ("GET", "/v1/policy", b""),
            ("GET", "/v1/people", b""),
            ("GET", "/v1/events", b""),
            ("GET", "/v1/log/entries", b""),
            ("GET", "/v1/log/tile/entries/000", b""),
            ("GET", "/metrics", b""),
        ],
    )
    def test_does_nothing_else(self, site: Site, method: str, target: str, body: bytes) -> None:
        answer = site.ask("build", method, target, body)
        assert (answer.status_code, answer.json()["code"]) == (403, "access-denied")


def test_every_kind_of_route_is_tried() -> None:
    tried = {(route.action, route.extent) for route in ASKING}
    assert tried >= {(Action.READ, extent) for extent in Extent} | {(Action.ADMINISTER, Extent.ONE)}
    refused = sum(expected(route, who, KEY) != "in" for route, who in itertools.product(ASKING, MAY))
    assert refused > 2 * (len(ASKING) * len(MAY) - refused)
