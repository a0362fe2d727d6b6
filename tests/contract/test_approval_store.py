"""What waits for approvals, as it is kept: told by leaves, bounded, forgotten in time, believed from no row alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Connection, delete, func, insert, select, update

from signer.domain.approvals import LIFETIME, MAX_OF_REQUESTER, Ballot, Requester, State
from signer.domain.events import EventType
from signer.errors import AccessTampered, ApprovalNotFound, ApprovalsExhausted, DatabaseDamaged
from signer.services.approval_ports import AccessMovedError, Permit
from signer.storage.access import access_revision
from signer.storage.api_token_store import suspend_all
from signer.storage.approval_store import SqlApprovalStore, void_all
from signer.storage.approval_tables import artifact_heads, proposals, votes
from signer.storage.kept_heads import MAX_OF_KEY
from signer.storage.log_reader import SqlLogReader
from signer.storage.log_transaction import logged
from signer.storage.permits import permitted
from tests.support import approval_rivals
from tests.support.api_token_rows import add_api_token, revoke_api_token
from tests.support.approvals import BUILD, CHANGED, Assembly, assemble
from tests.support.clock import START, ManualClock
from tests.support.crowd import PROCESSES, Crowd
from tests.support.databases import Opener
from tests.support.rivals import DONE
from verifier.log import parsed_leaf

THREADS = 4
WEEK = LIFETIME.total_seconds()


@pytest.fixture
def assembly(open_database: Opener, clock: ManualClock) -> Assembly:
    return assemble(open_database(), clock)


def newest_leaf(assembly: Assembly) -> dict[str, object]:
    reader = SqlLogReader(database=assembly.database)
    size = reader.head().size
    return dict(parsed_leaf(reader.leaves(size - 1, size)[0]))


def revision(assembly: Assembly) -> int:
    with assembly.database.reading() as connection:
        return access_revision(connection)


def count(assembly: Assembly, table: object) -> int:
    with assembly.database.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())  # type: ignore[arg-type]


def test_it_waits_as_long_as_the_settings_say(assembly: Assembly, clock: ManualClock) -> None:
    hour = timedelta(hours=1)
    store = SqlApprovalStore(database=assembly.database, clock=clock, lifetime=hour)
    waiting = replace(assembly, store=store).ask()
    clock.advance(seconds=hour.total_seconds() - 1)
    assert assembly.standing(waiting).state is State.PENDING
    clock.advance(seconds=1)
    assert assembly.standing(waiting).state is State.EXPIRED


def test_the_same_request_again_has_the_same_id(assembly: Assembly) -> None:
    first = assembly.ask()
    assert assembly.ask() == first
    assert assembly.look() == first
    assert count(assembly, proposals) == 1


def test_what_waits_and_votes_are_told_by_leaves(assembly: Assembly) -> None:
    waiting = assembly.ask()
    asked = newest_leaf(assembly)
    assert (asked["type"], asked["actor"], asked["key"]) == ("approval-requested", BUILD.identity, "firmware")
    assert asked["after"]["approval"] == waiting  # type: ignore[index]
    assembly.vote(waiting, "ada")
    voted = newest_leaf(assembly)
    assert (voted["type"], voted["actor"]) == ("approval-voted", "mtls:corp:ada")
    assert voted["after"]["decision"] == "approve"  # type: ignore[index]
    assert voted["access_sha256"] != asked["access_sha256"]


def test_nothing_that_gives_moves_the_revision_and_a_rejection_does(assembly: Assembly) -> None:
    before = revision(assembly)
    waiting = assembly.ask()
    assembly.vote(waiting, "ada")
    assert revision(assembly) == before
    assembly.vote(waiting, "bob", Ballot.REJECT)
    assert revision(assembly) == before + 1


TAKEN_AWAY: dict[str, Callable[[Assembly], object]] = {
    "a person is disabled": lambda it: it.people.disable("ada", CHANGED),
    "a member is removed": lambda it: it.people.remove_member("qa", "person:ada", CHANGED),
    "an identity is taken back": lambda it: it.people.unassign("mtls:corp:ada", CHANGED),
    "it is given to somebody else": lambda it: (
        it.people.unassign("mtls:corp:ada", CHANGED), it.people.assign("mtls:corp:ada", "bob", CHANGED),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TAKEN_AWAY)
def test_what_is_taken_away_takes_votes_with_it_and_moves_the_revision(assembly: Assembly, name: str) -> None:
    waiting = assembly.ask()
    for person in ("ada", "bob"):
        assembly.vote(waiting, person)
    assert assembly.standing(waiting).state is State.APPROVED
    before = revision(assembly)
    TAKEN_AWAY[name](assembly)
    assert assembly.standing(waiting).state is State.PENDING
    assert revision(assembly) > before


def test_a_token_that_is_revoked_or_suspended_holds_nobody(assembly: Assembly) -> None:
    def holding() -> set[str]:
        return {name for name in assembly.store.circle().circle.holders if name.startswith("api-token:")}

    for name in ("good", "stolen"):
        add_api_token(assembly.database, name, "signer", person="ada")
    assert holding() == {"api-token:good", "api-token:stolen"}
    revoke_api_token(assembly.database, "stolen")
    assert holding() == {"api-token:good"}
    with logged(assembly.database, assembly.clock) as log:
        suspend_all(log.connection, START)
    assert holding() == set()


def test_an_api_token_of_a_person_moves_the_revision_and_one_of_nobody_does_not(assembly: Assembly) -> None:
    before = revision(assembly)
    add_api_token(assembly.database, "nobodys", "signer")
    assert revision(assembly) == before
    add_api_token(assembly.database, "adas", "signer", person="ada")
    assert revision(assembly) == before + 1


def test_a_group_of_identities_has_no_people(assembly: Assembly) -> None:
    assembly.people.add_group("robots", CHANGED)
    assembly.people.add_member("robots", "mtls:corp:ada", CHANGED)
    assert assembly.store.circle().circle.groups["robots"] == frozenset()


def test_a_vote_that_was_decided_under_another_revision_is_not_kept(assembly: Assembly) -> None:
    waiting = assembly.ask()
    with pytest.raises(AccessMovedError):
        assembly.vote(waiting, "ada", revision=revision(assembly) - 1)
    assert count(assembly, votes) == 0


def test_a_person_has_one_vote_and_may_take_it_back(assembly: Assembly) -> None:
    waiting = assembly.ask()
    assembly.vote(waiting, "ada")
    assembly.vote(waiting, "ada")
    assert count(assembly, votes) == 1
    assembly.vote(waiting, "ada", Ballot.REJECT)
    assert assembly.standing(waiting).state is State.REJECTED


def test_what_was_rejected_is_found_until_its_time_is_over(assembly: Assembly, clock: ManualClock) -> None:
    waiting = assembly.ask()
    assembly.vote(waiting, "ada", Ballot.REJECT)
    clock.advance(seconds=WEEK - 1)
    assert assembly.ask() == waiting
    clock.advance(seconds=1)
    assert assembly.standing(waiting).state is State.EXPIRED
    assert assembly.ask() != waiting
    assert (count(assembly, proposals), count(assembly, votes)) == (1, 0)


def test_a_caller_may_let_so_many_wait_and_another_one_too(assembly: Assembly, clock: ManualClock) -> None:
    for number in range(MAX_OF_REQUESTER):
        assembly.ask(sha256=f"{number:064}")
    with pytest.raises(ApprovalsExhausted):
        assembly.ask(sha256="f" * 64)
    assembly.ask(sha256="0" * 64)
    assembly.ask(requester=Requester(identity="api-token:other"), sha256="f" * 64)
    clock.advance(seconds=WEEK)
    assembly.ask(sha256="f" * 64)


def test_a_person_may_not_let_more_wait_by_several_credentials(assembly: Assembly) -> None:
    for number in range(MAX_OF_REQUESTER):
        by = Requester(identity=f"api-token:ada{number}", person="ada")
        assembly.ask(requester=by, sha256=f"{number:064}")
    with pytest.raises(ApprovalsExhausted):
        assembly.ask(requester=Requester(identity="api-token:another", person="ada"), sha256="f" * 64)


@pytest.mark.slow
def test_of_heads_so_many_are_kept_for_a_key_and_those_that_wait_always(assembly: Assembly, clock: ManualClock) -> None:
    for number in range(MAX_OF_KEY + 1):
        assembly.ask(requester=Requester(identity=f"api-token:b{number}"), sha256=f"{number:064}")
        clock.advance(seconds=1)
    assert count(assembly, artifact_heads) == MAX_OF_KEY + 1
    clock.advance(seconds=WEEK)
    assembly.ask(sha256="f" * 64)
    assert count(assembly, artifact_heads) == MAX_OF_KEY
    assert assembly.store.kept_of("firmware")[0] == "f" * 64


def test_a_manifest_alone_takes_no_head_away(assembly: Assembly) -> None:
    assembly.ask(content=b"all of the head")
    assembly.ask(requester=Requester(identity="api-token:other"), content=b"manifest")
    assert assembly.store.content("a" * 64) == b"all of the head"


def plant_a_vote(connection: Connection) -> None:
    waiting = connection.execute(select(proposals.c.id)).scalar_one()
    row = {"proposal": waiting, "person": "bob", "identity": "mtls:corp:bob", "ballot": "approve", "reason": ""}
    connection.execute(insert(votes).values(**row, at=START))


PLANTED: dict[str, Callable[[Connection], object]] = {
    "a vote is planted": plant_a_vote,
    "a rejection is removed": lambda it: it.execute(delete(votes)),
    "a vote is turned": lambda it: it.execute(update(votes).values(ballot="approve")),
    "fewer are demanded": lambda it: it.execute(update(proposals).values(demands=[{"group": "qa", "count": 1}])),
    "it is about something else": lambda it: it.execute(update(proposals).values(sha256="c" * 64)),
    "it is somebody else's": lambda it: it.execute(update(proposals).values(requester="api-token:thief")),
    "its end is put off": lambda it: it.execute(update(proposals).values(expires_at=START + timedelta(days=999))),
}


@pytest.mark.parametrize("name", PLANTED)
def test_rows_that_no_leaf_tells_of_are_never_acted_upon(assembly: Assembly, name: str) -> None:
    waiting = assembly.ask()
    assembly.vote(waiting, "ada", Ballot.REJECT)
    with assembly.database.writing() as connection:
        PLANTED[name](connection)
    with pytest.raises(AccessTampered), logged(assembly.database, assembly.clock) as log:
        permitted(log, Permit(revision=revision(assembly), approval=waiting), CHANGED)
    with pytest.raises(AccessTampered):
        assembly.vote(waiting, "cy")


def test_a_document_that_is_another_is_not_shown(assembly: Assembly) -> None:
    waiting = assembly.ask()
    assert assembly.store.document(waiting) == "{}"
    with assembly.database.writing() as connection:
        connection.execute(update(proposals).values(document='{"checked": "artifact"}'))
    with pytest.raises(DatabaseDamaged):
        assembly.store.document(waiting)


class TestPermits:
    """A change is made under the revision at which it was permitted, and uses its approval up."""

    def test_it_is_used_up_with_the_change(self, assembly: Assembly) -> None:
        permit = Permit(revision=revision(assembly), approval=assembly.ask())
        with logged(assembly.database, assembly.clock) as log:
            log.tell(permitted(log, permit, CHANGED))
        assert newest_leaf(assembly)["after"] == {"approval": permit.approval}
        with pytest.raises(AccessMovedError), logged(assembly.database, assembly.clock) as log:
            permitted(log, permit, CHANGED)

    def test_without_an_approval_the_revision_is_compared(self, assembly: Assembly) -> None:
        with logged(assembly.database, assembly.clock) as log:
            assert permitted(log, Permit(revision=revision(assembly)), CHANGED) is CHANGED
        for away in (-1, 1):
            with pytest.raises(AccessMovedError), logged(assembly.database, assembly.clock) as log:
                permitted(log, Permit(revision=revision(assembly) + away), CHANGED)

    def test_what_was_rejected_meanwhile_permits_nothing(self, assembly: Assembly) -> None:
        waiting = assembly.ask()
        permit = Permit(revision=revision(assembly), approval=waiting)
        assembly.vote(waiting, "ada", Ballot.REJECT)
        with pytest.raises(AccessMovedError), logged(assembly.database, assembly.clock) as log:
            permitted(log, permit, CHANGED)

    def test_what_has_expired_meanwhile_permits_nothing(self, assembly: Assembly, clock: ManualClock) -> None:
        permit = Permit(revision=revision(assembly), approval=assembly.ask())
        clock.advance(seconds=WEEK)
        with pytest.raises(AccessMovedError), logged(assembly.database, assembly.clock) as log:
            permitted(log, permit, CHANGED)


def test_all_can_be_voided(assembly: Assembly) -> None:
    waiting = assembly.ask()
    assembly.vote(waiting, "ada")
    with logged(assembly.database, assembly.clock) as log:
        void_all(log.connection)
        log.tell(replace(CHANGED, type=EventType.GROUP_CHANGED))
    assert assembly.store.cases() == ()
    with pytest.raises(ApprovalNotFound):
        assembly.store.document(waiting)


class TestManyAtOnce:
    """Threads and processes; the database decides, whoever asks."""

    def test_the_same_request_has_one_id(self, assembly: Assembly, database_url: str, crowd: Crowd) -> None:
        found = sum(crowd.everywhere(approval_rivals.ask_for_approval, database_url, THREADS), Counter())
        assert len(found) == 1
        assert found.total() == PROCESSES * THREADS
        assert count(assembly, proposals) == 1

    def test_each_person_has_one_vote(self, assembly: Assembly, database_url: str, crowd: Crowd) -> None:
        waiting = assembly.ask()
        done = sum(crowd.everywhere(approval_rivals.approve, database_url, waiting, THREADS), Counter())
        assert done == {DONE: PROCESSES * THREADS}
        assert count(assembly, votes) == 1
        assert assembly.standing(waiting).state is State.PENDING

    def test_one_of_many_uses_an_approval_up(self, assembly: Assembly, database_url: str, crowd: Crowd) -> None:
        permit = Permit(revision=revision(assembly), approval=assembly.ask())
        done = sum(crowd.everywhere(approval_rivals.use_up, database_url, permit, THREADS), Counter())
        assert done == {DONE: 1, "moved": PROCESSES * THREADS - 1}
