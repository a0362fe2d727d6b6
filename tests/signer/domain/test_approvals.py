"""What becomes of what waits: who counts, for which group, and until when."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signer.domain.access.decisions import ApprovalDemand
from signer.domain.approvals import (
    LIFETIME,
    Ballot,
    Circle,
    Proposal,
    ProposalKind,
    Requester,
    State,
    Subject,
    Vote,
    filled,
    lookup_digest,
    reachable,
    standing,
    strongest,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
QA, SECURITY = "qa", "security"
ONE_QA = (ApprovalDemand(group=QA, count=1),)
TWO_QA = (ApprovalDemand(group=QA, count=2),)
BUILD = Requester(identity="api-token:build")
BOTH = (ApprovalDemand(group=QA, count=1), ApprovalDemand(group=SECURITY, count=1))
# Ada is in both groups; Dan is in neither, and Eve is disabled.
CIRCLE = Circle(
    people=frozenset({"ada", "bob", "cy", "dan"}),
    holders={
        "api-token:ada": "ada",
        "mtls:corp:ada": "ada",
        "api-token:bob": "bob",
        "api-token:cy": "cy",
        "api-token:dan": "dan",
        "api-token:eve": "eve",
        "ci:forge/1": "bob",
        "user:bob@example.org": "bob",
    },
    groups={QA: frozenset({"ada", "bob", "eve"}), SECURITY: frozenset({"ada", "cy"})},
)


def proposal(demands: tuple[ApprovalDemand, ...] = ONE_QA, requester: Requester = BUILD) -> Proposal:
    subject = Subject(
        kind=ProposalKind.SIGNATURE,
        name="firmware",
        key="firmware",
        key_version=1,
        sha256="a" * 64,
        demands=demands,
        rule="release",
        rule_sha256="b" * 64,
    )
    return Proposal(id="1", subject=subject, requester=requester, created_at=NOW, expires_at=NOW + LIFETIME)


def vote(person: str, ballot: Ballot = Ballot.APPROVE, *, identity: str | None = None, proposal: str = "1") -> Vote:
    by = identity or f"api-token:{person}"
    return Vote(proposal=proposal, person=person, identity=by, ballot=ballot, reason="", at=NOW)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A proposal, what was said, and what becomes of it."""

    votes: tuple[Vote, ...]
    state: State
    demands: tuple[ApprovalDemand, ...] = ONE_QA
    requester: Requester = BUILD
    circle: Circle = CIRCLE
    later: timedelta = timedelta(0)


