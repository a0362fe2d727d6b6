"""The identities whose credentials are on record, as they would be proved now."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from signer.domain.identity import Identity
from signer.errors import CredentialsRejected
from signer.services.access_ports import Directory
from signer.storage.api_token_store import SqlApiTokenStore

PREFIX = "api-token:"


class SqlKnownIdentities:
    """``services.access_ports.KnownIdentities``: of API tokens, the only credentials that are rows."""

    def __init__(self, *, api_tokens: SqlApiTokenStore, directory: Directory) -> None:
        self._api_tokens = api_tokens
        self._directory = directory

    def valid(self, at: datetime) -> tuple[Identity, ...]:  # noqa: ARG002  (when credentials end)
        """Those that prove something now."""
        found: list[Identity] = []
        for token in self._api_tokens.all_tokens():
            if token.revoked_at is not None or token.suspended_at is not None:
                continue
            name = f"{PREFIX}{token.name}"
            with suppress(CredentialsRejected):
                membership = self._directory.membership(name)
                found.append(Identity(name=name, role=token.role, person=membership.person, groups=membership.groups))
        return tuple(found)
