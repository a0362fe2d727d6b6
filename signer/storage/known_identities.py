"""The identities whose credentials are on record, as they would be proved now."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from signer.domain.identity import Identity
from signer.errors import CredentialsRejected
from signer.services.access_ports import Directory
from signer.storage.api_token_store import SqlApiTokenStore


class SqlKnownIdentities:
    """``services.access_ports.KnownIdentities``: of API tokens, the only credentials that are rows."""

    def __init__(self, *, api_tokens: SqlApiTokenStore, directory: Directory) -> None:
        self._api_tokens = api_tokens
        self._directory = directory

    def valid(self, at: datetime) -> tuple[Identity, ...]:
        """Those that prove something at this moment."""
        found: list[Identity] = []
        for token in self._api_tokens.all_tokens():
            if not token.proves(at):
                continue
            with suppress(CredentialsRejected):
                found.append(token.identity(self._directory.membership(token.identity_name, person=token.person)))
        return tuple(found)
