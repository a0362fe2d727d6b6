"""Users of people who approve what a key signs: whatever lets somebody log in as one waits for those who approve."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from signer.services.users import UserAdministration, UserRequest, unguarded
from tests.support.guarded_house import ADMIN, Guarded, guard, waits
from tests.support.house import House

WORDS = "correct horse battery"
Step = Callable[[UserAdministration, str], object]


@pytest.fixture
def guarded(house: House) -> Guarded:
    return guard(house)


def _create(users: UserAdministration, email: str, person: str | None) -> object:
    wanted = UserRequest(unverified_email=email, unverified_password=WORDS, unverified_roles=(), person=person)
    return users.create(wanted, actor=ADMIN, guard=unguarded)


def _users(guarded: Guarded) -> UserAdministration:
    return guarded.house.application.users.administration


STEPS: dict[str, Step] = {
    "another password": lambda users, email: users.set_password(
        users.named(email), "another horse", actor=ADMIN, guard=unguarded
    ),
    "enabling": lambda users, email: users.enable(users.named(email), reason="back", actor=ADMIN, guard=unguarded),
}


def test_a_user_of_who_approves_is_made_when_others_approve(guarded: Guarded) -> None:
    users = _users(guarded)
    waiting = waits(lambda: _create(users, "cy@example.com", "cy"))
    assert users.users() == ()
    guarded.approve(waiting)
    _create(users, "cy@example.com", "cy")
    assert users.named("cy@example.com").person == "cy"


@pytest.mark.parametrize("sentence", STEPS)
def test_a_step_with_such_a_user_waits(guarded: Guarded, sentence: str) -> None:
    users = _users(guarded)
    guarded.approve(waits(lambda: _create(users, "cy@example.com", "cy")))
    _create(users, "cy@example.com", "cy")
    users.disable(users.named("cy@example.com"), reason="left", actor=ADMIN)  # taking away asks nobody
    waiting = waits(lambda: STEPS[sentence](users, "cy@example.com"))
    guarded.approve(waiting)
    STEPS[sentence](users, "cy@example.com")


def test_an_address_that_was_given_to_who_approves_is_theirs(guarded: Guarded) -> None:
    people, users = guarded.services.people, _users(guarded)
    waiting = waits(lambda: people.assign("user:cy@example.com", "cy", actor=ADMIN))
    guarded.approve(waiting)
    people.assign("user:cy@example.com", "cy", actor=ADMIN)
    waits(lambda: _create(users, "cy@example.com", None))


@pytest.mark.parametrize("person", [None, "dora"])
def test_users_of_others_wait_for_nobody(guarded: Guarded, person: str | None) -> None:
    if person is not None:
        guarded.services.people.create(person, display=None, email=None, actor=ADMIN)
    users = _users(guarded)
    _create(users, "other@example.com", person)
    STEPS["another password"](users, "other@example.com")
