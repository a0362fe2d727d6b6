"""``/v1/users``: users by their addresses, for those who look after them."""

from __future__ import annotations

from flask import Response

from signer.domain.access.actions import Action
from signer.domain.users import DEFAULT_ROLE
from signer.services.user_documents import user_document
from signer.services.users import UserRequest
from signer.web.context import answer, authorised, json_body, service
from signer.web.parsing import Body, ReasonBody, parsed

CREATED = 201


class NewUserBody(Body):
    """``POST /v1/users``."""

    email: str
    password: str
    roles: tuple[str, ...] = (DEFAULT_ROLE,)
    person: str | None = None


class RolesBody(Body):
    """``POST /v1/users/{email}/roles``."""

    roles: tuple[str, ...]


class PasswordBody(Body):
    """``POST /v1/users/{email}/password``."""

    password: str


def list_users() -> Response:
    """All users by address, disabled ones too."""
    authorised(Action.MANAGE_USERS)
    return answer({"users": [user_document(each) for each in service().users.administration.users()]})


def create_user() -> Response:
    """Somebody new."""
    identity = authorised(Action.MANAGE_USERS)
    body, users = parsed(NewUserBody, json_body()), service().users
    wanted = UserRequest(
        unverified_email=body.email,
        unverified_password=body.password,
        unverified_roles=body.roles,
        person=body.person,
    )
    made = users.administration.create(wanted, actor=identity.name, guard=users.giving.guard(identity))
    return answer(user_document(made), CREATED)


def show_user(email: str) -> Response:
    """One user."""
    authorised(Action.MANAGE_USERS)
    return answer(user_document(service().users.administration.named(email)))


def disable_user(email: str) -> Response:
    """End all tokens of somebody, and let them not log in."""
    identity = authorised(Action.MANAGE_USERS)
    users = service().users.administration
    done = users.disable(users.named(email), reason=parsed(ReasonBody, json_body()).reason, actor=identity.name)
    return answer({**user_document(users.named(email)), "changed": done})


def enable_user(email: str) -> Response:
    """Let them log in again."""
    identity = authorised(Action.MANAGE_USERS)
    users, guard = service().users.administration, service().users.giving.guard(identity)
    reason = parsed(ReasonBody, json_body()).reason
    done = users.enable(users.named(email), reason=reason, actor=identity.name, guard=guard)
    return answer({**user_document(users.named(email)), "changed": done})


def set_user_roles(email: str) -> Response:
    """Other roles."""
    identity = authorised(Action.MANAGE_USERS)
    users, guard = service().users.administration, service().users.giving.guard(identity)
    roles = parsed(RolesBody, json_body()).roles
    done = users.set_roles(users.named(email), roles, actor=identity.name, guard=guard)
    return answer({**user_document(users.named(email)), "changed": done})


def set_user_password(email: str) -> Response:
    """Another password, for somebody who has lost theirs."""
    identity = authorised(Action.MANAGE_USERS)
    users, guard = service().users.administration, service().users.giving.guard(identity)
    password = parsed(PasswordBody, json_body()).password
    users.set_password(users.named(email), password, actor=identity.name, guard=guard)
    return answer(user_document(users.named(email)))


def reset_user_second_factor(email: str) -> Response:
    """Ask them for no code any more."""
    identity = authorised(Action.MANAGE_USERS)
    users, guard = service().users.administration, service().users.giving.guard(identity)
    reason = parsed(ReasonBody, json_body()).reason
    done = users.reset_second_factor(users.named(email), reason=reason, actor=identity.name, guard=guard)
    return answer({**user_document(users.named(email)), "changed": done})


def delete_user(email: str) -> Response:
    """Forget somebody."""
    identity = authorised(Action.MANAGE_USERS)
    users = service().users.administration
    users.delete(users.named(email), actor=identity.name)
    return answer({"email": email.lower(), "changed": True})
