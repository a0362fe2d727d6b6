"""Users as JSON has them: for Mender's clients, and for everybody else."""

from __future__ import annotations

from typing import Any

from signer.domain.timestamps import rfc3339
from signer.domain.users import User
from signer.services.user_ports import PersonalToken


def user_document(user: User) -> dict[str, Any]:
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


def mender_user(user: User) -> dict[str, Any]:
    """The same in Mender's words."""
    found = {
        "id": user.id,
        "email": user.email,
        "roles": list(user.roles),
        "tfa_status": "enabled" if user.second_factor else "disabled",
        "created_ts": rfc3339(user.created_at),
        "updated_ts": rfc3339(user.updated_at),
        "login_ts": rfc3339(user.last_login_at),
    }
    return {name: value for name, value in found.items() if value is not None}


def mender_token(token: PersonalToken) -> dict[str, Any]:
    """A personal access token in Mender's words."""
    found = {
        "id": token.jti,
        "name": token.name,
        "created_ts": rfc3339(token.created_at),
        "expiration_date": rfc3339(token.expires_at),
        "last_used": rfc3339(token.last_used_at),
    }
    return {name: value for name, value in found.items() if value is not None}
