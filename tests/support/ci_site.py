"""The real routes of a service that takes the tokens of a real issuer, and what a job does with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from signer.bootstrap import Parts
from signer.config import Settings, load_settings
from signer.services.ports import Clock
from signer.storage.ci_session_store import SqlCiSessionStore
from signer.storage.database import Database
from signer.storage.log_reader import SqlLogReader
from tests.docs.application import Application, application
from tests.support.asking import Reply
from tests.support.ci_issuer import CiIssuer
from tests.support.ci_tokens import AUDIENCE, github_claims, token
from tests.support.databases import begin_log

ROUTE = "/v1/auth/ci"
NONCE = "n" * 32
# Where a test moves the clock, it begins here.
BEGAN = datetime(2026, 11, 29, 12, 0, 0, tzinfo=UTC)
CONFIGURATION = """
[database]
url = "sqlite:///test.sqlite"

[[tokens]]
name = "unreached"
uri = "pkcs11:token=t?module-path=/nonexistent.so"
pin = {{ env = "PIN" }}

[[ci_issuer]]
name = "github"
issuer = "{issuer.url}"
kind = "github"
audience = "{audience}"
algorithms = ["RS256", "ES256"]
ca_file = "{issuer.ca_file}"

[[ci_identity]]
issuer = "github"
id = "456789"
owner_id = "123456"
role = "signer"
claims = {{ ref = ["refs/heads/main", "refs/tags/v*"], environment = "production" }}
"""


def ci_settings(directory: Path, issuer: CiIssuer, more: str = "") -> Settings:
    """Settings that pin one repository of the issuer. ``more``: further tables."""
    path = directory / "ci.toml"
    path.write_text(CONFIGURATION.format(issuer=issuer, audience=AUDIENCE) + more)
    return load_settings(path, {})


@dataclass(slots=True, kw_only=True)
class CiSite:
    """A service and its issuer. ``forget``: what workers do within seconds of a change of access."""

    issuer: CiIssuer
    application: Application
    database: Database
    clock: Clock
    forget: Callable[[], None]

    @property
    def store(self) -> SqlCiSessionStore:
        """Where its sessions are."""
        return SqlCiSessionStore(database=self.database, clock=self.clock)

    def token(self, **changes: Any) -> str:
        """A token of a job that is an identity, but for the changes of its claims."""
        return token(github_claims(self.issuer.url, now=self.clock().timestamp(), **changes))

    def show(self, text: str, nonce: str | None = None) -> Reply:
        """Show a token."""
        body = {"token": text} if nonce is None else {"token": text, "nonce": nonce}
        return self.post(json.dumps(body).encode())

    def post(self, body: bytes) -> Reply:
        """Send a body to the route."""
        return self.application.ask("POST", ROUTE, body=body)

    def session(self, **changes: Any) -> str:
        """The session that a job gets."""
        reply = self.show(self.token(**changes))
        assert reply.status_code == 201, reply.data
        return str(reply.json()["session"])

    def use(self, session: str, path: str = "/v1/keys") -> int:
        """The status of a request with a session."""
        return self.application.ask("GET", path, f"Bearer {session}").status_code

    def leaves(self) -> list[dict[str, Any]]:
        """All leaves of the log."""
        reader = SqlLogReader(database=self.database)
        return [json.loads(leaf) for leaf in reader.leaves(0, reader.head().size)]


@contextmanager
def ci_site(directory: Path, issuer: CiIssuer, *, clock: Clock | None = None, more: str = "") -> Iterator[CiSite]:
    """The service, with a log."""
    kept: list[tuple[Database, Parts]] = []

    def changed(parts: Parts, database: Database) -> Parts:
        begin_log(database)
        kept.append((database, parts))
        # A test's clock leaps, and nothing that measures time beside it contradicts.
        return parts if clock is None else replace(parts, monotonic=lambda: clock().timestamp())

    made = application(directory, changed=changed, settings=ci_settings(directory, issuer, more), clock=clock)
    try:
        database, parts = kept[0]
        yield CiSite(
            issuer=issuer, application=made, database=database, clock=parts.clock, forget=parts.identities.forget
        )
    finally:
        made.close()
