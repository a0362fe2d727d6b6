"""Proposals and votes in SQL.

1. Their rows give power: they are compared with the log before each of these transactions, and its leaf tells the new
   digest. A row that was planted stops everything before it counts.
2. What has expired is forgotten with the next proposal. Until then the same request finds what became of it.
3. A vote is kept only under the revision of access at which it was decided that its person has one.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select

from signer.domain.access.decisions import ApprovalDemand
from signer.domain.approval_events import requested_event
from signer.domain.approvals import (
    ID_BYTES,
    LIFETIME,
    MAX_OF_REQUESTER,
    MAX_PROPOSALS,
    Ballot,
    Proposal,
    ProposalKind,
    Requester,
    Subject,
    Vote,
    demands_document,
    lookup_digest,
)
from signer.domain.events import Event
from signer.errors import ApprovalNotFound, ApprovalsExhausted, DatabaseDamaged
from signer.services.approval_ports import AccessMovedError, Case, NewProposal, Seen
from signer.services.ports import Clock
from signer.storage import kept_heads
from signer.storage.access import access_revision, move_access_revision
from signer.storage.approval_tables import proposals, votes
from signer.storage.circle import read_circle
from signer.storage.database import Database, retried
from signer.storage.log_transaction import logged


class SqlApprovalStore:
    """``services.approval_ports.ApprovalStore`` on SQLAlchemy Core. ``lifetime``: of what is asked from now on."""

    def __init__(self, *, database: Database, clock: Clock, lifetime: timedelta = LIFETIME) -> None:
        self._database = database
        self._clock = clock
        self._lifetime = lifetime

    def circle(self) -> Seen:
        """Who there is now."""
        with self._database.snapshot() as connection:
            return Seen(revision=access_revision(connection), circle=read_circle(connection))

    def look(self, lookup: str) -> Seen:
        """The proposal of this ``lookup_digest``, ended or not."""
        return self._seen(proposals.c.lookup == lookup)

    def find(self, proposal_id: str) -> Seen:
        """The proposal of this id."""
        return self._seen(proposals.c.id == proposal_id)

    def cases(self) -> tuple[Case, ...]:
        """All that are kept, the oldest first."""
        with self._database.snapshot() as connection:
            rows = connection.execute(select(proposals).order_by(proposals.c.created_at, proposals.c.id)).all()
            given = connection.execute(select(votes)).all()
        return tuple(_case(row, given) for row in rows)

    @retried
    def add(self, new: NewProposal) -> Proposal:
        """Keep it, or give the one that is kept already; raises ``ApprovalsExhausted``."""
        now = self._clock()
        with logged(self._database, self._clock) as log:
            connection = log.connection
            forget_expired(connection, now)
            row = connection.execute(_same_as(new)).one_or_none()
            if row is not None:
                return _proposal(row)
            _require_room(connection, new.requester)
            made = Proposal(
                id=secrets.token_hex(ID_BYTES),
                subject=new.subject,
                requester=new.requester,
                created_at=now,
                expires_at=now + self._lifetime,
            )
            connection.execute(insert(proposals).values(_row(made, new.document)))
            if new.content is not None and new.subject.key is not None:
                kept_heads.keep(connection, new.subject.sha256, new.subject.key, new.content, now)
            log.tell(requested_event(made))
        return made

    @retried
    def vote(self, vote: Vote, *, revision: int, event: Event) -> None:
        """Keep a vote in the place of the person's last one."""
        with logged(self._database, self._clock) as log:
            connection = log.connection
            if access_revision(connection) != revision:
                raise AccessMovedError
            if connection.execute(select(proposals.c.id).where(proposals.c.id == vote.proposal)).first() is None:
                raise ApprovalNotFound(approval=vote.proposal)
            same = (votes.c.proposal == vote.proposal, votes.c.person == vote.person)
            connection.execute(delete(votes).where(*same))
            connection.execute(insert(votes).values(_vote_row(vote)))
            if vote.ballot is Ballot.REJECT:
                # What was decided because it was approved is decided again.
                move_access_revision(connection)
            log.tell(event)

    def document(self, proposal_id: str) -> str:
        """What a proposal is shown by; raises ``ApprovalNotFound``, or ``DatabaseDamaged`` where it is another."""
        with self._database.reading() as connection:
            row = connection.execute(select(proposals).where(proposals.c.id == proposal_id)).one_or_none()
        if row is None:
            raise ApprovalNotFound(approval=proposal_id)
        if hashlib.sha256(row.document.encode()).hexdigest() != row.document_sha256:
            raise DatabaseDamaged(damage=(f"the document of approval {proposal_id} is not the one that was kept",))
        return str(row.document)

    def content(self, manifest_sha256: str) -> bytes | None:
        """The head, or the manifest, that is kept of an artifact, unverified."""
        with self._database.reading() as connection:
            return kept_heads.content(connection, manifest_sha256)

    def kept_of(self, key: str) -> tuple[str, ...]:
        """The digests of the manifests of which something is kept for a key, the newest first."""
        with self._database.reading() as connection:
            return kept_heads.kept_of(connection, key)

    def _seen(self, wanted: Any) -> Seen:
        with self._database.snapshot() as connection:
            revision, circle = access_revision(connection), read_circle(connection)
            row = connection.execute(select(proposals).where(wanted)).one_or_none()
            if row is None:
                return Seen(revision=revision, circle=circle)
            given = connection.execute(select(votes).where(votes.c.proposal == row.id)).all()
        return Seen(revision=revision, circle=circle, case=_case(row, given))


