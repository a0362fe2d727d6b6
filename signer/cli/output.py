"""How the commands speak: results on stdout, the rest on stderr, sentences or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

COLUMN_GAP = "  "


def complain(sentence: str, *, hint: str | None = None) -> None:
    """Tell on stderr what went wrong and what to do."""
    click.echo(f"artifact-signer: {printable(sentence)}", err=True)
    if hint:
        click.echo(f"hint: {printable(hint)}", err=True)


def note(sentence: str) -> None:
    """Tell on stderr what is being done."""
    click.echo(f"artifact-signer: {printable(sentence)}", err=True)


def show_json(document: Any) -> None:
    """Write a document for machines."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns aligned for a terminal, without trailing blanks."""
    lines = [
        list(headings),
        *([printable("-" if cell is None else str(cell)) for cell in row] for row in rows),
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    return "\n".join(
        COLUMN_GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def printable(text: str) -> str:
    """The text with control characters escaped: what a server sent must not steer the terminal."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def terminal() -> bool:
    """Whether progress is worth showing."""
    return sys.stderr.isatty()
