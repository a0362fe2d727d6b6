"""What guards a key guards its rules, its groups, its people and its life: what an administrator alone cannot do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from signer.domain.access.decisions import ApprovalDemand
from signer.domain.access.versions import Order
from signer.domain.api_tokens import NewApiToken
from signer.domain.approvals import Ballot, State
from signer.domain.identity import Identity
from signer.domain.keys import Purpose, VersionState
from signer.errors import ApprovalRequired
from signer.services.policy_administration import PolicyProposal
from tests.support.guarded_house import ADMIN, MANAGER, MEMBERS, RULES, Guarded, guard, refused, voter, waits
from tests.support.house import UNLIMITED, House

Step = Callable[[Guarded], object]


@pytest.fixture
def guarded(house: House) -> Guarded:
    return guard(house)


def rules(*changes: tuple[str, str], extra: str = "") -> str:
    """The policy with other words in it, each of which it has."""
    text = RULES
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    return text + extra


def rule(name: str, *, effect: str = "allow", principals: str, actions: str = "sign", keys: str = "") -> str:
    """A further rule."""
    about = f'keys = ["{keys}"]\n' if keys else ""
    head = f'[[rules]]\nname = "{name}"\neffect = "{effect}"\nprincipals = ["{principals}"]\n'
    return f'{head}actions = ["{actions}"]\n{about}'


def block(name: str) -> str:
    """A rule of the policy as it stands there, to its end."""
    start = RULES.index(f'[[rules]]\nname = "{name}"')
    return RULES[start : RULES.index("[[rules]]", start + 1)]


APPROVALS = 'approvals = [{ group = "qa", count = 2 }]\nemergency = ["person:eve"]\n'
MINE = rule("mine", principals="api-token:admin", keys="firmware")
# Each lets somebody have signed what nobody approved, now or by a further step.
POLICIES: dict[str, str] = {
    "no approvals": rules((APPROVALS, "")),
    "fewer approvals": rules(("count = 2", "count = 1")),
    "another group": rules(('group = "qa", count = 2', 'group = "others", count = 1')),
    "a further person for emergencies": rules(('["person:eve"]', '["person:eve", "person:dan"]')),
    "fewer keys": rules(('keys = ["firmware", "fw-*"]\nwhen', 'keys = ["fw-*"]\nwhen')),
    "a further caller": rules(('"api-token:build", "mtls', '"api-token:admin", "api-token:build", "mtls')),
    "other conditions": rules(('when = { checked = "manifest" }\n', "")),
    "a further rule": rules(extra=MINE),
    "a further rule for all keys": rules(extra=rule("mine", principals="api-token:admin", keys="**")),
    "a further rule by a pattern": rules(extra=rule("mine", principals="api-token:admin", keys="f*e")),
    "another who approves": rules(('"person:dan", "ci', '"person:eve", "ci')),
    "others who manage": rules(('admin"]\nactions = ["manage"', 'build"]\nactions = ["manage"')),
    "a rule about the key is gone": rules((block("careless"), "")),
    "another time zone": rules(("version = 1\n", 'version = 1\ntimezone = "Europe/Berlin"\n')),
}  # fmt: skip


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_that_changes_what_is_guarded_waits(guarded: Guarded, name: str) -> None:
    waiting = waits(lambda: guarded.apply(POLICIES[name]))
    assert guarded.services.policies.show().text == RULES
    guarded.approve(waiting)
    assert guarded.apply(POLICIES[name]) == 3
    assert guarded.services.policies.show().text == POLICIES[name]


def test_a_dry_run_says_who_would_have_to_approve_it(guarded: Guarded) -> None:
    policies = guarded.services.policies
    assert policies.preview(rules((APPROVALS, ""))).demands == (ApprovalDemand(group="qa", count=2),)
    assert policies.preview(FREE_POLICIES["a comment"]).demands == ()


def test_the_order_of_rules_and_rules_that_deny_are_guarded(guarded: Guarded) -> None:
    with_deny = RULES + rule("never", effect="deny", principals="api-token:admin", keys="firmware")
    guarded.apply(with_deny)
    assert refused(lambda: guarded.apply(RULES)) == "approval-required"
    turned = with_deny.replace('"deny"', '"allow"')
    assert refused(lambda: guarded.apply(turned)) == "approval-required"
    first, *others = with_deny.split("[[rules]]")[1:]
    moved = "version = 1\n" + "".join(f"[[rules]]{each}" for each in (*others, "\n" + first))
    assert refused(lambda: guarded.apply(moved)) == "approval-required"


FREE_POLICIES: dict[str, str] = {
    "a rule that denies": rules(extra=rule("never", effect="deny", principals="api-token:build", keys="firmware")),
    "a rule that denies everything": rules(extra=rule("never", effect="deny", principals="api-token:build", keys="**")),
    "a rule about another key": rules(extra=rule("mine", principals="api-token:admin", keys="open")),
    "a rule about no key": rules(extra=rule("audit", principals="api-token:build", actions="read-log")),
    "approvals of another key": rules(
        extra=rule("more", principals="api-token:build", keys="open") + 'approvals = [{ group = "qa", count = 1 }]\n'
    ),
    "a comment": rules(extra="# nothing\n"),
}


@pytest.mark.parametrize("name", FREE_POLICIES)
def test_a_policy_that_changes_nothing_guarded_or_only_denies_does_not_wait(guarded: Guarded, name: str) -> None:
    assert guarded.apply(FREE_POLICIES[name]) == 3


def test_one_break_of_the_glass_goes_past_all_of_it(guarded: Guarded) -> None:
    proposal = PolicyProposal(text=rules((APPROVALS, "")), reason="a fire", break_glass=True)
    assert guarded.services.policies.apply(proposal, actor="artifact-signer policy apply").break_glass
    assert guarded.sign().key == "firmware"


CALLERS = block("release").splitlines()[3]
UNREACHABLE: dict[str, str] = {
    "more people than there are": rules(("count = 2", "count = 4")),
    "a group that is not there": rules(('group = "qa"', 'group = "nobody"')),
    "a group without people": rules(('group = "qa"', 'group = "empty"')),
    "who alone may ask is one of them": rules((CALLERS, 'principals = ["mtls:corp:ada"]'), ("count = 2", "count = 3")),
}  # fmt: skip


@pytest.mark.parametrize("name", UNREACHABLE)
def test_a_policy_whose_approvals_nobody_can_get_is_refused(guarded: Guarded, name: str) -> None:
    assert refused(lambda: guarded.apply(UNREACHABLE[name])) == "policy-invalid"


def token(guarded: Guarded, name: str, person: str | None) -> object:
    """An API token that the administrator makes."""
    new = NewApiToken(name=name, role=None, person=person)
    return guarded.house.application.api_tokens.create(new, actor=ADMIN, lifetime=timedelta(days=1))


def given_before_it_is_made(guarded: Guarded) -> object:
    """A token by a name that is a member's already."""
    people = guarded.services.people
    if "api-token:spare" not in people.assigned():
        guarded.approve(waits(lambda: people.assign("api-token:spare", "ada", actor=ADMIN)), "bob", "cy")
        people.assign("api-token:spare", "ada", actor=ADMIN)
    return token(guarded, "spare", None)


