"""What an import tells of the entries that it does not take: a line of JSON for each, or the first few as sentences."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from signer.cli.output import note

TOLD = 10
MODE = 0o600

report_option = click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    help="file for a line of JSON about each entry that is not imported",
)
dry_run_option = click.option("--dry-run", is_flag=True, help="say what would be done, and do nothing")
skip_option = click.option(
    "--skip-faulty", is_flag=True, help="import the others where entries are not understood or contradict the record"
)


class Report:
    """Takes what there is to say of an entry."""

    def __init__(self, file: IO[str] | None) -> None:
        self._file = file
        self._told = 0

    def tell(self, number: int, reason: str, subject: str | None) -> None:
        """An entry is not imported. ``subject``: its id, where that is understood."""
        if self._file is not None:
            line = {"entry": number, "reason": reason, **({} if subject is None else {"id": subject})}
            self._file.write(json.dumps(line) + "\n")
            return
        self._told += 1
        if self._told <= TOLD:
            note(f"entry {number}{'' if subject is None else f' ({subject})'}: {reason}")
        elif self._told == TOLD + 1:
            note("and others; --report FILE tells of each")


@contextmanager
def reporting(path: Path | None) -> Iterator[Report]:
    """Into a file that only its owner reads, which is written anew, or to standard error."""
    if path is None:
        yield Report(None)
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, MODE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        yield Report(file)
