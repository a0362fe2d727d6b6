"""Policies, people and groups as JSON has them: the same over the API and on the command line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from signer.domain.approvals import demands_document
from signer.domain.ci import CiSession
from signer.domain.floors import Floor, FloorPlace
from signer.domain.people import Group, Person
from signer.domain.timestamps import rfc3339
from signer.services.access_ports import RevokedCertificate, StoredPolicy
from signer.services.policy_administration import PolicyPreview


def policy_document(policy: StoredPolicy, *, text: bool = True) -> dict[str, Any]:
    """A revision of the policy."""
    document = {
        "revision": policy.revision,
        "sha256": policy.sha256,
        "applied_at": rfc3339(policy.applied_at),
        "actor": policy.actor,
        "reason": policy.reason,
        "break_glass": policy.break_glass,
    }
    return {**document, "text": policy.text} if text else document


def preview_document(preview: PolicyPreview) -> dict[str, Any]:
    """What a policy would change."""
    return {
        "revision": preview.revision,
        "rules": preview.rules,
        "changes": [
            {
                "rule": change.name,
                "change": change.change.value,
                "principals": list(change.principals),
                "concerned": list(concerned),
            }
            for change, concerned in zip(preview.changes, preview.concerned, strict=True)
        ],
        "administrators": list(preview.administrators),
        "approvals": demands_document(preview.demands),
    }


def person_document(person: Person) -> dict[str, Any]:
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


def group_document(group: Group) -> dict[str, Any]:
    """A group."""
    return {"name": group.name, "created_at": rfc3339(group.created_at), "members": list(group.members)}


def floor_document(place: FloorPlace, floor: Floor) -> dict[str, Any]:
    """Nothing older is signed. ``leaf``: index of the leaf that says so."""
    key, device, payload = place
    return {
        "key": key,
        "device_type": device,
        "payload_type": payload,
        "order": floor.order.value,
        "version": floor.version,
        "leaf": floor.leaf,
    }


def revoked_document(revoked: Iterable[RevokedCertificate]) -> dict[str, Any]:
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


def identities_document(assigned: dict[str, str]) -> dict[str, Any]:
    """Which identity is whose."""
    return {"identities": [{"identity": identity, "person": person} for identity, person in assigned.items()]}


def ci_sessions_document(sessions: Iterable[CiSession]) -> dict[str, Any]:
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
