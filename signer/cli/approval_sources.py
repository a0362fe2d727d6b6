"""Where ``artifact-signer approvals`` does its work: over the API, or on the database of an installation.

Both take and give the JSON documents of the API. On the database approvals are seen; a vote is a person's, who shows a
credential to the service.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from signer.cli.connection import connected
from signer.cli.local_database import local_database

if TYPE_CHECKING:
    from signer.approval_bootstrap import ApprovalServices
    from signer.client import Client

Document = Mapping[str, Any]
ROUTE = "/v1/approvals"


class ApprovalSource(Protocol):
    """What the commands ask for."""

    def all(self) -> Document:
        """What waits, and what was rejected."""

    def one(self, approval: str) -> Document:
        """One of them, with all that people approve by."""


class OverTheApi:
    """Asks a service."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def all(self) -> Document:
        """What waits, and what was rejected."""
        return self._client.read(ROUTE)

    def one(self, approval: str) -> Document:
        """One of them."""
        return self._client.read(f"{ROUTE}/{quote(approval, safe='')}")

    def vote(self, approval: str, decision: str, sha256: str | None, reason: str | None) -> Document:
        """What becomes of it."""
        given = {"decision": decision, "sha256": sha256, "reason": reason}
        body = {name: value for name, value in given.items() if value is not None}
        return self._client.ask(f"{ROUTE}/{quote(approval, safe='')}/votes", body)


class OnTheDatabase:
    """Works on the database itself; whoever can open it may."""

    def __init__(self, services: ApprovalServices) -> None:
        from signer.services import approval_documents

        self._documents = approval_documents
        self._approvals, self._contents = services.approvals, services.contents

    def all(self) -> Document:
        """What waits, and what was rejected."""
        return {"approvals": [self._documents.waiting_document(each) for each in self._approvals.waiting(None)]}

    def one(self, approval: str) -> Document:
        """One of them."""
        waiting = self._approvals.show(None, approval)
        return self._documents.shown_document(waiting, self._contents.of(waiting.proposal))


@contextmanager
def opened(config: Path | None) -> Iterator[ApprovalSource]:
    """The database of the installation, or the service where no configuration is given."""
    if config is None:
        with connected() as client:
            yield OverTheApi(client)
        return
    from signer.approval_bootstrap import local_approvals
    from signer.bootstrap import utc_now

    with local_database(config) as (_, database):
        yield OnTheDatabase(local_approvals(database, utc_now))
