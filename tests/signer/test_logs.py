"""Lines of the log: what stands in them, and when it was."""

from __future__ import annotations

import io
import json
import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from signer.config import LogFormat
from signer.logs import LineFormatter, LineHandler, tell

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
    made = logging.makeLogRecord(
        {
            "msg": message,
            "levelname": "WARNING",
            "levelno": logging.WARNING,
            "name": "artifact-signer.request",
            **fields,
        }
    )
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


class Gone(io.StringIO):
    """Standard error that nobody reads any more."""

    def write(self, _text: str) -> int:
        raise BrokenPipeError


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> logging.Logger:
    """The root of all loggers as a process of the service has it, to be given handlers."""
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setattr(logging.root, "level", logging.INFO)
    return logging.root


def handler(stream: io.StringIO, form: LogFormat = LogFormat.TEXT) -> LineHandler:
    made = LineHandler(form)
    made.stream = stream
    return made


@pytest.mark.parametrize("form", LogFormat)
def test_what_is_told_is_the_line_that_a_record_makes(root: logging.Logger, form: LogFormat) -> None:
    logger = logging.getLogger("artifact-signer.request")
    fields = {"request_id": "0123", "code": "key-not-found", "reason": None, "milliseconds": 1.5}
    stream = io.StringIO()
    root.handlers = [handler(stream, form)]
    tell(logger, logging.WARNING, "POST /%s 404", fields)
    logger.log(logging.WARNING, "%s", "POST /%s 404", extra=fields)
    told, logged = stream.getvalue().splitlines()
    # The time is the one difference.
    start = told.index("+00:00")
    assert told[start:] == logged[start:]


def test_what_is_told_below_the_level_is_no_line(root: logging.Logger) -> None:
    stream = io.StringIO()
    root.handlers = [handler(stream)]
    tell(logging.getLogger("artifact-signer.request"), logging.DEBUG, "POST / 200", {})
    assert stream.getvalue() == ""


def test_other_handlers_are_told_as_well(root: logging.Logger) -> None:
    streams = io.StringIO(), io.StringIO()
    root.handlers = [handler(stream) for stream in streams]
    tell(logging.getLogger("artifact-signer.request"), logging.INFO, "POST / 200", {"request_id": "0123"})
    assert all("POST / 200 request_id=0123" in stream.getvalue() for stream in streams)


def test_nobody_fails_because_nobody_reads_the_log(root: logging.Logger) -> None:
    root.handlers = [handler(Gone())]
    tell(logging.getLogger("artifact-signer.request"), logging.INFO, "POST / 200", {})
