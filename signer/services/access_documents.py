"""Policies, people and groups as JSON has them: the same over the API and on the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NotRequired

from typing_extensions import TypedDict

from signer.domain.access.changes import Change
from signer.domain.access.futility import Futile, Futility
from signer.domain.access.versions import Order
from signer.domain.approvals import DemandDocument, demands_document
from signer.domain.ci import CiSession
from signer.domain.floors import Floor, FloorPlace
from signer.domain.people import Group, Person
from signer.domain.timestamps import Moment, rfc3339
from signer.services.access_ports import RevokedCertificate, StoredPolicy
from signer.services.policy_administration import PolicyPreview


class FutileDocument(TypedDict):
    """What of a rule can do nothing: the name or pattern of a key, or a principal."""

    rule: str
    why: Futility
    about: str


class PolicyDocument(TypedDict):
    """A revision of the policy. ``sha256``: of its text in UTF-8, which lists leave out.

    ``futile``: what of it can do nothing, where it was applied just now.
    """

    revision: int
    sha256: str
    applied_at: Moment
    actor: str
    reason: str
    break_glass: bool
    text: NotRequired[str]
    futile: NotRequired[list[FutileDocument]]


class RuleChange(TypedDict):
    """What becomes of a rule, and which identities on record it is about."""

    rule: str
    change: Change
    principals: list[str]
    concerned: list[str]


class PreviewDocument(TypedDict):
    """What a policy would change."""

    revision: int
    rules: int
    changes: list[RuleChange]
    administrators: list[str]
    approvals: list[DemandDocument]
    futile: list[FutileDocument]


class PersonDocument(TypedDict):
    """Somebody."""

    name: str
    display: str
    email: str | None
    created_at: Moment
    disabled_at: Moment | None
    identities: list[str]
    groups: list[str]


class GroupDocument(TypedDict):
    """A group."""

    name: str
    created_at: Moment
    members: list[str]


class FloorDocument(TypedDict):
    """Nothing older is signed. ``leaf``: index of the leaf that says so."""

    key: str
    device_type: str
    payload_type: str
    order: Order
    version: str
    leaf: int


class RevokedDocument(TypedDict):
    """A client's certificate that proves nothing any more."""

    ca: str
    serial: str
    revoked_at: Moment
    actor: str
    reason: str


class RevokedList(TypedDict):
    """All of them, by CA and serial number."""

    revoked_certificates: list[RevokedDocument]


class AssignedIdentity(TypedDict):
    """An identity and whose it is."""

    identity: str
    person: str


class IdentityList(TypedDict):
    """Which identity is whose."""

    identities: list[AssignedIdentity]


class CiSessionDocument(TypedDict):
    """A session of a CI job. ``claims``: of its token, about the run."""

    session: str
    identity: str
    claims: dict[str, str]
    created_at: Moment
    expires_at: Moment
    revoked_at: Moment | None


class CiSessionList(TypedDict):
    """Those that are not over, the oldest first."""

    sessions: list[CiSessionDocument]


def policy_document(policy: StoredPolicy, *, text: bool = True) -> PolicyDocument:
    """A revision of the policy."""
    document: PolicyDocument = {
        "revision": policy.revision,
        "sha256": policy.sha256,
        "applied_at": rfc3339(policy.applied_at),
        "actor": policy.actor,
        "reason": policy.reason,
        "break_glass": policy.break_glass,
    }
    if text:
        document["text"] = policy.text
    return document


def preview_document(preview: PolicyPreview) -> PreviewDocument:
    """What a policy would change."""
    return {
        "revision": preview.revision,
        "rules": preview.rules,
        "changes": [
            {
                "rule": change.name,
                "change": change.change,
                "principals": list(change.principals),
                "concerned": list(concerned),
            }
            for change, concerned in zip(preview.changes, preview.concerned, strict=True)
        ],
        "administrators": list(preview.administrators),
        "approvals": demands_document(preview.demands),
        "futile": futile_documents(preview.futile),
    }


def applied_document(policy: StoredPolicy, found: Iterable[Futile]) -> PolicyDocument:
    """A revision that was applied just now, and what of it can do nothing."""
    return {**policy_document(policy, text=False), "futile": futile_documents(found)}


def futile_documents(found: Iterable[Futile]) -> list[FutileDocument]:
    """Each of them."""
    return [{"rule": each.rule, "why": each.why, "about": each.about} for each in found]


def person_document(person: Person) -> PersonDocument:
    """Somebody."""
    return {
        "name": person.name,
        "display": person.display,
        "email": person.email,
        "created_at": rfc3339(person.created_at),
        "disabled_at": rfc3339(person.disabled_at),
        "identities": list(person.identities),
        "groups": list(person.groups),
    }


def group_document(group: Group) -> GroupDocument:
    """A group."""
    return {"name": group.name, "created_at": rfc3339(group.created_at), "members": list(group.members)}


def floor_document(place: FloorPlace, floor: Floor) -> FloorDocument:
    """Nothing older is signed. ``leaf``: index of the leaf that says so."""
    key, device, payload = place
    return {
        "key": key,
        "device_type": device,
        "payload_type": payload,
        "order": floor.order,
        "version": floor.version,
        "leaf": floor.leaf,
    }


def revoked_document(revoked: Iterable[RevokedCertificate]) -> RevokedList:
    """Clients' certificates that prove nothing any more."""
    return {
        "revoked_certificates": [
            {
                "ca": each.ca,
                "serial": each.serial,
                "revoked_at": rfc3339(each.revoked_at),
                "actor": each.actor,
                "reason": each.reason,
            }
            for each in revoked
        ]
    }


def identities_document(assigned: Mapping[str, str]) -> IdentityList:
    """Which identity is whose."""
    return {"identities": [{"identity": identity, "person": person} for identity, person in assigned.items()]}


def ci_sessions_document(sessions: Iterable[CiSession]) -> CiSessionList:
    """Sessions of CI jobs, without what is secret of them."""
    return {
        "sessions": [
            {
                "session": session.id,
                "identity": session.identity,
                "claims": dict(session.claims),
                "created_at": rfc3339(session.created_at),
                "expires_at": rfc3339(session.expires_at),
                "revoked_at": rfc3339(session.revoked_at),
            }
            for session in sessions
        ]
    }
