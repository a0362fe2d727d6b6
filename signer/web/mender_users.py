"""``/api/management/v1/useradm``: users in the words of Mender's clients.

``me``, and one's own id, is whoever asks; of others one needs ``manage-users``.
"""

from __future__ import annotations

from flask import Response, request

from signer.domain.access.actions import Action
from signer.domain.identity import Identity, UserIdentity
from signer.domain.users import DEFAULT_ROLE, Password, User
from signer.errors import CredentialsAmbiguous, CredentialsMissing, CredentialsRejected
from signer.errors.users import UserEmailFixed
from signer.services.user_documents import mender_token, mender_user
from signer.services.users import UserRequest
from signer.web.context import answer, authenticated, authorised, client_address, json_body, service
from signer.web.parsing import Body, parsed

ACCEPTED, CREATED, NO_CONTENT = 202, 201, 204
ME = "me"


class NewMenderUserBody(Body):
    """``POST …/users``."""

    email: str
    password: str
    roles: tuple[str, ...] | None = None


class MenderUserBody(Body):
    """``PUT …/users/{user}``. One's own password needs the current one; ``email`` may be named, and stays."""

    email: str | None = None
    password: str | None = None
    current_password: str | None = None
    roles: tuple[str, ...] | None = None


class CurrentPasswordBody(Body):
    """What needs the password that one has."""

    current_password: str


class CodeBody(Body):
    """A code of the second factor."""

    token2fa: str


class SwitchOffBody(CurrentPasswordBody, CodeBody):
    """Both."""


def logout() -> Response:
    """End the token that is shown; the same answer without one, or for one that proves nothing."""
    try:
        identity = authenticated()
    except CredentialsRejected:
        shown = request.authorization
        if shown is not None and shown.token is not None:
            service().users.former_sessions.log_out(shown.token)
        return Response(status=ACCEPTED)
    except (CredentialsMissing, CredentialsAmbiguous):
        return Response(status=ACCEPTED)
    if isinstance(identity, UserIdentity):
        service().users.own.log_out(identity)
    return Response(status=ACCEPTED)


def list_mender_users() -> Response:
    """All users by address."""
    authorised(Action.MANAGE_USERS)
    return answer([mender_user(each) for each in service().users.administration.users()])


def create_mender_user() -> Response:
    """Somebody new."""
    identity = authorised(Action.MANAGE_USERS)
    body = parsed(NewMenderUserBody, json_body())
    users = service().users
    wanted = UserRequest(
        unverified_email=body.email,
        unverified_password=body.password,
        unverified_roles=(DEFAULT_ROLE,) if body.roles is None else body.roles,
    )
    made = users.administration.create(wanted, actor=identity.name, guard=users.giving.guard(identity))
    return Response(status=CREATED, headers={"Location": f"users/{made.id}"})


def show_mender_user(user: str) -> Response:
    """One of them."""
    return answer(mender_user(_asked_for(user)[1]))


def change_mender_user(user: str) -> Response:
    """One's own password, or the roles of somebody."""
    identity, found = _asked_for(user)
    body, users = parsed(MenderUserBody, json_body()), service().users
    if body.email is not None and body.email.lower() != found.email:
        raise UserEmailFixed(email=found.email)
    if body.roles is not None:
        authorised(Action.MANAGE_USERS)
        users.administration.set_roles(found, body.roles, actor=identity.name, guard=users.giving.guard(identity))
    if body.password is not None and _is_own(identity, found):
        current = Password(body.current_password or "")
        users.own.change_password(identity, current, body.password, address=client_address())
    elif body.password is not None:
        users.administration.set_password(found, body.password, actor=identity.name, guard=users.giving.guard(identity))
    return Response(status=NO_CONTENT)


def delete_mender_user(user: str) -> Response:
    """Forget somebody."""
    identity = authorised(Action.MANAGE_USERS)
    administration = service().users.administration
    administration.delete(_asked_for(user)[1], actor=identity.name)
    return Response(status=NO_CONTENT)


def list_personal_tokens() -> Response:
    """One's own."""
    tokens = service().users.personal_tokens.all_tokens(authenticated())
    return answer([mender_token(each) for each in tokens])


def delete_personal_token(jti: str) -> Response:
    """End one of one's own."""
    service().users.personal_tokens.delete(authenticated(), jti)
    return Response(status=NO_CONTENT)


def enrol_second_factor() -> Response:
    """A seed for one's own app, told this once."""
    identity = authenticated()
    body = parsed(CurrentPasswordBody, json_body())
    made = service().users.own.enrol(identity, Password(body.current_password), address=client_address())
    shown = answer({"secret": made.seed, "uri": made.uri})
    shown.headers["Cache-Control"] = "no-store"
    return shown


def confirm_second_factor() -> Response:
    """From now on a code is asked for."""
    identity = authenticated()
    own = service().users.own
    own.confirm(identity, parsed(CodeBody, json_body()).token2fa)
    return answer(mender_user(own.user(identity)))


def disable_second_factor() -> Response:
    """No code any more."""
    identity = authenticated()
    body = parsed(SwitchOffBody, json_body())
    own = service().users.own
    own.switch_off(identity, Password(body.current_password), body.token2fa, address=client_address())
    return answer(mender_user(own.user(identity)))


def _asked_for(user: str) -> tuple[Identity, User]:
    """Who asks, and about whom; raises ``AccessDenied`` before anybody looks whether there is such a user."""
    identity = authenticated()
    if isinstance(identity, UserIdentity) and user in (ME, identity.user_id):
        return identity, service().users.own.user(identity)
    authorised(Action.MANAGE_USERS)
    return identity, service().users.administration.user(user)


def _is_own(identity: Identity, user: User) -> bool:
    return isinstance(identity, UserIdentity) and identity.user_id == user.id
