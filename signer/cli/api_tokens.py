"""``artifact-signer api-tokens``: credentials of people and pipelines, over the API or on the database.

1. The text of a token is shown or written once and is nowhere on record.
2. A file for it is new and its owner's alone before the token is made; no file stays where none was made.
3. A revoked token stays on record and its name is not used again: events and logs go on to mean one token.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from signer.cli.api_token_sources import opened
from signer.cli.connection import either_option
from signer.cli.durations import Duration
from signer.cli.output import note, show_json, table
from signer.domain.access.actions import Action

FILE_MODE = 0o600
LONGEST = timedelta(days=36500)
# What of a document people see in a list, in this order.
COLUMNS = ("id", "name", "role", "person", "keys", "actions", "created_at", "expires_at", "last_used_at", "revoked_at",
           "suspended_at")  # fmt: skip
HEADINGS = ("ID", "NAME", "ROLE", "PERSON", "KEYS", "ACTIONS", "CREATED", "EXPIRES", "LAST USED", "REVOKED",
            "SUSPENDED")  # fmt: skip


@click.group("api-tokens")
def api_tokens() -> None:
    """Create, list and revoke API tokens, over the API or, with --config, in the database of an installation."""


@api_tokens.command()
@click.argument("name")
@click.option("--role", metavar="ROLE", help="name that rules may use, such as signer")
@click.option("--key", "keys", multiple=True, metavar="PATTERN", help="only for keys that fit (repeat)")
@click.option(
    "--action",
    "actions",
    multiple=True,
    type=click.Choice([action.value for action in Action]),
    help="only for this (repeat)",
)
@click.option("--expires-in", type=Duration(LONGEST), metavar="TIME", help="how long it holds, such as 12h or 90d")
@click.option("--expires-at", type=click.DateTime(), help="when it ends (UTC)")
@click.option("--person", metavar="NAME", help="whose it is")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="new file for it, mode 0600")
@either_option
def create(
    name: str,
    *,
    role: str | None,
    person: str | None,
    output: Path | None,
    config: Path | None,
    **limits: Any,
) -> None:
    """Make the API token NAME and write it to standard output, once."""
    document = {"name": name, "role": role, "person": person, **_limited(**limits)}
    with opened(config, "create") as tokens, _destination(output) as write:
        made = tokens.create({member: value for member, value in document.items() if value is not None})
        write(made["api_token"])
    end = f", until {made['expires_at']}" if made["expires_at"] else ""
    note(f"made API token {name}{end}" + (f": {output}" if output else "; this is the only time it is shown"))


@api_tokens.command("list")
@either_option
@click.option("--json", "as_json", is_flag=True, help="write a JSON document")
def list_tokens(config: Path | None, *, as_json: bool) -> None:
    """List API tokens, revoked ones too. None of their text is on record but the id."""
    with opened(config, "list") as tokens:
        found = tokens.all()
    if as_json:
        show_json({"api_tokens": found})
        return
    click.echo(table(HEADINGS, [tuple(_shown(token.get(column)) for column in COLUMNS) for token in found]))


@api_tokens.command()
@click.argument("name")
@either_option
def revoke(name: str, *, config: Path | None) -> None:
    """Let the API token NAME prove nothing any more, for ever."""
    from signer.caller_bootstrap import CREDENTIAL_CACHE_SECONDS

    with opened(config, "revoke") as tokens:
        revoked = tokens.revoke(name)
    if revoked:
        note(f"revoked API token {name}; the service refuses it after at most {CREDENTIAL_CACHE_SECONDS:g} seconds")
    else:
        note(f"API token {name} was revoked before")


@api_tokens.command()
@click.argument("names", nargs=-1, metavar="NAME")
@click.option("--all", "everything", is_flag=True, help="all that are suspended")
@click.option("--reason", required=True, help="why they are taken back; on record")
@either_option
def reinstate(names: tuple[str, ...], *, everything: bool, reason: str, config: Path | None) -> None:
    """Take back API tokens that a restore has suspended, with the text that they have."""
    if bool(names) == everything or not reason.strip():
        raise click.UsageError("give names or --all, and a reason")
    with opened(config, "reinstate") as tokens:
        suspended = [token["name"] for token in tokens.all() if token["suspended_at"] is not None] if everything else []
        for name in suspended if everything else names:
            done = tokens.reinstate(name, reason)
            note(f"took back API token {name}" if done else f"API token {name} is not suspended")


def _limited(
    *, keys: tuple[str, ...], actions: tuple[str, ...], expires_in: timedelta | None, expires_at: datetime | None
) -> dict[str, Any]:
    if expires_in is not None and expires_at is not None:
        raise click.UsageError("give one of --expires-in and --expires-at")
    return {
        "keys": list(keys) or None,
        "actions": list(actions) or None,
        "expires_at": None if expires_at is None else f"{expires_at.replace(tzinfo=UTC):%Y-%m-%dT%H:%M:%SZ}",
        "expires_in": None if expires_in is None else int(expires_in.total_seconds()),
    }


def _shown(value: object) -> str | None:
    return ",".join(value) if isinstance(value, list) else value if isinstance(value, str) else None


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
