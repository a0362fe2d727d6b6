"""Reads lists of devices from files: JSON as a Mender server's API gives it, or CSV. A piece at a time.

A file whose first character is ``[`` or ``{`` is JSON: pages of ``GET /api/management/v2/devauth/devices``, one after
another, or a device on each line. Any other is CSV, whose first line names the columns.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from signer.domain.device_lists import EntryRefused, listed_device, listed_row
from signer.domain.json_elements import JsonElements
from signer.errors.imports import ListUnreadable
from signer.services.device_import_ports import Entry

# A device has at most 20 decided keys, and as many more as strangers made of it.
MAX_DEVICE_BYTES = 1 << 20
MAX_ENTRIES = 1_000_000
PIECE_BYTES = 1 << 16
MAX_ROW_BYTES = 1 << 15
REQUIRED_COLUMNS = frozenset({"identity", "public_key", "status"})
COLUMNS = REQUIRED_COLUMNS | {"device", "auth_set"}


class DeviceListFile:
    """``services.device_import_ports.DeviceList`` over a file that stays open; a context manager."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("rb")
        self._sha256 = ""

    def __enter__(self) -> DeviceListFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def sha256(self) -> str:
        """As the port."""
        return self._sha256

    def entries(self, *, now: datetime) -> Iterator[Entry]:
        """As the port."""
        self._file.seek(0)
        begins = self._file.read(PIECE_BYTES).lstrip(b" \t\r\n")[:1]
        self._file.seek(0)
        hashed = hashlib.sha256()
        found = self._json(hashed, now) if begins in (b"[", b"{") else self._csv(hashed, now)
        for number, entry in enumerate(found, start=1):
            if number > MAX_ENTRIES:
                raise ListUnreadable(problem=f"it has more than {MAX_ENTRIES} entries", at=number)
            yield entry
        self._sha256 = hashed.hexdigest()

    def _json(self, hashed: hashlib._Hash, now: datetime) -> Iterator[Entry]:
        elements, number = JsonElements(most=MAX_DEVICE_BYTES), 0
        while piece := self._file.read(PIECE_BYTES):
            hashed.update(piece)
            for raw in elements.feed(piece):
                number += 1
                try:
                    yield Entry(number=number, device=listed_device(raw, now=now))
                except EntryRefused as refused:
                    yield Entry(number=number, problem=refused.problem, device_id=refused.device)
        elements.finish()

    def _csv(self, hashed: hashlib._Hash, now: datetime) -> Iterator[Entry]:
        lines = _Lines(self._file, hashed)
        rows = csv.reader(lines, strict=True)
        columns: list[str] = []
        try:
            for row in rows:
                lines.row_is_whole()
                if not columns:
                    columns = _columns(row)
                    continue
                if len(row) != len(columns):
                    raise ListUnreadable(problem=f"a line has {len(row)} of {len(columns)} fields", at=rows.line_num)
                try:
                    yield Entry(number=rows.line_num, device=listed_row(dict(zip(columns, row, strict=True)), now=now))
                except EntryRefused as refused:
                    yield Entry(number=rows.line_num, problem=refused.problem, device_id=refused.device)
        except csv.Error:
            raise ListUnreadable(problem="it is no CSV", at=rows.line_num) from None
        if not columns:
            raise ListUnreadable(problem="it is empty", at=0)


class _Lines:
    """The lines of a file, of which a row may have several: a key in PEM has lines of its own."""

    def __init__(self, file: BinaryIO, hashed: hashlib._Hash) -> None:
        self._file, self._hashed = file, hashed
        self._number = self._row_bytes = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._file.readline(MAX_ROW_BYTES + 1)
        if not line:
            raise StopIteration
        self._number += 1
        self._row_bytes += len(line)
        self._hashed.update(line)
        if self._row_bytes > MAX_ROW_BYTES:
            raise ListUnreadable(problem=f"a row is longer than {MAX_ROW_BYTES} bytes", at=self._number)
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError:
            raise ListUnreadable(problem="a line is no UTF-8", at=self._number) from None

    def row_is_whole(self) -> None:
        """Another row begins."""
        self._row_bytes = 0


def _columns(row: list[str]) -> list[str]:
    names = [name.strip() for name in row]
    if len(set(names)) != len(names) or not REQUIRED_COLUMNS <= set(names) <= COLUMNS:
        wanted = ", ".join(sorted(REQUIRED_COLUMNS))
        raise ListUnreadable(
            problem=f"it is no JSON, and its first line does not name the columns {wanted} of CSV "
            "(and at most device and auth_set)",
            at=1,
        )
    return names
