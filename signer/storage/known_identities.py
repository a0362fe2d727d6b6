"""The identities whose credentials are on record, as they would be proved now: of API tokens, and of users."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from signer.domain.identity import Identity, UserIdentity
from signer.domain.users import User
from signer.errors import CredentialsRejected
from signer.services.access_ports import Directory
from signer.storage.api_token_store import SqlApiTokenStore
from signer.storage.user_store import SqlUserStore


class SqlKnownIdentities:
    """``services.access_ports.KnownIdentities``."""

    def __init__(self, *, api_tokens: SqlApiTokenStore, users: SqlUserStore, directory: Directory) -> None:
        self._api_tokens = api_tokens
        self._users = users
        self._directory = directory

    def valid(self, at: datetime) -> tuple[Identity, ...]:
        """Those that prove something at this moment."""
        found: list[Identity] = []
        for token in self._api_tokens.all_tokens():
            if not token.proves(at):
                continue
            with suppress(CredentialsRejected):
                found.append(token.identity(self._directory.membership(token.identity_name, person=token.person)))
        found.extend(identity for user in self._users.users() if (identity := self._of_user(user)) is not None)
        return tuple(found)

    def _of_user(self, user: User) -> UserIdentity | None:
        """As the token of a login would prove it; None where nobody may log in so."""
        if user.disabled_at is not None:
            return None
        try:
            membership = self._directory.membership(user.identity_name, person=user.person)
        except CredentialsRejected:
            return None
        return UserIdentity(
            name=user.identity_name,
            person=membership.person,
            groups=membership.groups,
            user_id=user.id,
            jti="",
            token_name=None,
            roles=user.roles,
        )
