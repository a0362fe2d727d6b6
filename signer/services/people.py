"""People, their identities and groups: each change with the event that tells of it, before and after."""

from __future__ import annotations

import re

from signer.domain.events import Event, EventType
from signer.domain.keys import checked_name
from signer.domain.people import Group, Person, checked_identity, checked_member
from signer.domain.reasons import checked_reason
from signer.errors import IdentityNotAssigned, PersonFactsInvalid
from signer.services import guarded
from signer.services.access_ports import PeopleStore
from signer.services.change_guard import ChangeGuard

Facts = dict[str, object]
MAX_DISPLAY = 200
MAX_EMAIL = 254
_EMAIL = re.compile(r"[!-?A-~]{1,64}@[A-Za-z0-9.-]+")


class PeopleAdministration:
    """Keeps people and groups. Safe for threads. ``actor``: who asks, as leaves name them."""

    def __init__(self, *, store: PeopleStore, guard: ChangeGuard) -> None:
        self._store = store
        self._guard = guard

    def people(self) -> tuple[Person, ...]:
        """All by name, disabled ones too."""
        return self._store.people()

    def person(self, name: str) -> Person:
        """One; raises ``PersonNotFound``."""
        return self._store.person(name)

    def create(self, unverified_name: str, *, display: str | None, email: str | None, actor: str) -> Person:
        """Somebody new; raises ``InvalidName``, ``PersonFactsInvalid`` or ``PersonNameTaken``."""
        name = checked_name(unverified_name)
        shown = _checked_display(display if display is not None else name)
        address = None if email is None else _checked_email(email)
        event = _event(EventType.PERSON_CREATED, actor, {"name": name, "display": shown, "email": address})
        return self._store.add_person(name=name, display=shown, email=address, event=event)

    def disable(self, name: str, *, reason: str, actor: str) -> bool:
        """End what all identities of the person prove, at once; False where it was ended before."""
        facts: Facts = {"name": name, "reason": checked_reason(reason)}
        return self._store.disable(name, _event(EventType.PERSON_DISABLED, actor, facts))

    def enable(self, name: str, *, reason: str, actor: str) -> bool:
        """Let them prove again what they did; False where they do. Raises what ``ApprovalDesk.given`` raises."""
        facts: Facts = {"name": name, "reason": checked_reason(reason)}
        event = _event(EventType.PERSON_ENABLED, actor, facts)
        if self._store.person(name).disabled_at is None:
            return False
        return self._guard.carry_out(
            actor,
            lambda policy, circle: guarded.enabled(policy, circle, name),
            lambda permit: self._store.enable(name, event, permit=permit),
        )

    def assigned(self) -> dict[str, str]:
        """The person of each identity that has one."""
        return self._store.assigned()

    def assign(self, unverified_identity: str, person: str, *, actor: str) -> None:
        """Give an identity to a person; raises what ``ApprovalDesk.given`` raises."""
        identity = checked_identity(unverified_identity)
        event = _event(EventType.PERSON_CHANGED, actor, {"identity": identity, "person": person})
        self._guard.carry_out(
            actor,
            lambda policy, circle: guarded.assigned(policy, circle, identity, person),
            lambda permit: self._store.assign(identity, person, event, permit=permit),
        )

    def unassign(self, unverified_identity: str, *, actor: str) -> None:
        """Take it back; raises ``IdentityNotAssigned``."""
        identity = checked_identity(unverified_identity)
        holder = self._store.assigned().get(identity)
        if holder is None:
            raise IdentityNotAssigned(identity=identity)
        event = _event(EventType.PERSON_CHANGED, actor, {"identity": identity}, before={"person": holder})
        self._store.unassign(identity, event)

    def groups(self) -> tuple[Group, ...]:
        """All by name."""
        return self._store.groups()

    def group(self, name: str) -> Group:
        """One; raises ``GroupNotFound``."""
        return self._store.group(name)

    def create_group(self, unverified_name: str, *, actor: str) -> Group:
        """A group without members; raises ``InvalidName`` or ``GroupNameTaken``."""
        name = checked_name(unverified_name)
        return self._store.add_group(name, _event(EventType.GROUP_CHANGED, actor, {"name": name, "members": 0}))

    def add_member(self, group: str, unverified_member: str, *, actor: str) -> bool:
        """Let a person or an identity be a member; False where it is. Raises what ``ApprovalDesk.given`` raises."""
        member, members = checked_member(unverified_member), self._store.group(group).members
        if member in members:
            return False
        count = len(members)
        facts: Facts = {"name": group, "members": count + 1, "added": member}
        event = _event(EventType.GROUP_CHANGED, actor, facts, before={"members": count})
        return self._guard.carry_out(
            actor,
            lambda policy, circle: guarded.added(policy, circle, group, member),
            lambda permit: self._store.add_member(group, member, event, permit=permit),
        )

    def remove_member(self, group: str, unverified_member: str, *, actor: str) -> bool:
        """Let it be none; False where it is none."""
        member, count = checked_member(unverified_member), len(self._store.group(group).members)
        facts: Facts = {"name": group, "members": count - 1, "removed": member}
        return self._store.remove_member(
            group, member, _event(EventType.GROUP_CHANGED, actor, facts, before={"members": count})
        )


def _event(kind: EventType, actor: str, after: Facts, *, before: Facts | None = None) -> Event:
    return Event(type=kind, actor=actor, key=None, version=None, before=before or {}, after=after)


def _checked_display(unverified: str) -> str:
    display = unverified.strip()
    if not display or len(display) > MAX_DISPLAY or not display.isprintable():
        raise PersonFactsInvalid(member="display")
    return display


def _checked_email(unverified: str) -> str:
    if len(unverified) > MAX_EMAIL or _EMAIL.fullmatch(unverified) is None:
        raise PersonFactsInvalid(member="email")
    return unverified