ADA, BOB, CY = vote("ada"), vote("bob"), vote("cy")
WITHOUT_BOB = replace(CIRCLE, people=CIRCLE.people - {"bob"})
BOB_LEFT = replace(CIRCLE, groups={**CIRCLE.groups, QA: frozenset({"ada"})})
TOKEN_REVOKED = replace(CIRCLE, holders={name: who for name, who in CIRCLE.holders.items() if name != "api-token:bob"})
GIVEN_AWAY = replace(CIRCLE, holders={**CIRCLE.holders, "api-token:bob": "ada"})
BUILD_IS_BOBS = replace(CIRCLE, holders={**CIRCLE.holders, "api-token:build": "bob"})
ROWS: dict[str, Row] = {
    "nobody has said anything": Row(votes=(), state=State.PENDING),
    "one of the group is enough for one": Row(votes=(BOB,), state=State.APPROVED),
    "two of the group are enough for two": Row(votes=(ADA, BOB), state=State.APPROVED, demands=TWO_QA),
    "each of two groups has one": Row(votes=(ADA, CY), state=State.APPROVED, demands=BOTH),
    "who is in both makes room for who is in one": Row(votes=(ADA, BOB), state=State.APPROVED, demands=BOTH),
    "one is not two": Row(votes=(BOB,), state=State.PENDING, demands=TWO_QA),
    "who is in both groups fills one place": Row(votes=(ADA,), state=State.PENDING, demands=BOTH),
    "a person's two credentials are one vote": Row(
        votes=(ADA, vote("ada", identity="mtls:corp:ada")), state=State.PENDING, demands=TWO_QA
    ),
    "who is in another group does not count": Row(votes=(CY,), state=State.PENDING),
    "who is in no group does not count": Row(votes=(vote("dan"),), state=State.PENDING),
    "who is disabled does not count": Row(votes=(vote("eve"),), state=State.PENDING),
    "who was disabled since does not count": Row(votes=(BOB,), state=State.PENDING, circle=WITHOUT_BOB),
    "who was taken out of the group does not count": Row(votes=(BOB,), state=State.PENDING, circle=BOB_LEFT),
    "what a revoked token has said does not count": Row(votes=(BOB,), state=State.PENDING, circle=TOKEN_REVOKED),
    "a credential that is another's now has said nothing": Row(votes=(BOB,), state=State.PENDING, circle=GIVEN_AWAY),
    "a pipeline that is somebody's does not count": Row(
        votes=(vote("bob", identity="ci:forge/1"),), state=State.PENDING
    ),
    "a user who is somebody does not count": Row(
        votes=(vote("bob", identity="user:bob@example.org"),), state=State.PENDING
    ),
    "who asks does not count": Row(
        votes=(BOB,), state=State.PENDING, requester=Requester(identity="api-token:bob", person="bob")
    ),
    "who asks does not count by another credential": Row(
        votes=(vote("ada", identity="mtls:corp:ada"),),
        state=State.PENDING,
        requester=Requester(identity="api-token:ada", person="ada"),
    ),
    "whose the asking credential is by now does not count": Row(
        votes=(BOB,), state=State.PENDING, circle=BUILD_IS_BOBS
    ),
    "whose the asking credential was does not count": Row(
        votes=(BOB,), state=State.PENDING, requester=Requester(identity="api-token:left", person="bob")
    ),
    "one rejection ends it": Row(votes=(vote("cy", Ballot.REJECT),), state=State.REJECTED),
    "a rejection outweighs enough approvals": Row(
        votes=(ADA, BOB, vote("cy", Ballot.REJECT)), state=State.REJECTED, demands=TWO_QA
    ),
    "a rejection stays when its person is disabled": Row(votes=(BOB, vote("eve", Ballot.REJECT)), state=State.REJECTED),
    "a vote on something else is none": Row(votes=(vote("bob", proposal="2"),), state=State.PENDING),
    "its time is over": Row(votes=(BOB,), state=State.EXPIRED, later=LIFETIME),
    "a moment before it is not": Row(votes=(BOB,), state=State.APPROVED, later=LIFETIME - timedelta(microseconds=1)),
}


@pytest.mark.parametrize("name", ROWS)
def test_what_becomes_of_it(name: str) -> None:
    row = ROWS[name]
    waiting = proposal(row.demands, row.requester)
    assert standing(waiting, row.votes, row.circle, now=NOW + row.later).state is row.state


def test_it_says_who_is_missing_and_whose_place_is_filled() -> None:
    found = standing(proposal(BOTH), (ADA,), CIRCLE, now=NOW)
    assert found.lacking == (ApprovalDemand(group=SECURITY, count=1),)
    assert found.counted == {"ada": QA}


