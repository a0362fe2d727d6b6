"""Signatures that people have to approve: who can get one, and by what nobody can."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update

from signer.domain.approvals import LIFETIME, Ballot, State
from signer.domain.events import EventType
from signer.domain.identity import Identity
from signer.domain.requests import ManifestSeen
from signer.errors import AccessTampered, ApprovalRequired
from signer.services.approval_ports import GivenApproval
from signer.services.signature_approvals import SignatureApprovals
from signer.storage.approval_tables import artifact_heads, proposals, votes
from signer.storage.log_reader import SqlLogReader
from tests.artifacts import ArtifactBuilder, Script
from tests.support.clock import START, ManualClock
from tests.support.guarded_house import ADMIN, BUILD, MANAGER, Guarded, guard, head_request, refused, voter
from tests.support.house import House
from verifier import Limits, Manifest
from verifier.log import parsed_leaf

VERSION = "corpus-module.version"
DIFFERS = "approval-digest-differs"
NO = Ballot.REJECT
WEEK = LIFETIME.total_seconds()
ADA, BOB, DAN = voter("ada"), voter("bob"), voter("dan")
LAPTOP = voter("ada", identity="api-token:ada-laptop")
JOB = voter("bob", identity="ci:forge/7")


@pytest.fixture
def guarded(house: House) -> Guarded:
    return guard(house)


class TestTheWay:
    """From a request that waits to its signature."""

    def test_a_signature_comes_when_enough_people_have_approved_it(self, guarded: Guarded) -> None:
        waiting = guarded.ask()
        guarded.approve(waiting, "ada")
        assert guarded.ask() == waiting
        guarded.approve(waiting, "bob")
        signature = guarded.sign()
        leaf = parsed_leaf(
            SqlLogReader(database=guarded.house.database).leaves(signature.index, signature.index + 1)[0]
        )
        assert (leaf["approval"], leaf["rule"]) == (waiting, "release")
        assert guarded.sign().raw == signature.raw

    def test_the_refusal_says_what_waits_and_who_is_missing(self, guarded: Guarded) -> None:
        request = head_request()
        with pytest.raises(ApprovalRequired) as refusal:
            guarded.sign(request=request)
        error = refusal.value
        assert (error.about, error.sha256, error.lacking) == ("firmware", request.manifest.sha256, ("2 of qa",))
        assert len(error.approval) == 32

    def test_what_no_rule_guards_needs_nobody(self, guarded: Guarded) -> None:
        assert guarded.sign(MANAGER, key="open").key == "open"

    def test_a_rule_without_approvals_lets_nobody_sign_with_a_guarded_key(self, guarded: Guarded) -> None:
        assert refused(lambda: guarded.sign(MANAGER)) == "access-denied"

    def test_votes_are_leaves(self, guarded: Guarded) -> None:
        guarded.approve(guarded.ask())
        told = [kind for kind in guarded.house.event_types() if kind.value.startswith("approval-")]
        assert told == [EventType.APPROVAL_REQUESTED, EventType.APPROVAL_VOTED, EventType.APPROVAL_VOTED]


def _another(guarded: Guarded, **changes: Any) -> object:
    return guarded.sign(request=head_request(ArtifactBuilder(name="other", **changes)))


# After ada and bob have approved what the build asked for: what is no signature all the same.
NOT_BY_THIS: dict[str, Callable[[Guarded], object]] = {
    "another artifact": _another,
    "another credential that may ask": lambda it: it.sign(LAPTOP),
    "a person who may ask": lambda it: it.sign(ADA),
    "a job": lambda it: it.sign(JOB),
    "an administrator": lambda it: it.sign(MANAGER),
}


@pytest.mark.parametrize("name", NOT_BY_THIS)
def test_what_was_approved_for_one_is_for_nobody_and_nothing_else(guarded: Guarded, name: str) -> None:
    guarded.approve(guarded.ask())
    assert refused(lambda: NOT_BY_THIS[name](guarded)) in {"approval-required", "access-denied"}


# After ada and bob have approved: what takes the approval away.
TAKEN_AWAY: dict[str, Callable[[Guarded, str, ManualClock], object]] = {
    "a person is disabled": lambda it, *_: it.services.people.disable("ada", reason="left", actor=ADMIN),
    "a person is taken out of the group": lambda it, *_: it.services.people.remove_member(
        "qa", "person:bob", actor=ADMIN
    ),
    "the credential is taken back": lambda it, *_: it.services.people.unassign("mtls:corp:ada", actor=ADMIN),
    "somebody rejects it": lambda it, waiting, _: it.vote(waiting, voter("cy"), Ballot.REJECT),
    "who approved it rejects it": lambda it, waiting, _: it.vote(waiting, ADA, Ballot.REJECT),
    "its time is over": lambda _, __, clock: clock.advance(seconds=WEEK),
    "the key is rotated": lambda it, *_: rotated(it),
    "the rule is changed": lambda it, *_: changed_rule(it),
}


def rotated(guarded: Guarded) -> None:
    """With the approvals that this needs."""
    for step in (
        lambda: guarded.house.lifecycle.prepare(MANAGER, "firmware", validity=guarded.house.version().validity),
        lambda: guarded.house.lifecycle.rotate(MANAGER, "firmware"),
    ):
        through(guarded, step)


def changed_rule(guarded: Guarded) -> None:
    """With the approvals that this needs."""
    text = guarded.services.policies.show().text.replace('checked = "manifest"', 'checked = "head"')
    through(guarded, lambda: guarded.apply(text))


def through(guarded: Guarded, step: Callable[[], object]) -> None:
    """Ask, have it approved, ask again."""
    with pytest.raises(ApprovalRequired) as waiting:
        step()
    guarded.approve(waiting.value.approval)
    step()


@pytest.mark.parametrize("name", TAKEN_AWAY)
def test_what_was_approved_is_not_any_more(guarded: Guarded, clock: ManualClock, name: str) -> None:
    waiting = guarded.ask()
    guarded.approve(waiting)
    TAKEN_AWAY[name](guarded, waiting, clock)
    assert refused(guarded.sign) in {"approval-required", "approval-rejected"}


VOTES: dict[str, tuple[Callable[[Guarded, str], object], str]] = {
    "an administrator": (lambda it, waiting: it.vote(waiting, MANAGER), "access-denied"),
    "a reader": (lambda it, waiting: it.vote(waiting, Identity(name="api-token:console")), "access-denied"),
    "the build itself, whom a rule lets approve": (lambda it, waiting: it.vote(waiting, BUILD), "vote-refused"),
    "a job that belongs to a member": (lambda it, waiting: it.vote(waiting, JOB), "vote-refused"),
    "a person who is in no group": (lambda it, waiting: it.vote(waiting, DAN), "vote-refused"),
    "a member who is disabled": (lambda it, waiting: it.vote(waiting, voter("gone")), "vote-refused"),
    "a credential that says whose it is and is not": (
        lambda it, waiting: it.vote(waiting, voter("ada", identity="mtls:corp:mallory")), "vote-refused",
    ),
    "a credential that was another person's when it was proved": (
        lambda it, waiting: it.vote(waiting, voter("ada", identity="mtls:corp:bob")), "vote-refused",
    ),
    "a digest of something else": (lambda it, waiting: it.vote(waiting, ADA, sha256="0" * 64), DIFFERS),
    "no digest": (lambda it, waiting: it.vote(waiting, ADA, sha256=None), DIFFERS),
    "a rejection of something else": (lambda it, waiting: it.vote(waiting, ADA, NO, sha256="0" * 64), DIFFERS),
    "what is not there": (lambda it, _: it.house.application.approvals.show(ADA, "0" * 32), "approval-not-found"),
}  # fmt: skip


@pytest.mark.parametrize("name", VOTES)
def test_what_is_no_vote(guarded: Guarded, name: str) -> None:
    waiting = guarded.ask()
    guarded.approve(waiting, "cy")
    act, code = VOTES[name]
    assert refused(lambda: act(guarded, waiting)) == code
    assert guarded.state(waiting) is State.PENDING


@pytest.mark.parametrize("by", [ADA, LAPTOP])
def test_who_asks_does_not_approve_by_any_credential(guarded: Guarded, by: Identity) -> None:
    waiting = guarded.ask(LAPTOP)
    assert refused(lambda: guarded.vote(waiting, by)) == "vote-refused"
    guarded.approve(waiting, "bob", "cy")
    assert guarded.sign(LAPTOP).key == "firmware"


def test_a_rejection_is_final(guarded: Guarded) -> None:
    waiting = guarded.ask()
    guarded.vote(waiting, ADA, Ballot.REJECT, sha256=None, reason="not this one")
    for person in ("ada", "bob", "cy"):
        assert refused(lambda: guarded.vote(waiting, voter(person))) == "approval-ended"  # noqa: B023
    assert refused(guarded.sign) == "approval-rejected"


def test_what_has_expired_takes_no_votes_and_is_asked_for_anew(guarded: Guarded, clock: ManualClock) -> None:
    waiting = guarded.ask()
    clock.advance(seconds=WEEK)
    assert refused(lambda: guarded.vote(waiting, ADA)) == "approval-ended"
    assert guarded.ask() != waiting


def test_an_approval_that_ends_on_the_way_is_asked_for_again(
    guarded: Guarded, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarded.approve(guarded.ask())
    real, ends = SignatureApprovals.given, iter([timedelta(seconds=-1)])

    async def given(self: SignatureApprovals, *asked: Any) -> GivenApproval:
        found = await real(self, *asked)
        end = next(ends, None)
        return found if end is None else replace(found, expires_at=clock() + end)

    monkeypatch.setattr(SignatureApprovals, "given", given)
    assert guarded.sign().key == "firmware"
    assert next(ends, None) is None


def test_what_is_taken_away_between_the_decision_and_the_record_signs_nothing(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarded.approve(guarded.ask())
    real = SignatureApprovals.given

    async def given(self: SignatureApprovals, *asked: Any) -> GivenApproval:
        found = await real(self, *asked)
        guarded.services.people.disable("ada", reason="left", actor=ADMIN)
        return found

    monkeypatch.setattr(SignatureApprovals, "given", given)
    assert refused(guarded.sign) == "approval-required"


def test_nobody_waits_for_people_whom_there_are_not(guarded: Guarded) -> None:
    for person in ("bob", "cy"):
        guarded.services.people.disable(person, reason="left", actor=ADMIN)
    assert refused(guarded.sign) == "approval-unreachable"


def plant(guarded: Guarded, waiting: str) -> None:
    """Two votes, by whoever can write the database."""
    with guarded.house.database.writing() as connection:
        for person in ("ada", "bob"):
            row = {"proposal": waiting, "person": person, "identity": f"mtls:corp:{person}", "reason": "", "at": START}
            connection.execute(insert(votes).values(**row, ballot="approve"))


def demand_less(guarded: Guarded, waiting: str) -> None:
    """Of what waits."""
    guarded.approve(waiting, "ada")
    with guarded.house.database.writing() as connection:
        connection.execute(update(proposals).values(demands=[{"group": "qa", "count": 1}]))


@pytest.mark.parametrize("write", [plant, demand_less])
def test_a_row_that_no_leaf_tells_of_changes_nothing(guarded: Guarded, write: Callable[[Guarded, str], None]) -> None:
    """The recorder of a service says the same (tests/integration): nothing is recorded over such rows."""
    write(guarded, guarded.ask())
    with pytest.raises(AccessTampered):
        guarded.services.people.create("mallory", display=None, email=None, actor=ADMIN)


class TestWhatIsShown:
    """People approve what they see."""

    def shown(self, guarded: Guarded, waiting: str) -> dict[str, Any]:
        return guarded.house.application.approval_contents.of(guarded.show(waiting).proposal)

    def test_all_of_a_head(self, guarded: Guarded) -> None:
        script = Script(name="ArtifactInstall_Enter_00", content=b"#!/bin/sh\necho one\n")
        builder = ArtifactBuilder(name="release-2", scripts=(script,))
        found = self.shown(guarded, guarded.ask(request=head_request(builder)))
        assert (found["shown"], found["name"], found["checked"]) == (True, "release-2", "head")
        assert found["device_types"] == ["corpus-device"]
        assert [each["text"] for each in found["scripts"]] == ["#!/bin/sh\necho one\n"]
        assert all("size" not in each for each in found["files"])

    def test_sizes_where_all_of_it_was_seen(self, guarded: Guarded) -> None:
        found = self.shown(guarded, guarded.ask(request=head_request(whole=True)))
        assert {each["name"]: each["size"] for each in found["files"]} == {"hello.txt": 14, "image.bin": 768}

    def test_files_alone_of_a_manifest(self, guarded: Guarded) -> None:
        request = ManifestSeen(manifest=Manifest.parse(ArtifactBuilder().manifest(), limits=Limits()))
        found = self.shown(guarded, guarded.ask(request=request))
        assert (found["checked"], [each["name"] for each in found["files"]]) == ("manifest", ["hello.txt", "image.bin"])
        assert "name" not in found

    def test_what_differs_from_the_one_that_was_signed_last(self, guarded: Guarded) -> None:
        first = head_request(ArtifactBuilder(name="release-1"))
        guarded.approve(guarded.ask(request=first))
        guarded.sign(request=first)
        found = self.shown(guarded, guarded.ask(request=head_request(ArtifactBuilder(name="release-2"))))
        difference = found["difference"]
        assert difference["manifest_sha256"] == first.manifest.sha256
        assert {each["member"]: (each["before"], each["after"]) for each in difference["changes"]} == {
            "name": ("release-1", "release-2"),
            "provides": ({VERSION: "release-1"}, {VERSION: "release-2"}),
        }

    def test_what_was_never_signed_is_compared_with_nothing(self, guarded: Guarded) -> None:
        guarded.ask(request=head_request(ArtifactBuilder(name="release-1")))
        found = self.shown(guarded, guarded.ask(request=head_request(ArtifactBuilder(name="release-2"))))
        assert found["difference"] is None

    def test_a_head_of_another_artifact_is_not_shown(self, guarded: Guarded) -> None:
        waiting = guarded.ask()
        other = head_request(ArtifactBuilder(name="harmless")).head
        with guarded.house.database.writing() as connection:
            connection.execute(update(artifact_heads).values(content=other))
        assert not self.shown(guarded, waiting)["shown"]

    def test_bytes_that_are_no_artifact_are_not_shown(self, guarded: Guarded) -> None:
        waiting = guarded.ask()
        for content in (b"", b"version\0 garbage", b"no manifest"):
            with guarded.house.database.writing() as connection:
                connection.execute(update(artifact_heads).values(content=content))
            assert not self.shown(guarded, waiting)["shown"]


def test_others_hear_of_nothing_that_waits(guarded: Guarded) -> None:
    waiting = guarded.ask()
    approvals = guarded.house.application.approvals
    assert [each.proposal.id for each in approvals.waiting(ADA)] == [waiting]
    assert refused(lambda: approvals.waiting(MANAGER)) == "access-denied"
    elsewhere = Identity(name="mtls:corp:eve", person="eve")
    assert approvals.waiting(elsewhere) == ()
    for act in (lambda: approvals.show(elsewhere, waiting), lambda: guarded.vote(waiting, elsewhere)):
        assert refused(act) == "approval-not-found"