def floor(guarded: Guarded, version: str, key: str = "firmware") -> object:
    """Set by the administrator."""
    return guarded.services.floors.set(
        (key, "board", "rootfs"), unverified_order=Order.NUMERIC.value, version=version, reason="a test", actor=ADMIN
    )


def switched_on(guarded: Guarded) -> object:
    """After it was switched off."""
    if guarded.house.states() == [VersionState.ACTIVE]:
        guarded.house.lifecycle.disable(MANAGER, "firmware", 1)
    return guarded.house.lifecycle.enable(MANAGER, "firmware", 1)


# Each would give the administrator a vote, or take one place less, or sign with something new.
STEPS: dict[str, Step] = {
    "a member more": lambda it: it.services.people.add_member("qa", "person:dan", actor=ADMIN),
    "an identity as a member": lambda it: it.services.people.add_member("qa", ADMIN, actor=ADMIN),
    "an identity of a member": lambda it: it.services.people.assign(ADMIN, "ada", actor=ADMIN),
    "a certificate of a member": lambda it: it.services.people.assign("mtls:corp:new", "ada", actor=ADMIN),
    "a job of a member": lambda it: it.services.people.assign("ci:forge/8", "ada", actor=ADMIN),
    "an identity of who passes in an emergency": lambda it: it.services.people.assign(ADMIN, "eve", actor=ADMIN),
    "an API token of a member": lambda it: token(it, "new", "ada"),
    "an API token of who passes in an emergency": lambda it: token(it, "new", "eve"),
    "an API token whose name is a member's": given_before_it_is_made,
    "a member who left comes back": lambda it: it.services.people.enable("gone", reason="back", actor=ADMIN),
    "a lower floor": lambda it: floor(it, "1"),
    "a higher floor": lambda it: floor(it, "9"),
    "a next version": lambda it: it.house.lifecycle.prepare(MANAGER, "firmware", validity=UNLIMITED),
    "a version that was switched off": switched_on,
    "a key under a guarded name": lambda it: it.house.create("fw-new"),
}


