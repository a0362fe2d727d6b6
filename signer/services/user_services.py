"""The services about users, for whoever serves requests."""

from __future__ import annotations

from dataclasses import dataclass

from signer.services.former_sessions import FormerSessions
from signer.services.login import Login
from signer.services.own_user import OwnUser
from signer.services.personal_tokens import PersonalTokens
from signer.services.users import Giving, UserAdministration


@dataclass(frozen=True, slots=True, kw_only=True)
class UserServices:
    """All of them, over one database."""

    administration: UserAdministration
    giving: Giving
    login: Login
    own: OwnUser
    former_sessions: FormerSessions
    personal_tokens: PersonalTokens
