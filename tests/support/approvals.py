"""What the tests of approvals share: people in a group, something that waits, and votes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from signer.domain.access.decisions import ApprovalDemand
from signer.domain.approval_events import voted_event
from signer.domain.approvals import (
    Ballot,
    ProposalKind,
    Requester,
    Standing,
    Subject,
    Vote,
    lookup_digest,
    standing,
)
from signer.domain.events import Event, EventType
from signer.services.approval_ports import NewProposal
from signer.storage.approval_store import SqlApprovalStore
from signer.storage.database import Database
from signer.storage.people_store import SqlPeopleStore

CHANGED = Event(type=EventType.PERSON_CHANGED, actor="tests", key=None, version=None, before={}, after={})
TWO = (ApprovalDemand(group="qa", count=2),)
BUILD = Requester(identity="api-token:build")
PEOPLE = ("ada", "bob", "cy")


def subject(**changes: Any) -> Subject:
    """A signature of ``firmware`` that two of ``qa`` have to approve."""
    wanted = Subject(
        kind=ProposalKind.SIGNATURE,
        name="firmware",
        key="firmware",
        key_version=1,
        sha256="a" * 64,
        demands=TWO,
        rule="release",
        rule_sha256="b" * 64,
    )
    return replace(wanted, **changes)


@dataclass(frozen=True, slots=True)
class Assembly:
    """People with an identity ``mtls:corp:NAME`` each, all of whom are in ``qa``, and what waits for them."""

    database: Database
    people: SqlPeopleStore
    store: SqlApprovalStore
    clock: Callable[[], datetime]

    def ask(self, *, requester: Requester = BUILD, content: bytes | None = b"head", **changes: Any) -> str:
        """The id of what waits then."""
        new = NewProposal(subject=subject(**changes), requester=requester, document="{}", content=content)
        return self.store.add(new).id

    def vote(self, waiting: str, person: str, ballot: Ballot = Ballot.APPROVE, *, revision: int | None = None) -> None:
        """As the service lets somebody do who has a vote."""
        seen = self.store.find(waiting)
        assert seen.case is not None
        vote = Vote(
            proposal=waiting, person=person, identity=f"mtls:corp:{person}", ballot=ballot, reason="", at=self.clock()
        )
        event = voted_event(seen.case.proposal, vote, ["qa"])
        self.store.vote(vote, revision=seen.revision if revision is None else revision, event=event)

    def standing(self, waiting: str) -> Standing:
        """What becomes of it now."""
        seen = self.store.find(waiting)
        assert seen.case is not None
        return standing(seen.case.proposal, seen.case.votes, seen.circle, now=self.clock())

    def look(self, *, requester: Requester = BUILD, **changes: Any) -> str | None:
        """The id of what waits when the same is asked for."""
        case = self.store.look(lookup_digest(subject(**changes), requester)).case
        return None if case is None else case.proposal.id


def assemble(database: Database, clock: Callable[[], datetime], *, people: Sequence[str] = PEOPLE) -> Assembly:
    """Everybody, on a database where nobody is named so."""
    store = SqlPeopleStore(database=database, clock=clock)
    store.add_group("qa", CHANGED)
    for name in people:
        store.add_person(name=name, display=name, email=None, event=CHANGED)
        store.assign(f"mtls:corp:{name}", name, CHANGED)
        store.add_member("qa", f"person:{name}", CHANGED)
    return Assembly(database, store, SqlApprovalStore(database=database, clock=clock), clock)
