"""What a receiver was told of requests that wait, and what is wrong with it: a file beside the checkpoint's.

It is no record. Without it a receiver is told again what it was told, under the same ids.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from signer.domain.approval_notices import Told
from signer.new_file import NewFile

MAX_FILE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticesReport:
    """``told``: by proposal; ``failure``: why the last notice was not taken, None where it was."""

    told: Mapping[str, Told] = field(default_factory=dict)
    failure: str | None = None


class NoticesFile:
    """The file at ``path``."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, report: NoticesReport) -> None:
        """Replace what it says; raises ``OSError``."""
        document = {"told": {id_: told.value for id_, told in report.told.items()}, "failure": report.failure}
        with NewFile(self._path) as file:
            file.write(json.dumps(document).encode())

    def read(self) -> NoticesReport | None:
        """What it says; None where it is not there, or says nothing that can be understood."""
        try:
            with self._path.open("rb") as file:
                document = json.loads(file.read(MAX_FILE_BYTES + 1))
            told = {str(id_): Told(state) for id_, state in document["told"].items()}
            failure = document["failure"]
            return NoticesReport(told=told, failure=None if failure is None else str(failure))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
