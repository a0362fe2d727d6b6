"""Policies, people, identities and groups, as OpenAPI has them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from typing_extensions import TypedDict

from signer.services.access_documents import (
    FloorDocument,
    GroupDocument,
    IdentityList,
    PersonDocument,
    PolicyDocument,
    PreviewDocument,
    RevokedList,
)
from signer.web.native_access import (
    AssignBody,
    FloorBody,
    FloorsQuery,
    GroupBody,
    IdentityBody,
    MemberBody,
    PersonBody,
    PolicyBody,
    PolicyQuery,
    PreviewBody,
)
from signer.web.native_client_certificates import RevokeBody
from signer.web.openapi.operation import Operation, listed, told
from signer.web.openapi.refusals import APPROVALS
from signer.web.parsing import ReasonBody


class ChangedPerson(PersonDocument):
    """Somebody, and whether anything changed."""

    changed: bool


class ChangedGroup(GroupDocument):
    """A group, and whether anything changed."""

    changed: bool


class Changed(TypedDict):
    """Whether anything changed."""

    changed: bool


_APPLIED = ("policy-invalid", "policy-unchanged", "policy-changed", "policy-locks-out")

OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "show_policy": Operation(
            summary="The policy in force, or another revision.",
            query=(PolicyQuery,),
            answers=told(PolicyDocument),
            refusals=("policy-revision-not-found",),
        ),
        "list_policies": Operation(
            summary="All revisions of the policy, oldest first.", answers=told(listed("revisions", PolicyDocument))
        ),
        "preview_policy": Operation(
            summary="What a policy would change, and for whom. Changes nothing.",
            body=PreviewBody,
            answers=told(PreviewDocument),
            refusals=_APPLIED,
        ),
        "apply_policy": Operation(
            summary="Put a policy in force.",
            body=PolicyBody,
            answers=told(PolicyDocument, status=201),
            refusals=(*_APPLIED, *APPROVALS, "reason-invalid"),
        ),
        "list_floors": Operation(
            summary="The newest version that each key signed, where rules ask for versions.",
            query=(FloorsQuery,),
            answers=told(listed("floors", FloorDocument)),
        ),
        "set_floor": Operation(
            summary="Set a floor, higher or lower.",
            body=FloorBody,
            answers=told(FloorDocument),
            refusals=(*APPROVALS, "key-not-found", "floor-invalid", "reason-invalid"),
        ),
        "list_people": Operation(summary="All people by name.", answers=told(listed("people", PersonDocument))),
        "create_person": Operation(
            summary="Record a person.",
            body=PersonBody,
            answers=told(PersonDocument, status=201),
            refusals=("invalid-name", "person-facts-invalid", "person-name-taken"),
        ),
        "show_person": Operation(summary="One person.", answers=told(PersonDocument), refusals=("person-not-found",)),
        "disable_person": Operation(
            summary="End every credential and session of a person.",
            body=ReasonBody,
            answers=told(ChangedPerson),
            refusals=("person-not-found", "reason-invalid"),
        ),
        "enable_person": Operation(
            summary="Let a person's credentials prove again what they did.",
            body=ReasonBody,
            answers=told(ChangedPerson),
            refusals=(*APPROVALS, "person-not-found", "reason-invalid"),
        ),
        "list_identities": Operation(summary="Which identity is whose.", answers=told(IdentityList)),
        "assign_identity": Operation(
            summary="Give an identity to a person.",
            body=AssignBody,
            answers=told(PersonDocument),
            refusals=(*APPROVALS, "principal-invalid", "person-not-found", "person-disabled", "identity-assigned"),
        ),
        "unassign_identity": Operation(
            summary="Take an identity back from its person.",
            body=IdentityBody,
            answers=told(IdentityList),
            refusals=("principal-invalid", "identity-not-assigned"),
        ),
        "list_revoked_certificates": Operation(
            summary="Clients' certificates that prove nothing any more.", answers=told(RevokedList)
        ),
        "revoke_client_certificate": Operation(
            summary="Let a client's certificate prove nothing any more, for ever.",
            body=RevokeBody,
            answers=told(Changed),
            refusals=("client-ca-not-found", "serial-number-invalid", "reason-invalid"),
        ),
        "list_groups": Operation(summary="All groups by name.", answers=told(listed("groups", GroupDocument))),
        "create_group": Operation(
            summary="A group without members.",
            body=GroupBody,
            answers=told(GroupDocument, status=201),
            refusals=("invalid-name", "group-name-taken"),
        ),
        "show_group": Operation(summary="One group.", answers=told(GroupDocument), refusals=("group-not-found",)),
        "add_group_member": Operation(
            summary="Let a person or an identity be a member.",
            body=MemberBody,
            answers=told(ChangedGroup),
            refusals=(*APPROVALS, "group-not-found", "person-not-found", "principal-invalid"),
        ),
        "remove_group_member": Operation(
            summary="Let it be none.",
            body=MemberBody,
            answers=told(ChangedGroup),
            refusals=("group-not-found", "person-not-found", "principal-invalid"),
        ),
    }
)
