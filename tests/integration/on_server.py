"""A service on PostgreSQL: what ``init`` made, with a database of a server instead of its own."""

from __future__ import annotations

from signer.bootstrap import utc_now
from signer.domain.identity import Role
from signer.storage.api_token_store import SqlApiTokenStore
from signer.storage.database import Database
from tests.support.api_tokens import issue_api_token
from tests.support.databases import migrate, settings

from .running import Installation, command


def move_to_server(installation: Installation, url: str) -> None:
    """From now on it is one on this database, which is empty: with a log, its key and an API token of its own."""
    migrate(url, log=False)
    database = Database(settings(url))
    store = SqlApiTokenStore(database=database, clock=utc_now)
    token = issue_api_token(store, name="admin", role=Role.ADMINISTRATOR, actor="test")
    database.close()
    (installation.directory / "admin.token").write_text(token)
    # The log that came with the installation is in its own database.
    pairs = [path for path in installation.directory.rglob("*.object") if path.name != "token.object"]
    for path in (installation.directory / "log.checkpoint", installation.directory / "log.vkey", *pairs):
        path.unlink()
    log_command(installation, url, "create")


def log_command(installation: Installation, url: str, *arguments: str) -> str:
    """``artifact-signer log`` on this database, which has to do it; gives what it said."""
    done = command(
        "log",
        *arguments,
        "--config",
        installation.config,
        environment={"ARTIFACT_SIGNER_DATABASE_URL": url},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr
