"""Users as JSON has them: for Mender's clients, and for everybody else."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from signer.domain.timestamps import Moment, rfc3339
from signer.domain.users import User
from signer.services.user_ports import PersonalToken


class UserDocument(TypedDict):
    """A user, for those who look after users."""

    id: str
    email: str
    person: str | None
    roles: list[str]
    second_factor: bool
    created_at: Moment
    updated_at: Moment
    last_login_at: Moment | None
    disabled_at: Moment | None


class MenderUser(TypedDict):
    """The same in Mender's words, which leave out what never was."""

    id: str
    email: str
    roles: list[str]
    tfa_status: Literal["enabled", "disabled"]
    created_ts: Moment
    updated_ts: Moment
    login_ts: NotRequired[Moment]


class MenderToken(TypedDict):
    """A personal access token in Mender's words."""

    id: str
    name: str
    created_ts: Moment
    expiration_date: Moment
    last_used: NotRequired[Moment]


def user_document(user: User) -> UserDocument:
    """A user, for those who look after users."""
    return {
        "id": user.id,
        "email": user.email,
        "person": user.person,
        "roles": list(user.roles),
        "second_factor": user.second_factor,
        "created_at": rfc3339(user.created_at),
        "updated_at": rfc3339(user.updated_at),
        "last_login_at": rfc3339(user.last_login_at),
        "disabled_at": rfc3339(user.disabled_at),
    }


def mender_user(user: User) -> MenderUser:
    """The same in Mender's words."""
    found: MenderUser = {
        "id": user.id,
        "email": user.email,
        "roles": list(user.roles),
        "tfa_status": "enabled" if user.second_factor else "disabled",
        "created_ts": rfc3339(user.created_at),
        "updated_ts": rfc3339(user.updated_at),
    }
    if user.last_login_at is not None:
        found["login_ts"] = rfc3339(user.last_login_at)
    return found


def mender_token(token: PersonalToken) -> MenderToken:
    """A personal access token in Mender's words."""
    found: MenderToken = {
        "id": token.jti,
        "name": token.name,
        "created_ts": rfc3339(token.created_at),
        "expiration_date": rfc3339(token.expires_at),
    }
    if token.last_used_at is not None:
        found["last_used"] = rfc3339(token.last_used_at)
    return found