@pytest.mark.parametrize("name", STEPS)
def test_what_gives_somebody_something_waits_and_is_done_once_when_it_is_approved(guarded: Guarded, name: str) -> None:
    waiting = waits(lambda: STEPS[name](guarded))
    assert guarded.show(waiting).proposal.requester.identity == ADMIN
    guarded.approve(waiting, "bob", "cy")
    before = guarded.house.last_event
    STEPS[name](guarded)
    told = [each.event.after.get("approval") for each in guarded.house.events(after=before)]
    assert told.count(waiting) == 1
    assert refused(lambda: guarded.show(waiting)) == "approval-not-found"


@pytest.mark.parametrize("name", STEPS)
def test_what_was_rejected_is_not_done(guarded: Guarded, name: str) -> None:
    waiting = waits(lambda: STEPS[name](guarded))
    guarded.vote(waiting, voter("cy"), Ballot.REJECT)
    assert guarded.state(waiting) is State.REJECTED
    assert refused(lambda: STEPS[name](guarded)) == "approval-rejected"


def test_a_rotation_waits(guarded: Guarded) -> None:
    prepare = lambda: guarded.house.lifecycle.prepare(MANAGER, "firmware", validity=UNLIMITED)  # noqa: E731
    guarded.approve(waits(prepare))
    prepare()
    waiting = waits(lambda: guarded.house.rotate("firmware"))
    assert guarded.house.states() == [VersionState.ACTIVE, VersionState.NEXT]
    guarded.approve(waiting)
    guarded.house.rotate("firmware")
    assert guarded.house.states() == [VersionState.PREVIOUS, VersionState.ACTIVE]


FREE: dict[str, Step] = {
    "a person is disabled": lambda it: it.services.people.disable("ada", reason="left", actor=ADMIN),
    "a member is removed": lambda it: it.services.people.remove_member("qa", "person:ada", actor=ADMIN),
    "an identity is taken back": lambda it: it.services.people.unassign("mtls:corp:ada", actor=ADMIN),
    "an API token is revoked": lambda it: it.house.application.api_tokens.revoke("build", actor=ADMIN),
    "a version is switched off": lambda it: it.house.lifecycle.disable(MANAGER, "firmware", 1),
    "somebody new": lambda it: it.services.people.create("new", display=None, email=None, actor=ADMIN),
    "a new group": lambda it: it.services.people.create_group("new", actor=ADMIN),
    "a member of another group": lambda it: it.services.people.add_member("others", "person:eve", actor=ADMIN),
    "an identity of somebody else": lambda it: it.services.people.assign("mtls:corp:new", "dan", actor=ADMIN),
    "an API token of somebody else": lambda it: token(it, "new", "dan"),
    "an API token of nobody": lambda it: token(it, "new", None),
    "a floor of another key": lambda it: floor(it, "1", key="open"),
    "a next version of another key": lambda it: it.house.prepare("open"),
    "a key that signs no artifacts": lambda it: it.house.create("fw-log", purpose=Purpose.LOG),
    "who is a member already": lambda it: it.services.people.add_member("qa", "person:ada", actor=ADMIN),
    "who is enabled already": lambda it: it.services.people.enable("ada", reason="a test", actor=ADMIN),
}


