"""A release that two people approve, in a service with several workers; and what its administrator cannot do alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from sqlalchemy import insert

from signer.administration import administration
from signer.api_token_bootstrap import api_token_service
from signer.approval_bootstrap import approval_parts
from signer.bootstrap import utc_now
from signer.config import load_settings
from signer.domain.api_tokens import NewApiToken
from signer.storage.api_token_store import SqlApiTokenStore
from signer.storage.approval_tables import votes
from signer.storage.database import Database
from tests.artifacts import ArtifactBuilder
from tests.integration.running import Installation, initialise, running
from tests.support.clock import START

PEOPLE = ("ada", "bob", "cy")
RULES = """
version = 1
[[rules]]
name = "boss"
effect = "allow"
principals = ["api-token:admin"]
actions = ["administer", "read-log"]
[[rules]]
name = "keeper"
effect = "allow"
principals = ["api-token:admin"]
actions = ["manage", "read", "sign"]
keys = ["**"]
[[rules]]
name = "release"
effect = "allow"
principals = ["api-token:build"]
actions = ["sign"]
keys = ["firmware"]
when = { checked = "head" }
approvals = [{ group = "qa", count = 2 }]
[[rules]]
name = "approvers"
effect = "allow"
principals = ["group:qa"]
actions = ["approve"]
keys = ["firmware"]
"""


class Scene:
    """The service, and an API token for everybody."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.tokens = {"admin": installation.api_token}

    @contextmanager
    def database(self) -> Iterator[Database]:
        """The service's."""
        with closing(Database(load_settings(self.installation.config, {}).database)) as database:
            yield database

    def people(self) -> None:
        """All members of ``qa``."""
        with self.database() as database:
            people, guard = administration(database, utc_now).people, approval_parts(database, utc_now).guard
            tokens = api_token_service(SqlApiTokenStore(database=database, clock=utc_now), utc_now, guard)
            people.create_group("qa", actor="tests")
            for person in PEOPLE:
                people.create(person, display=None, email=None, actor="tests")
                people.add_member("qa", f"person:{person}", actor="tests")
            for name in (*PEOPLE, "build"):
                new = NewApiToken(name=name, role=None, person=name if name in PEOPLE else None)
                self.tokens[name] = tokens.create(new, actor="tests").text

    def ask(self, who: str, method: str, path: str, **content: Any) -> Any:
        """One request."""
        with self.installation.http(headers={"Authorization": f"Bearer {self.tokens[who]}"}) as http:
            return http.request(method, path, **content)

    def sign(self, name: str, who: str = "build") -> Any:
        """A signature of an artifact."""
        content = ArtifactBuilder(name=name).build()
        return self.ask(who, "POST", "/v1/keys/firmware/signatures", content=content)

    def approve(self, facts: Any, *people: str) -> list[int]:
        """The statuses of their votes."""
        vote = {"decision": "approve", "sha256": facts["sha256"]}
        path = f"/v1/approvals/{facts['approval']}/votes"
        return [self.ask(person, "POST", path, json=vote).status_code for person in people]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = Scene(initialise(tmp_path_factory.mktemp("approvals") / "installation"))
    made.people()
    with running(made.installation, SERVER_WORKERS="2"):
        new = {"name": "firmware", "algorithm": "ecdsa-p256"}
        assert made.ask("admin", "POST", "/v1/keys", json=new).status_code == 201
        applied = made.ask("admin", "POST", "/v1/policy", json={"text": RULES, "reason": "a test"})
        assert applied.status_code == 201, applied.json()
        yield made


def test_a_release_is_signed_when_two_have_approved_it(scene: Scene) -> None:
    answer = scene.sign("release-1")
    facts = answer.json()["facts"]
    assert (answer.status_code, answer.json()["code"], "Retry-After" in answer.headers) == (
        403,
        "approval-required",
        True,
    )
    assert scene.approve(facts, "ada") == [200]
    assert scene.sign("release-1").status_code == 403
    assert scene.approve(facts, "bob") == [200]
    assert scene.sign("release-1").json()["leaf"]["approval"] == facts["approval"]
    assert scene.sign("release-2").status_code == 403
    assert scene.sign("release-1", "admin").status_code == 403


def test_votes_end_with_the_person_in_all_workers_at_once(scene: Scene) -> None:
    facts = scene.sign("release-3").json()["facts"]
    assert scene.approve(facts, "ada", "cy") == [200, 200]
    assert scene.ask("admin", "POST", "/v1/people/cy/disable", json={"reason": "left"}).status_code == 200
    assert [scene.sign("release-3").status_code for _ in range(4)] == [403] * 4
    answer = scene.ask("admin", "POST", "/v1/people/cy/enable", json={"reason": "back"})
    assert answer.json()["code"] == "approval-required"


def test_an_administrator_opens_nothing_alone(scene: Scene) -> None:
    for path, document in {
        "/v1/groups/qa/add": {"member": "api-token:admin"},
        "/v1/identities/assign": {"identity": "mtls:corp:boss", "person": "ada"},
        "/v1/api-tokens": {"name": "more", "person": "ada"},
        "/v1/policy": {"text": RULES.replace("count = 2", "count = 1"), "reason": "faster"},
        "/v1/keys/firmware/versions": {},
    }.items():
        answer = scene.ask("admin", "POST", path, json=document)
        assert (answer.status_code, answer.json()["code"]) == (403, "approval-required"), path
        assert scene.approve(answer.json()["facts"], "admin") == [403]


def test_planted_votes_sign_nothing(scene: Scene) -> None:
    """Last of all: the service records nothing any more, and says so."""
    facts = scene.sign("release-4").json()["facts"]
    with scene.database() as database, database.writing() as connection:
        for person in ("ada", "bob"):
            row = {"proposal": facts["approval"], "person": person, "identity": f"api-token:{person}"}
            connection.execute(insert(votes).values(**row, ballot="approve", reason="", at=START))
    answer = scene.sign("release-4")
    assert answer.status_code == 503
    assert answer.json()["code"] in {"access-tampered", "log-stopped"}
