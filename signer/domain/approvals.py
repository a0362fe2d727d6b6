"""Approvals: what waits for people, what they said, and whether that is enough.

1. People count, not credentials: a person has one vote, and it fills one place of one group.
2. A vote counts while its person is enabled and in the group, and the credential that it came by is theirs. Who asks
   has no vote, by whichever credential.
3. One rejection ends it, and so does its time.
4. What was approved is bound to its digest, and to the digest of what asks for the approval: another one asks anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from typing_extensions import TypedDict

from signer.domain.access.decisions import ApprovalDemand
from signer.domain.access.emergencies import VOTELESS

# From the request on, for the votes and for what they allow together, where the settings say nothing else.
LIFETIME = timedelta(days=7)
# Of one requester at the same time, rejected ones too; and of all.
MAX_OF_REQUESTER = 20
MAX_PROPOSALS = 1000
ID_BYTES = 16


class ProposalKind(StrEnum):
    """What waits."""

    SIGNATURE = "signature"
    POLICY = "policy"
    GROUP_MEMBER = "group-member"
    IDENTITY = "identity"
    API_TOKEN = "api-token"  # noqa: S105  (a name, no secret)
    PERSON = "person"
    KEY_STEP = "key-step"
    FLOOR = "floor"
    USER = "user"


class Ballot(StrEnum):
    """What a person says."""

    APPROVE = "approve"
    REJECT = "reject"


class State(StrEnum):
    """What became of a proposal."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What somebody wants to do, and what asks for approvals of it.

    Attributes:
        name: what it is about, for people: a key, a group, a person.
        key: the key that it is about, where it is one.
        sha256: of what shall be, lowercase hex: the manifest's, or that of the document of a change.
        rule: the rule that asks; empty where several guard what is changed.
        rule_sha256: of that rule, or of ``demands``.
    """

    kind: ProposalKind
    name: str
    sha256: str
    demands: tuple[ApprovalDemand, ...]
    rule: str = ""
    rule_sha256: str
    key: str | None = None
    key_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Requester:
    """Who wants it. ``person``: whose the identity is; None where it is nobody's."""

    identity: str
    person: str | None = None

    @property
    def owner(self) -> str:
        """Whose proposals are one: those of a person, or of a credential that is nobody's."""
        return self.identity if self.person is None else f"person:{self.person}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A subject that waits, or waited. ``id``: 32 hex digits."""

    id: str
    subject: Subject
    requester: Requester
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """What a person said. ``identity``: the credential by which they said it."""

    proposal: str
    person: str
    identity: str
    ballot: Ballot
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Circle:
    """Who there is now.

    Attributes:
        people: the names of those who are enabled.
        holders: the person of each identity that belongs to one and can prove something.
        groups: the people in each group, enabled or not.
    """

    people: frozenset[str]
    holders: Mapping[str, str]
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def requester(self, identity: str) -> Requester:
        """Somebody who asks."""
        return Requester(identity=identity, person=self.holders.get(identity))

    def groups_of(self, person: str) -> frozenset[str]:
        """The groups that a person is in; none of who is disabled."""
        if person not in self.people:
            return frozenset()
        return frozenset(group for group, members in self.groups.items() if person in members)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What becomes of a proposal as things are now.

    Attributes:
        lacking: how many people of which groups have to approve still.
        counted: those whose approvals count, each with the group whose place they fill.
    """

    state: State
    lacking: tuple[ApprovalDemand, ...]
    counted: Mapping[str, str]


def lookup_digest(subject: Subject, requester: Requester) -> str:
    """What finds a proposal again when the same is asked for once more; SHA-256, lowercase hex."""
    parts = (
        subject.kind.value,
        subject.name,
        subject.key,
        subject.key_version,
        subject.sha256,
        subject.rule_sha256,
        requester.owner,
    )
    return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()


def standing(proposal: Proposal, votes: Iterable[Vote], circle: Circle, *, now: datetime) -> Standing:
    """What becomes of it."""
    given = [vote for vote in votes if vote.proposal == proposal.id]
    excluded = _asking(proposal.requester, circle)
    approving = {
        vote.person
        for vote in given
        if vote.ballot is Ballot.APPROVE
        and circle.holders.get(vote.identity) == vote.person
        and not vote.identity.startswith(VOTELESS)
        and vote.person not in excluded
    }
    places = filled(proposal.subject.demands, approving, circle)
    lacking = _lacking(proposal.subject.demands, places)
    if now >= proposal.expires_at:
        state = State.EXPIRED
    elif any(vote.ballot is Ballot.REJECT for vote in given):
        state = State.REJECTED
    else:
        state = State.PENDING if lacking else State.APPROVED
    return Standing(state=state, lacking=lacking, counted=places)


def reachable(demands: Collection[ApprovalDemand], circle: Circle, requester: Requester | None = None) -> bool:
    """Whether there are people enough, without the one who asks."""
    excluded = frozenset[str]() if requester is None else _asking(requester, circle)
    places = filled(demands, circle.people - excluded, circle)
    return bool(demands) and not _lacking(demands, places)


def filled(demands: Iterable[ApprovalDemand], people: Iterable[str], circle: Circle) -> dict[str, str]:
    """The group whose place each of the people fills, so that as many places as can be are filled.

    Augmenting paths: who is in two groups makes room in one where another person can fill it, and is never in both.
    """
    places = _Places(demands, {person: circle.groups_of(person) for person in people})
    for person in sorted(places.groups):
        places.seat(person, set())
    return places.taken


def strongest(demands: Iterable[ApprovalDemand]) -> tuple[ApprovalDemand, ...]:
    """What meets all of these: of each group, the most."""
    counts: dict[str, int] = {}
    for demand in demands:
        counts[demand.group] = max(demand.count, counts.get(demand.group, 0))
    return tuple(ApprovalDemand(group=group, count=counts[group]) for group in sorted(counts))


class DemandDocument(TypedDict):
    """How many of which group have to approve."""

    group: str
    count: int


def demands_document(demands: Iterable[ApprovalDemand]) -> list[DemandDocument]:
    """As JSON has them."""
    return [{"group": demand.group, "count": demand.count} for demand in demands]


class _Places:
    """Places of groups, and who fills them."""

    def __init__(self, demands: Iterable[ApprovalDemand], groups: Mapping[str, frozenset[str]]) -> None:
        self.counts = {demand.group: demand.count for demand in demands}
        self.groups = groups
        self.taken: dict[str, str] = {}

    def seat(self, person: str, tried: set[str]) -> bool:
        """Find a place for one more, moving others where that makes room. ``tried``: groups that cannot."""
        for group in sorted(self.groups[person] & self.counts.keys() - tried):
            tried.add(group)
            inside = sorted(other for other, place in self.taken.items() if place == group)
            if len(inside) < self.counts[group] or any(self.seat(other, tried) for other in inside):
                self.taken[person] = group
                return True
        return False


def _asking(requester: Requester, circle: Circle) -> frozenset[str]:
    """The people who stand behind a request: whose it was when it was made, and whose the credential is now."""
    return frozenset({requester.person, circle.holders.get(requester.identity)} - {None})  # type: ignore[arg-type]


def _lacking(demands: Iterable[ApprovalDemand], places: Mapping[str, str]) -> tuple[ApprovalDemand, ...]:
    taken = list(places.values())
    return tuple(
        ApprovalDemand(group=demand.group, count=demand.count - taken.count(demand.group))
        for demand in demands
        if demand.count > taken.count(demand.group)
    )