def forget_expired(connection: Connection, now: datetime) -> None:
    """Remove what can be approved no more, in the caller's transaction."""
    expired = select(proposals.c.id).where(proposals.c.expires_at <= now)
    connection.execute(delete(votes).where(votes.c.proposal.in_(expired)))
    connection.execute(delete(proposals).where(proposals.c.expires_at <= now))


def forget(connection: Connection, proposal_id: str) -> Proposal | None:
    """Remove a proposal that is used up, in the caller's transaction; None where there is none."""
    row = connection.execute(select(proposals).where(proposals.c.id == proposal_id)).one_or_none()
    if row is None:
        return None
    connection.execute(delete(votes).where(votes.c.proposal == proposal_id))
    connection.execute(delete(proposals).where(proposals.c.id == proposal_id))
    return _proposal(row)


def void_all(connection: Connection) -> None:
    """Remove all that waits, and all votes, in the caller's transaction."""
    connection.execute(delete(votes))
    connection.execute(delete(proposals))


def _same_as(new: NewProposal) -> Any:
    return select(proposals).where(proposals.c.lookup == lookup_digest(new.subject, new.requester))


def _require_room(connection: Connection, requester: Requester) -> None:
    if requester.person is not None:
        own = proposals.c.person == requester.person
    else:
        own = (proposals.c.requester == requester.identity) & proposals.c.person.is_(None)
    counted = select(func.count()).select_from(proposals)
    for wanted, limit in ((counted.where(own), MAX_OF_REQUESTER), (counted, MAX_PROPOSALS)):
        if connection.execute(wanted).scalar_one() >= limit:
            raise ApprovalsExhausted(limit=limit)


def _row(made: Proposal, document: str) -> dict[str, Any]:
    subject = made.subject
    return {
        "id": made.id,
        "lookup": lookup_digest(subject, made.requester),
        "kind": subject.kind.value,
        "name": subject.name,
        "key": subject.key,
        "key_version": subject.key_version,
        "sha256": subject.sha256,
        "rule": subject.rule,
        "rule_sha256": subject.rule_sha256,
        "demands": demands_document(subject.demands),
        "requester": made.requester.identity,
        "person": made.requester.person,
        "created_at": made.created_at,
        "expires_at": made.expires_at,
        "document": document,
        "document_sha256": hashlib.sha256(document.encode()).hexdigest(),
    }


def _vote_row(vote: Vote) -> dict[str, Any]:
    return {
        "proposal": vote.proposal,
        "person": vote.person,
        "identity": vote.identity,
        "ballot": vote.ballot.value,
        "reason": vote.reason,
        "at": vote.at,
    }


def _case(row: Row[Any], given: Iterable[Row[Any]]) -> Case:
    found = sorted((_vote(each) for each in given if each.proposal == row.id), key=lambda vote: (vote.at, vote.person))
    return Case(proposal=_proposal(row), votes=tuple(found))


def _proposal(row: Row[Any]) -> Proposal:
    subject = Subject(
        kind=ProposalKind(row.kind),
        name=row.name,
        key=row.key,
        key_version=row.key_version,
        sha256=row.sha256,
        demands=tuple(ApprovalDemand(group=each["group"], count=each["count"]) for each in row.demands),
        rule=row.rule,
        rule_sha256=row.rule_sha256,
    )
    return Proposal(
        id=row.id,
        subject=subject,
        requester=Requester(identity=row.requester, person=row.person),
        created_at=row.created_at,
        expires_at=row.expires_at,
    )


def _vote(row: Row[Any]) -> Vote:
    return Vote(
        proposal=row.proposal,
        person=row.person,
        identity=row.identity,
        ballot=Ballot(row.ballot),
        reason=row.reason,
        at=row.at,
    )