def test_of_people_in_several_groups_as_many_places_are_filled_as_can_be() -> None:
    """A chain in which each new one moves all that sit already."""
    size = 12
    groups = {f"g{number:02}": frozenset({f"p{number:02}", f"p{number + 1:02}"}) for number in range(size)}
    everybody = frozenset(f"p{number:02}" for number in range(size + 1))
    circle = Circle(people=everybody, holders={}, groups=groups)
    demands = tuple(ApprovalDemand(group=group, count=1) for group in groups)
    assert len(filled(demands, everybody - {"p00"}, circle)) == size
    assert len(filled(demands, everybody - {"p03", "p04"}, circle)) == size - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Whether there are people enough."""

    demands: tuple[ApprovalDemand, ...]
    enough: bool
    requester: Requester | None = None


REACHES: dict[str, Reach] = {
    "two of two": Reach(demands=TWO_QA, enough=True),
    "one of each": Reach(demands=BOTH, enough=True),
    "a disabled one is not there": Reach(demands=(ApprovalDemand(group=QA, count=3),), enough=False),
    "there is no such group": Reach(demands=(ApprovalDemand(group="nobody", count=1),), enough=False),
    "nothing is demanded": Reach(demands=(), enough=False),
    "the one who asks is one too few": Reach(
        demands=TWO_QA, enough=False, requester=Requester(identity="api-token:bob", person="bob")
    ),
    "whose the credential is counts": Reach(
        demands=TWO_QA, enough=False, requester=Requester(identity="api-token:bob")
    ),
    "who is in both is not there twice": Reach(
        demands=(ApprovalDemand(group=QA, count=2), ApprovalDemand(group=SECURITY, count=2)), enough=False
    ),
}


@pytest.mark.parametrize("name", REACHES)
def test_whether_there_are_people_enough(name: str) -> None:
    row = REACHES[name]
    assert reachable(row.demands, CIRCLE, row.requester) is row.enough


def test_what_meets_several_demands_is_the_most_of_each_group() -> None:
    assert strongest((*TWO_QA, *BOTH)) == (
        ApprovalDemand(group=QA, count=2),
        ApprovalDemand(group=SECURITY, count=1),
    )


CHANGES = {
    "another manifest": {"sha256": "c" * 64},
    "another version of the key": {"key_version": 2},
    "another key": {"key": "other"},
    "another rule, or the same one changed": {"rule_sha256": "c" * 64},
    "another kind": {"kind": ProposalKind.KEY_STEP},
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_differs_is_asked_for_anew(name: str) -> None:
    waiting = proposal()
    changed = replace(waiting.subject, **CHANGES[name])  # type: ignore[arg-type]
    assert lookup_digest(changed, waiting.requester) != lookup_digest(waiting.subject, waiting.requester)


def test_the_same_person_asks_once_by_whichever_credential_and_another_one_for_themselves() -> None:
    subject = proposal().subject
    mine, mine_too = (Requester(identity=each, person="ada") for each in ("api-token:ada", "mtls:corp:ada"))
    assert lookup_digest(subject, mine) == lookup_digest(subject, mine_too)
    assert lookup_digest(subject, mine) != lookup_digest(subject, Requester(identity="api-token:ada"))


@settings(max_examples=60, deadline=None)
@given(
    groups=st.dictionaries(st.sampled_from("ghijk"), st.frozensets(st.sampled_from("abcde")), max_size=4),
    counts=st.lists(st.integers(1, 3), min_size=5, max_size=5),
)
def test_no_other_way_of_sitting_fills_more_places(groups: dict[str, frozenset[str]], counts: list[int]) -> None:
    demands = tuple(ApprovalDemand(group=group, count=count) for group, count in zip("ghijk", counts, strict=True))
    circle = Circle(people=frozenset("abcde"), holders={}, groups=groups)
    found = filled(demands, "abcde", circle)
    assert all(person in groups[group] for person, group in found.items())
    assert all(list(found.values()).count(demand.group) <= demand.count for demand in demands)
    assert len(found) == _most(tuple("abcde"), {demand.group: demand.count for demand in demands}, groups)


def _most(people: tuple[str, ...], room: dict[str, int], groups: dict[str, frozenset[str]]) -> int:
    """By trying everything."""
    if not people:
        return 0
    first, *others = people
    tries = [_most(tuple(others), room, groups)]
    for group, members in groups.items():
        if first in members and room[group]:
            tries.append(1 + _most(tuple(others), {**room, group: room[group] - 1}, groups))
    return max(tries)