@pytest.mark.parametrize("name", FREE)
def test_what_takes_away_or_is_about_something_else_waits_for_nobody(guarded: Guarded, name: str) -> None:
    assert refused(lambda: FREE[name](guarded)) is None


def test_an_identity_that_was_given_meanwhile_is_another_change(guarded: Guarded) -> None:
    """Else whoever administers would have a person approved, and give themselves their credential afterwards."""
    add = lambda: guarded.services.people.add_member("qa", "person:dan", actor=ADMIN)  # noqa: E731
    waiting = waits(add)
    guarded.approve(waiting)
    guarded.services.people.assign("mtls:corp:mallory", "dan", actor=ADMIN)
    assert waits(add) != waiting


def test_people_who_came_meanwhile_are_another_change(guarded: Guarded) -> None:
    """Else a group would be approved, and filled before the policy that names it is applied."""
    people = guarded.services.people
    for person in ("dan", "eve"):
        people.add_member("others", f"person:{person}", actor=ADMIN)
    text = rules(('group = "qa", count = 2', 'group = "others", count = 2'))
    waiting = waits(lambda: guarded.apply(text))
    guarded.approve(waiting)
    people.assign("mtls:corp:mallory", "dan", actor=ADMIN)
    assert waits(lambda: guarded.apply(text)) != waiting


def test_another_policy_that_was_applied_meanwhile_makes_it_another_change(guarded: Guarded) -> None:
    text = rules(("count = 2", "count = 1"))
    waiting = waits(lambda: guarded.apply(text))
    guarded.approve(waiting)
    guarded.apply(FREE_POLICIES["a comment"])
    assert waits(lambda: guarded.apply(text)) != waiting


def test_what_an_administrator_asked_for_nobody_else_does(guarded: Guarded) -> None:
    people = guarded.services.people
    waiting = waits(lambda: people.add_member("qa", "person:dan", actor=ADMIN))
    guarded.approve(waiting)
    assert waits(lambda: people.add_member("qa", "person:dan", actor="api-token:other")) != waiting


@pytest.mark.parametrize("person", MEMBERS)
def test_an_administrator_who_is_a_member_does_not_approve_their_own(guarded: Guarded, person: str) -> None:
    people = guarded.services.people
    mine = f"mtls:corp:{person}"
    waiting = waits(lambda: people.add_member("qa", "person:dan", actor=mine))
    assert refused(lambda: guarded.vote(waiting, voter(person))) == "vote-refused"
    guarded.approve(waiting, *(other for other in MEMBERS if other != person))
    assert people.add_member("qa", "person:dan", actor=mine)


def test_what_is_asked_for_on_the_machine_waits_too(guarded: Guarded) -> None:
    local = "artifact-signer groups add"
    waiting = waits(lambda: guarded.services.people.add_member("qa", "person:dan", actor=local))
    assert guarded.show(waiting).proposal.requester.identity == local


def test_approvers_see_changes_of_what_they_guard(guarded: Guarded) -> None:
    waiting = waits(lambda: guarded.services.people.add_member("qa", "person:dan", actor=ADMIN))
    shown = guarded.house.application.approvals.show(voter("ada"), waiting)
    contents = guarded.house.application.approval_contents.of(shown.proposal)
    assert contents == {"group": "qa", "member": "person:dan", "identities": ["api-token:dan-laptop", "mtls:corp:dan"]}


def test_a_key_step_says_which(guarded: Guarded) -> None:
    with pytest.raises(ApprovalRequired) as refusal:
        guarded.house.lifecycle.prepare(Identity(name=ADMIN), "firmware", validity=UNLIMITED)
    assert refusal.value.about == "prepare of the key firmware"


def test_who_approves_a_next_version_approves_of_the_tokens_that_are_named(guarded: Guarded) -> None:
    prepare = guarded.house.lifecycle.prepare
    guarded.approve(waits(lambda: prepare(MANAGER, "firmware", validity=UNLIMITED, tokens=("one",))))
    assert refused(lambda: prepare(MANAGER, "firmware", validity=UNLIMITED)) == "approval-required"
    prepare(MANAGER, "firmware", validity=UNLIMITED, tokens=("one",))
