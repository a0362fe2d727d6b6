"""The identities that somebody may prove, as they would be proved now.

1. Those whose credentials are on record: API tokens, and users.
2. Those of client certificates and pipelines that were assigned to a person who is enabled: that somebody holds one is
   on no record, but a person said so. Only where the settings take a proof of it: a CA, a pinned pipeline.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from signer.domain.access.futility import Present
from signer.domain.identity import Identity, UserIdentity
from signer.domain.people import PERSON_PREFIX
from signer.domain.users import User
from signer.errors import CredentialsRejected
from signer.services.access_ports import ConfiguredIdentities, Directory
from signer.storage.api_token_store import SqlApiTokenStore
from signer.storage.key_store import SqlKeyStore
from signer.storage.people_store import SqlPeopleStore
from signer.storage.user_store import SqlUserStore

GROUP_PREFIX = "group:"


class SqlKnownIdentities:
    """``services.access_ports.KnownIdentities``."""

    def __init__(
        self,
        *,
        api_tokens: SqlApiTokenStore,
        users: SqlUserStore,
        people: SqlPeopleStore,
        keys: SqlKeyStore,
        configured: ConfiguredIdentities,
    ) -> None:
        self._api_tokens = api_tokens
        self._users = users
        self._directory: Directory = people
        self._people = people
        self._keys = keys
        self._configured = configured

    def valid(self, at: datetime) -> tuple[Identity, ...]:
        """Those that prove something at this moment."""
        found: list[Identity] = []
        for token in self._api_tokens.all_tokens():
            if not token.proves(at):
                continue
            with suppress(CredentialsRejected):
                found.append(token.identity(self._directory.membership(token.identity_name, person=token.person)))
        found.extend(identity for user in self._users.users() if (identity := self._of_user(user)) is not None)
        found.extend(self._assigned())
        return tuple(found)

    def present(self, at: datetime) -> Present:
        """Which keys there are, and who may be proved to be somebody, whether they were given a person or not."""
        names = {token.identity_name for token in self._api_tokens.all_tokens() if token.proves(at)}
        names |= {user.identity_name for user in self._users.users() if user.disabled_at is None}
        names |= {f"{PERSON_PREFIX}{each.name}" for each in self._people.people() if each.disabled_at is None}
        names |= {f"{GROUP_PREFIX}{group.name}" for group in self._people.groups()}
        return Present(
            keys={key.name: key.purpose for key in self._keys.all_keys()},
            somebody=lambda principal: principal in names or self._configured.may_be_proved(principal),
        )

    def _assigned(self) -> Iterator[Identity]:
        for name, person in sorted(self._people.assigned().items()):
            if not self._configured.may_be_proved(name):
                continue
            with suppress(CredentialsRejected):
                membership = self._directory.membership(name, person=person)
                role = self._configured.pipelines.get(name)
                yield Identity(name=name, role=role, person=membership.person, groups=membership.groups)

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
