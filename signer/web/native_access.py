"""``/v1/policy``, ``/v1/people``, ``/v1/identities`` and ``/v1/groups``: who may do what, for those who administer it.

Reading asks for what reading the log asks for: every one of these facts stands there too.
"""

from __future__ import annotations

from typing import Annotated

from flask import Response, request
from pydantic import Field

from signer.domain.access.actions import Action
from signer.domain.keys import NAME_PATTERN
from signer.services.access_documents import (
    applied_document,
    floor_document,
    group_document,
    identities_document,
    person_document,
    policy_document,
    preview_document,
)
from signer.services.policy_administration import PolicyProposal
from signer.web.context import answer, authorised, json_body, service
from signer.web.parsing import MAX_ID, Body, Query, QueryNumber, ReasonBody, parsed, parsed_query

CREATED = 201


class PolicyQuery(Query):
    """Parameters of ``GET /v1/policy``."""

    revision: Annotated[QueryNumber, Field(ge=1, le=MAX_ID)] | None = None


class PreviewBody(Body):
    """``POST /v1/policy/preview``. ``expected``: the revision that the text was made for."""

    text: str
    expected: int | None = Field(None, ge=1, le=MAX_ID)


class PolicyBody(PreviewBody):
    """``POST /v1/policy``."""

    reason: str


class FloorsQuery(Query):
    """Parameters of ``GET /v1/policy/floors``."""

    key: str | None = Field(None, pattern=f"^{NAME_PATTERN.pattern}$")


class FloorBody(Body):
    """``POST /v1/policy/floors``."""

    key: str
    device_type: str
    payload_type: str
    order: str
    version: str
    reason: str


class PersonBody(Body):
    """``POST /v1/people``."""

    name: str
    display: str | None = None
    email: str | None = None


class IdentityBody(Body):
    """``POST /v1/identities/unassign``."""

    identity: str


class AssignBody(IdentityBody):
    """``POST /v1/identities/assign``."""

    person: str


class GroupBody(Body):
    """``POST /v1/groups``."""

    name: str


class MemberBody(Body):
    """``POST /v1/groups/{name}/add`` and ``/remove``."""

    member: str


def show_policy() -> Response:
    """The policy in force, or a revision."""
    authorised(Action.READ_LOG)
    query = parsed_query(PolicyQuery, request.args.items(multi=True))
    return answer(policy_document(service().administration.policies.show(query.revision)))


def list_policies() -> Response:
    """All revisions without their texts, oldest first."""
    authorised(Action.READ_LOG)
    revisions = service().administration.policies.revisions()
    return answer({"revisions": [policy_document(each, text=False) for each in revisions]})


def preview_policy() -> Response:
    """What a policy would change, and for whom."""
    authorised(Action.ADMINISTER)
    body = parsed(PreviewBody, json_body())
    preview = service().administration.policies.preview(body.text, expected=body.expected)
    return answer(preview_document(preview))


def apply_policy() -> Response:
    """Put a policy in force."""
    identity = authorised(Action.ADMINISTER)
    body = parsed(PolicyBody, json_body())
    proposal = PolicyProposal(text=body.text, reason=body.reason, expected=body.expected)
    applied = service().administration.policies.apply(proposal, actor=identity.name)
    return answer(applied_document(applied, service().administration.policies.futile()), CREATED)


def list_floors() -> Response:
    """How far versions have come."""
    authorised(Action.READ_LOG)
    query = parsed_query(FloorsQuery, request.args.items(multi=True))
    found = service().administration.floors.floors(query.key)
    return answer({"floors": [floor_document(place, floor) for place, floor in found]})


def set_floor() -> Response:
    """Set one, higher or lower."""
    identity = authorised(Action.ADMINISTER)
    body = parsed(FloorBody, json_body())
    place = (body.key, body.device_type, body.payload_type)
    floor = service().administration.floors.set(
        place, unverified_order=body.order, version=body.version, reason=body.reason, actor=identity.name
    )
    return answer(floor_document(place, floor))


def list_people() -> Response:
    """All people by name, disabled ones too."""
    authorised(Action.READ_LOG)
    return answer({"people": [person_document(each) for each in service().administration.people.people()]})


def create_person() -> Response:
    """Somebody new."""
    identity = authorised(Action.ADMINISTER)
    body = parsed(PersonBody, json_body())
    made = service().administration.people.create(
        body.name, display=body.display, email=body.email, actor=identity.name
    )
    return answer(person_document(made), CREATED)


def show_person(name: str) -> Response:
    """One person."""
    authorised(Action.READ_LOG)
    return answer(person_document(service().administration.people.person(name)))


def disable_person(name: str) -> Response:
    """End what all their identities prove."""
    identity = authorised(Action.ADMINISTER)
    people = service().administration.people
    done = people.disable(name, reason=parsed(ReasonBody, json_body()).reason, actor=identity.name)
    return answer({**person_document(people.person(name)), "changed": done})


def enable_person(name: str) -> Response:
    """Let them prove again."""
    identity = authorised(Action.ADMINISTER)
    people = service().administration.people
    done = people.enable(name, reason=parsed(ReasonBody, json_body()).reason, actor=identity.name)
    return answer({**person_document(people.person(name)), "changed": done})


def list_identities() -> Response:
    """Which identity is whose."""
    authorised(Action.READ_LOG)
    return answer(identities_document(service().administration.people.assigned()))


def assign_identity() -> Response:
    """Give an identity to a person."""
    identity = authorised(Action.ADMINISTER)
    body, people = parsed(AssignBody, json_body()), service().administration.people
    people.assign(body.identity, body.person, actor=identity.name)
    return answer(person_document(people.person(body.person)))


def unassign_identity() -> Response:
    """Take it back."""
    identity = authorised(Action.ADMINISTER)
    people = service().administration.people
    people.unassign(parsed(IdentityBody, json_body()).identity, actor=identity.name)
    return answer(identities_document(people.assigned()))


def list_groups() -> Response:
    """All groups by name."""
    authorised(Action.READ_LOG)
    return answer({"groups": [group_document(each) for each in service().administration.people.groups()]})


def create_group() -> Response:
    """A group without members."""
    identity = authorised(Action.ADMINISTER)
    made = service().administration.people.create_group(parsed(GroupBody, json_body()).name, actor=identity.name)
    return answer(group_document(made), CREATED)


def show_group(name: str) -> Response:
    """One group."""
    authorised(Action.READ_LOG)
    return answer(group_document(service().administration.people.group(name)))


def add_group_member(name: str) -> Response:
    """Let a person or an identity be a member."""
    identity = authorised(Action.ADMINISTER)
    people = service().administration.people
    done = people.add_member(name, parsed(MemberBody, json_body()).member, actor=identity.name)
    return answer({**group_document(people.group(name)), "changed": done})


def remove_group_member(name: str) -> Response:
    """Let it be none."""
    identity = authorised(Action.ADMINISTER)
    people = service().administration.people
    done = people.remove_member(name, parsed(MemberBody, json_body()).member, actor=identity.name)
    return answer({**group_document(people.group(name)), "changed": done})
