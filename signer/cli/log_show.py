"""``artifact-signer log show`` and ``log search``: leaves of a log, as the service or the database has them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import click

from signer.cli.connection import connected
from signer.cli.log_sources import here_option, opened_database
from signer.cli.output import printable, show_json, table
from signer.client import Client
from signer.config import load_settings
from signer.domain.events import EventType
from signer.domain.leaves import LogEvent
from signer.services.ports import LeafQuery
from signer.storage.log_reader import SqlLogReader
from verifier.log import Checkpoint, SignedNote, parsed_leaf

PAGE = 1000
MAX_LIMIT = 1_000_000
LAST = 20
LEAF_TYPES = tuple(kind.value for kinds in (LogEvent, EventType) for kind in kinds)
_HEADINGS = ("INDEX", "TIME", "TYPE", "WHO", "KEY", "ARTIFACT")

Entry = tuple[int, Mapping[str, Any]]
"""The index of a leaf, and its members."""


class Leaves(Protocol):
    """Where leaves are looked up."""

    def size(self) -> int:
        """How many there are."""

    def page(self, query: LeafQuery) -> list[Entry]:
        """The leaves that are wanted, in order, at most as many as the query says."""


@dataclass(frozen=True, slots=True)
class _Served:
    client: Client

    def size(self) -> int:
        note = self.client.download("/v1/log/checkpoint", "text/plain", limit=1 << 20)
        # Who wants this proved asks log verify.
        return Checkpoint.parse(SignedNote.parse(note).text).size

    def page(self, query: LeafQuery) -> list[Entry]:
        wanted: dict[str, Any] = {"first": query.first, "limit": query.limit, "type": ",".join(query.types)}
        wanted |= {name: getattr(query, name) for name in ("key", "artifact", "actor", "manifest_sha256")}
        wanted |= {name: at and at.isoformat() for name, at in (("since", query.since), ("until", query.until))}
        document = self.client.read("/v1/log/entries", **{name: value for name, value in wanted.items() if value})
        return [(entry["index"], entry["leaf"]) for entry in document["entries"]]


@dataclass(frozen=True, slots=True)
class _Stored:
    reader: SqlLogReader

    def size(self) -> int:
        return self.reader.head().size

    def page(self, query: LeafQuery) -> list[Entry]:
        return [(entry.index, parsed_leaf(entry.leaf)) for entry in self.reader.find(query)]


@click.command()
@click.argument("index", type=click.IntRange(0), required=False)
@click.option(
    "--last", type=click.IntRange(1, MAX_LIMIT), default=LAST, show_default=True, help="how many, without INDEX"
)
@here_option
@click.option("--json", "as_json", is_flag=True, help="write a JSON document")
def show(*, index: int | None, last: int, config: Path | None, as_json: bool) -> int:
    """Show the leaf at INDEX, or the last leaves."""
    with _leaves(config) as leaves:
        first = max(0, leaves.size() - last) if index is None else index
        wanted = LeafQuery(first=first, limit=last if index is None else 1)
        entries = [entry for entry in found(leaves, wanted) if index in (None, entry[0])]
    if index is not None and not entries:
        raise click.ClickException(f"the log has no leaf {index}")
    if as_json:
        show_json(_documents(entries) if index is None else _documents(entries)[0])
    elif index is None:
        click.echo(_table(entries))
    else:
        for line in _lines(entries[0]):
            click.echo(line)
    return 0


@click.command()
@click.option("--artifact", help="name of an artifact")
@click.option("--key", help="name of a key")
@click.option("--actor", help="who asked, such as api-token:NAME")
@click.option("--type", "types", multiple=True, metavar="TYPE", help="type of leaf; several are alternatives")
@click.option("--manifest-sha256", help="digest of a manifest")
@click.option("--since", metavar="TIME", help="recorded at this time or later, such as 2030-01-31T12:00:00Z")
@click.option("--until", metavar="TIME", help="recorded before this time")
@click.option("--limit", type=click.IntRange(1, MAX_LIMIT), default=PAGE, show_default=True, help="at most so many")
@here_option
@click.option("--json", "as_json", is_flag=True, help="write a JSON document")
def search(  # noqa: PLR0913  (one for each option)
    *,
    artifact: str | None,
    key: str | None,
    actor: str | None,
    types: tuple[str, ...],
    manifest_sha256: str | None,
    since: str | None,
    until: str | None,
    limit: int,
    config: Path | None,
    as_json: bool,
) -> int:
    """List the leaves that have all of what is given; exit status 1 if none has."""
    unknown = [kind for kind in types if kind not in LEAF_TYPES]
    if unknown:
        raise click.UsageError(f"no leaf is of type {unknown[0]}: there are {', '.join(LEAF_TYPES)}")
    query = LeafQuery(
        first=0,
        limit=limit,
        types=types,
        key=key,
        artifact=artifact,
        actor=actor,
        manifest_sha256=manifest_sha256,
        since=_moment("--since", since),
        until=_moment("--until", until),
    )
    with _leaves(config) as leaves:
        entries = list(found(leaves, query))
    if as_json:
        show_json(_documents(entries))
    else:
        click.echo(_table(entries))
    return 0 if entries else 1


def found(leaves: Leaves, query: LeafQuery) -> Iterator[Entry]:
    """All that are wanted, page by page."""
    first, rest = query.first, query.limit
    while rest > 0:
        limit = min(rest, PAGE)
        page = leaves.page(replace(query, first=first, limit=limit))
        yield from page
        if len(page) < limit:
            return
        first, rest = page[-1][0] + 1, rest - limit


@contextmanager
def _leaves(config: Path | None) -> Iterator[Leaves]:
    if config is None:
        with connected() as client:
            yield _Served(client)
    else:
        with opened_database(load_settings(config, os.environ)) as database:
            yield _Stored(SqlLogReader(database=database))


def _moment(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"{option} is not a time such as 2030-01-31T12:00:00Z") from None
    if at.tzinfo is None:
        raise click.UsageError(f"{option} has no zone: end it with Z for UTC")
    return at.astimezone(UTC)


def _documents(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    return [{"index": index, "leaf": members} for index, members in entries]


def _table(entries: Iterable[Entry]) -> str:
    rows = (
        (index, leaf.get("time"), leaf.get("type"), leaf.get("actor"), _version(leaf), leaf.get("artifact"))
        for index, leaf in entries
    )
    return table(_HEADINGS, rows)


def _version(leaf: Mapping[str, Any]) -> str | None:
    key, version = leaf.get("key"), leaf.get("key_version")
    return key if version is None else f"{key}/{version}"


def _lines(entry: Entry) -> Iterator[str]:
    index, leaf = entry
    width = max((len(name) for name in leaf), default=0)
    yield f"{'index':{width}}  {index}"
    for name, value in sorted(leaf.items()):
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
        yield f"{printable(name):{width}}  {printable(text)}"
