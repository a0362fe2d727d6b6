"""Lines of the log: what stands in them, and when it was."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from signer.config import LogFormat
from signer.logs import LineFormatter

# Whole seconds, and eighths of them, are what a float holds exactly.
SECOND = datetime(2030, 1, 31, 23, 59, 58, tzinfo=UTC).timestamp()
MOMENTS = {
    "a second": SECOND,
    "later in the same second": SECOND + 0.875,
    "the next one, which is the last of a day": SECOND + 1.125,
    "the next day": SECOND + 2,
    "a second that was before, of a thread that waited": SECOND + 0.5,
}


def record(created: float = SECOND, message: str = "POST /v1/keys 200", **fields: Any) -> logging.LogRecord:
    made = logging.makeLogRecord({"msg": message, "levelname": "WARNING", "name": "artifact-signer.request", **fields})
    made.created, made.msecs = created, created % 1 * 1000
    return made


@pytest.mark.parametrize("form", LogFormat)
def test_each_line_has_its_own_time(form: LogFormat) -> None:
    lines = LineFormatter(form)
    for created in MOMENTS.values():
        expected = datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds")
        line = lines.format(record(created))
        assert (json.loads(line)["time"] if form is LogFormat.JSON else line.partition(" ")[0]) == expected


FIELDS = {"request_id": "0123", "identity": None, "client": "192.0.2.1", "milliseconds": 0.0, "not_a_field": 1}


def test_a_line_of_text() -> None:
    line = LineFormatter(LogFormat.TEXT).format(record(**FIELDS))
    assert line == (
        "2030-01-31T23:59:58.000+00:00 warning POST /v1/keys 200 request_id=0123 client=192.0.2.1 milliseconds=0.0"
    )


def test_a_line_of_json() -> None:
    line = LineFormatter(LogFormat.JSON).format(record(message="ä", **FIELDS))
    assert line == (
        '{"time": "2030-01-31T23:59:58.000+00:00", "level": "warning", "logger": "artifact-signer.request", '
        '"message": "ä", "request_id": "0123", "client": "192.0.2.1", "milliseconds": 0.0}'
    )


def test_a_line_is_one_line() -> None:
    line = LineFormatter(LogFormat.TEXT).format(record(message="a\nb\x1b[1mä", code="x\r"))
    assert line.endswith("a\\nb\\x1b[1mä code=x\\r")
