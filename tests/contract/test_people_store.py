"""People, identities and groups as they are kept: every change told by a leaf, and told to all workers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from signer.domain.events import Event, EventType
from signer.domain.people import Membership
from signer.errors import (
    CredentialsRejected,
    GroupNameTaken,
    GroupNotFound,
    IdentityAssigned,
    IdentityNotAssigned,
    PersonDisabled,
    PersonNameTaken,
    PersonNotFound,
    SignerError,
)
from signer.storage.access import access_revision
from signer.storage.database import Database
from signer.storage.log_reader import SqlLogReader
from signer.storage.people_store import SqlPeopleStore
from tests.support.api_token_rows import add_api_token
from tests.support.clock import ManualClock
from tests.support.databases import Opener

CI, TOKEN = "ci:forge/17", "api-token:build"
CHANGED = Event(
    type=EventType.PERSON_CHANGED, actor="api-token:admin", key=None, version=None, before={}, after={"name": "x"}
)


@dataclass(frozen=True, slots=True)
class Town:
    """People on a database: Ada, who has a CI identity and is in ``release``, and Bob, who is disabled."""

    database: Database
    store: SqlPeopleStore

    def add(self, name: str) -> None:
        """Somebody."""
        self.store.add_person(name=name, display=name.title(), email=None, event=CHANGED)

    def state(self) -> tuple[int, int]:
        """The revision of access, and the size of the log."""
        with self.database.reading() as connection:
            return access_revision(connection), SqlLogReader(database=self.database).head().size


@pytest.fixture
def town(open_database: Opener, clock: ManualClock) -> Town:
    database = open_database()
    made = Town(database, SqlPeopleStore(database=database, clock=clock))
    for name in ("ada", "bob"):
        made.add(name)
    made.store.assign(CI, "ada", CHANGED)
    made.store.assign("mtls:corp:bob", "bob", CHANGED)
    for group in ("release", "empty"):
        made.store.add_group(group, CHANGED)
    made.store.add_member("release", "person:ada", CHANGED)
    made.store.add_member("release", TOKEN, CHANGED)
    made.store.disable("bob", CHANGED)
    return made


STEPS: dict[str, Callable[[SqlPeopleStore], object]] = {
    "a person is added": lambda it: it.add_person(name="cy", display="Cy", email="cy@example.org", event=CHANGED),
    "a person is disabled": lambda it: it.disable("ada", CHANGED),
    "a person is enabled": lambda it: it.enable("bob", CHANGED),
    "an identity is assigned": lambda it: it.assign("ci:forge/18", "ada", CHANGED),
    "an identity is taken back": lambda it: it.unassign(CI, CHANGED),
    "an identity of who is disabled is taken back": lambda it: it.unassign("mtls:corp:bob", CHANGED),
    "a group is added": lambda it: it.add_group("qa", CHANGED),
    "a person becomes a member": lambda it: it.add_member("empty", "person:ada", CHANGED),
    "an identity becomes a member": lambda it: it.add_member("empty", "ci:forge/99", CHANGED),
    "a member is removed": lambda it: it.remove_member("release", "person:ada", CHANGED),
}


@pytest.mark.parametrize("sentence", STEPS)
def test_each_change_is_a_leaf_and_moves_the_revision(town: Town, sentence: str) -> None:
    revision, size = town.state()
    STEPS[sentence](town.store)
    assert town.state() == (revision + 1, size + 1)


def test_an_api_token_that_was_made_for_somebody_is_theirs(town: Town) -> None:
    add_api_token(town.database, "hers", "signer", person="ada")
    assert town.store.person("ada").identities == ("api-token:hers", CI)
    assert town.store.membership("api-token:hers") == MEMBERSHIPS[CI]
    with pytest.raises(IdentityAssigned):
        town.store.assign("api-token:hers", "ada", CHANGED)
    with pytest.raises(IdentityNotAssigned):
        town.store.unassign("api-token:hers", CHANGED)


REFUSED: dict[str, tuple[Callable[[SqlPeopleStore], object], type[SignerError]]] = {
    "a person of a name that is taken": (
        lambda it: it.add_person(name="ada", display="x", email=None, event=CHANGED), PersonNameTaken,
    ),
    "a person of a name of who is disabled": (
        lambda it: it.add_person(name="bob", display="x", email=None, event=CHANGED), PersonNameTaken,
    ),
    "showing somebody whom nobody knows": (lambda it: it.person("cy"), PersonNotFound),
    "disabling somebody whom nobody knows": (lambda it: it.disable("cy", CHANGED), PersonNotFound),
    "enabling somebody whom nobody knows": (lambda it: it.enable("cy", CHANGED), PersonNotFound),
    "giving an identity to somebody whom nobody knows": (
        lambda it: it.assign("ci:forge/18", "cy", CHANGED), PersonNotFound,
    ),
    "giving an identity to who is disabled": (lambda it: it.assign("ci:forge/18", "bob", CHANGED), PersonDisabled),
    "giving an identity twice": (lambda it: it.assign(CI, "ada", CHANGED), IdentityAssigned),
    "giving an identity of somebody else's": (
        lambda it: it.assign("mtls:corp:bob", "ada", CHANGED), IdentityAssigned,
    ),
    "taking back what belongs to nobody": (lambda it: it.unassign(TOKEN, CHANGED), IdentityNotAssigned),
    "a group of a name that is taken": (lambda it: it.add_group("release", CHANGED), GroupNameTaken),
    "showing a group that there is not": (lambda it: it.group("qa"), GroupNotFound),
    "a member of a group that there is not": (lambda it: it.add_member("qa", "person:ada", CHANGED), GroupNotFound),
    "a member less of a group that there is not": (
        lambda it: it.remove_member("qa", "person:ada", CHANGED), GroupNotFound,
    ),
    "a member whom nobody knows": (lambda it: it.add_member("release", "person:cy", CHANGED), PersonNotFound),
}  # fmt: skip


@pytest.mark.parametrize("sentence", REFUSED)
def test_it_is_refused_and_changes_nothing(town: Town, sentence: str) -> None:
    step, error = REFUSED[sentence]
    before = town.state()
    with pytest.raises(error):
        step(town.store)
    assert town.state() == before


NOTHING_TO_DO: dict[str, Callable[[SqlPeopleStore], bool]] = {
    "who is disabled is disabled": lambda it: it.disable("bob", CHANGED),
    "who is not disabled is enabled": lambda it: it.enable("ada", CHANGED),
    "a member becomes one": lambda it: it.add_member("release", TOKEN, CHANGED),
    "who is no member becomes none": lambda it: it.remove_member("empty", TOKEN, CHANGED),
}


@pytest.mark.parametrize("sentence", NOTHING_TO_DO)
def test_what_is_so_already_is_not_told(town: Town, sentence: str) -> None:
    before = town.state()
    assert NOTHING_TO_DO[sentence](town.store) is False
    assert town.state() == before


def test_people_are_told_with_what_is_theirs(town: Town) -> None:
    told = [(each.name, each.identities, each.groups, each.disabled_at is None) for each in town.store.people()]
    assert told == [("ada", (CI,), ("release",), True), ("bob", ("mtls:corp:bob",), (), False)]
    assert [(group.name, group.members) for group in town.store.groups()] == [
        ("empty", ()), ("release", (TOKEN, "person:ada")),
    ]  # fmt: skip
    assert town.store.assigned() == {CI: "ada", "mtls:corp:bob": "bob"}


MEMBERSHIPS = {
    CI: Membership(person="ada", groups=frozenset({"release"})),
    TOKEN: Membership(groups=frozenset({"release"})),
    "api-token:unknown": Membership(),
}


@pytest.mark.parametrize("identity", MEMBERSHIPS)
def test_an_identity_has_its_groups_and_its_persons(town: Town, identity: str) -> None:
    assert town.store.membership(identity) == MEMBERSHIPS[identity]


def test_a_credential_may_say_whose_it_is(town: Town) -> None:
    assert town.store.membership("api-token:x", person="ada") == MEMBERSHIPS[CI]


OUT = {
    "an identity of who is disabled": lambda it: it.membership("mtls:corp:bob"),
    "a credential that names who is disabled": lambda it: it.membership("api-token:x", person="bob"),
    "a credential that names who is not there": lambda it: it.membership("api-token:x", person="cy"),
}


@pytest.mark.parametrize("sentence", OUT)
def test_it_proves_nothing(town: Town, sentence: str) -> None:
    with pytest.raises(CredentialsRejected):
        OUT[sentence](town.store)


def test_who_is_enabled_proves_again(town: Town) -> None:
    town.store.enable("bob", CHANGED)
    assert town.store.membership("mtls:corp:bob") == Membership(person="bob")
