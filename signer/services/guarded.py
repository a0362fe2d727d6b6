"""The changes that guarded things may need approvals for, and what decides of each: to that the approval is bound.

Who can prove that they are a person is part of it wherever the person gets something: identities that were given to
them meanwhile are another change.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from signer.domain.access.decisions import ApprovalDemand
from signer.domain.access.guards import (
    PERSON_PREFIX,
    demands_on_group,
    demands_on_key,
    demands_on_person,
    demands_on_policy,
    named_groups,
    named_people,
)
from signer.domain.access.policy import Policy
from signer.domain.api_tokens import KIND, NewApiToken
from signer.domain.approvals import Circle, ProposalKind
from signer.domain.floors import FloorSetting
from signer.domain.users import identity_name
from signer.services.change_guard import Change


def added(policy: Policy, circle: Circle, group: str, member: str) -> Change:
    """A further member of a group."""
    person = member.removeprefix(PERSON_PREFIX) if member.startswith(PERSON_PREFIX) else None
    document = {"group": group, "member": member, "identities": _identities(circle, person)}
    return Change(
        kind=ProposalKind.GROUP_MEMBER,
        name=f"adding {member} to the group {group}",
        demands=demands_on_group(policy, group),
        document=document,
    )


def assigned(policy: Policy, circle: Circle, identity: str, person: str) -> Change:
    """An identity that is to be somebody's."""
    return Change(
        kind=ProposalKind.IDENTITY,
        name=f"giving {identity} to {person}",
        demands=demands_on_person(policy, person, circle),
        document={"identity": identity, "person": person},
    )


def enabled(policy: Policy, circle: Circle, person: str) -> Change:
    """A person who is to prove again what they did."""
    return Change(
        kind=ProposalKind.PERSON,
        name=f"enabling {person}",
        demands=demands_on_person(policy, person, circle),
        document={"person": person, "identities": _identities(circle, person)},
    )


def issued(policy: Policy, circle: Circle, new: NewApiToken, lifetime: float | None) -> Change:
    """An API token of a person. ``lifetime``: in seconds, where its end is told so."""
    # One that belongs to nobody yet may have been given to somebody by its name.
    person = new.person or circle.holders.get(f"{KIND}:{new.name}")
    document: dict[str, Any] = {**new.facts, "person": person}
    if lifetime is not None:
        document["expires_at"], document["lifetime"] = None, lifetime
    return Change(
        kind=ProposalKind.API_TOKEN,
        name=f"the API token {new.name} of {person or 'nobody'}",
        demands=() if person is None else demands_on_person(policy, person, circle),
        document=document,
    )


def logs_in(policy: Policy, circle: Circle, user: tuple[str, str | None], step: str, roles: tuple[str, ...]) -> Change:
    """What lets somebody log in as a person's user. ``user``: address and person, as its row has it."""
    email, told = user
    # One that is nobody's by its row may have been given to somebody by its name.
    person = told or circle.holders.get(identity_name(email))
    return Change(
        kind=ProposalKind.USER,
        name=f"{step} of the user {email} of {person or 'nobody'}",
        demands=() if person is None else demands_on_person(policy, person, circle),
        document={"user": email, "person": person, "step": step, "roles": list(roles)},
    )


def applied(policy: Policy, circle: Circle, after: Policy, text: str, revision: int) -> Change:
    """A policy in the place of ``revision``. Whom it makes powerful is part of it."""
    groups = {
        group: {person: _identities(circle, person) for person in sorted(circle.groups.get(group, ()))}
        for group in sorted(named_groups(after))
    }
    people = {person: _identities(circle, person) for person in sorted(named_people(after))}
    return Change(
        kind=ProposalKind.POLICY,
        name="applying a policy",
        demands=demands_on_policy(policy, after),
        document={"text": text, "after_revision": revision, "groups": groups, "emergency": people},
    )


def floor_set(policy: Policy, setting: FloorSetting) -> Change:
    """A floor of versions, higher or lower."""
    key, device, payload = setting.place
    document = {
        "key": key,
        "device_type": device,
        "payload_type": payload,
        "order": setting.order.value,
        "version": setting.version,
    }
    return Change(
        kind=ProposalKind.FLOOR,
        name=f"setting the floor of {key}",
        key=key,
        demands=demands_on_key(policy, key),
        document=document,
    )


def stepped(policy: Policy, key: str, step: str, facts: dict[str, Any]) -> Change:
    """A step in the life of a key that gives it something."""
    demands: Iterable[ApprovalDemand] = demands_on_key(policy, key)
    return Change(
        kind=ProposalKind.KEY_STEP,
        name=f"{step} of the key {key}",
        key=key,
        demands=tuple(demands),
        document={"key": key, "step": step, **facts},
    )


def _identities(circle: Circle, person: str | None) -> list[str]:
    return sorted(identity for identity, holder in circle.holders.items() if holder == person)
