"""``artifact-signer api-tokens``: credentials of people and pipelines, on the database of an installation.

1. The text of a token is shown or written once and is nowhere on record.
2. A file for it is new and its owner's alone before the token is made; no file stays where none was made.
3. A revoked token stays on record and its name is not used again: events and logs go on to mean one token.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from signer.cli.local import config_option
from signer.cli.output import note, show_json, table
from signer.config import load_settings
from signer.domain.identity import Role

if TYPE_CHECKING:
    from signer.storage.api_token_store import SqlApiTokenStore

FILE_MODE = 0o600


@click.group("api-tokens")
def api_tokens() -> None:
    """Create, list and revoke API tokens, in the database of an installation."""


@api_tokens.command()
@click.argument("name")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True, help="what it may do")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="new file for it, mode 0600")
@config_option
def create(name: str, *, role: str, output: Path | None, config: Path) -> None:
    """Make the API token NAME and write it to standard output, once."""
    from signer.auth.api_tokens import issue_api_token
    from signer.domain.keys import checked_name

    name = checked_name(name)
    with _opened(config) as store, _destination(output) as write:
        write(issue_api_token(store, name=name, role=Role(role), actor=_actor("create")))
    note(f"made API token {name}, {role}" + (f": {output}" if output else "; this is the only time it is shown"))


@api_tokens.command("list")
@config_option
@click.option("--json", "as_json", is_flag=True, help="write a JSON document")
def list_tokens(config: Path, *, as_json: bool) -> None:
    """List API tokens, revoked ones too. None of their text is on record but the id."""
    from signer.domain.timestamps import rfc3339

    with _opened(config) as store:
        found = [
            {
                "id": token.id,
                "name": token.name,
                "role": token.role,
                "created_at": rfc3339(token.created_at),
                "revoked_at": rfc3339(token.revoked_at),
                "suspended_at": rfc3339(token.suspended_at),
            }
            for token in store.all_tokens()
        ]
    if as_json:
        show_json({"api_tokens": found})
        return
    click.echo(
        table(("ID", "NAME", "ROLE", "CREATED", "REVOKED", "SUSPENDED"), [tuple(token.values()) for token in found])
    )


@api_tokens.command()
@click.argument("name")
@config_option
def revoke(name: str, *, config: Path) -> None:
    """Let the API token NAME prove nothing any more, for ever."""
    from signer.auth.api_tokens import revoke_api_token
    from signer.bootstrap import CREDENTIAL_CACHE_SECONDS

    with _opened(config) as store:
        revoked = revoke_api_token(store, name=name, actor=_actor("revoke"))
    if revoked:
        note(f"revoked API token {name}; the service refuses it after at most {CREDENTIAL_CACHE_SECONDS:g} seconds")
    else:
        note(f"API token {name} was revoked before")


@api_tokens.command()
@click.argument("names", nargs=-1, metavar="NAME")
@click.option("--all", "everything", is_flag=True, help="all that are suspended")
@click.option("--reason", required=True, help="why they are taken back; on record")
@config_option
def reinstate(names: tuple[str, ...], *, everything: bool, reason: str, config: Path) -> None:
    """Take back API tokens that a restore has suspended, with the text that they have."""
    from signer.auth.api_tokens import reinstate_api_token

    if bool(names) == everything or not reason.strip():
        raise click.UsageError("give names or --all, and a reason")
    with _opened(config) as store:
        suspended = [token.name for token in store.all_tokens() if token.suspended_at is not None]
        for name in suspended if everything else names:
            done = reinstate_api_token(store, name=name, reason=reason, actor=_actor("reinstate"))
            note(f"took back API token {name}" if done else f"API token {name} is not suspended")


def _actor(command: str) -> str:
    return f"artifact-signer api-tokens {command}"


@contextmanager
def _opened(config: Path) -> Iterator[SqlApiTokenStore]:
    from signer.bootstrap import utc_now
    from signer.storage.api_token_store import SqlApiTokenStore
    from signer.storage.database import Database

    database = Database(load_settings(config, os.environ).database)
    try:
        database.check_revision()
        yield SqlApiTokenStore(database=database, clock=utc_now)
    finally:
        database.close()


@contextmanager
def _destination(output: Path | None) -> Iterator[Callable[[str], object]]:
    """What takes the token's text: standard output, or a new file that does not outlive an error."""
    if output is None:
        yield click.echo
        return
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            yield lambda token: file.write(f"{token}\n")
    except BaseException:
        output.unlink(missing_ok=True)
        raise
