"""Log lines on standard error: one event, one line, as text or JSON, and never a traceback."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from signer.config import LogFormat, LoggingSettings

_ENCODER = json.JSONEncoder(ensure_ascii=False)
FIELDS = ("request_id", "identity", "client", "code", "reason", "milliseconds")


class LineFormatter(logging.Formatter):
    """Writes a record as one line; what a record carries beside its message goes in as fields."""

    def __init__(self, form: LogFormat) -> None:
        super().__init__()
        self._form = form
        # The second of the last line, and how it is written.
        self._second: tuple[int, str] | None = None

    def format(self, record: logging.LogRecord) -> str:
        """The line, with control characters escaped."""
        message = record.getMessage()
        if record.exc_info and record.exc_info[0] is not None:
            message += f" ({record.exc_info[0].__name__})"
        return self.line(record.created, record.levelno, record.name, message, record.__dict__)

    def line(self, created: float, level: int, name: str, message: str, extra: Mapping[str, Any]) -> str:
        """The line of an event: Unix time, level, name of the logger; of ``extra``, ``FIELDS`` that are not None."""
        second = int(created)
        timestamp = f"{self._seconds(second)}.{int((created - second) * 1000):03}+00:00"
        told = logging.getLevelName(level).lower()
        known = [(name, extra[name]) for name in FIELDS if extra.get(name) is not None]
        if self._form is LogFormat.JSON:
            return _ENCODER.encode(
                {"time": timestamp, "level": told, "logger": name, "message": message, **dict(known)}
            )
        fields = "".join([f" {name}={value}" for name, value in known])
        text = f"{timestamp} {told:7} {message}{fields}"
        if text.isprintable():
            return text
        return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)

    def _seconds(self, second: int) -> str:
        if self._second is None or self._second[0] != second:
            self._second = second, datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return self._second[1]


class LineHandler(logging.StreamHandler[TextIO]):
    """Standard error, line by line."""

    def __init__(self, form: LogFormat) -> None:
        super().__init__(sys.stderr)
        self._lines = LineFormatter(form)
        self.setFormatter(self._lines)

    def tell(self, logger: logging.Logger, level: int, message: str, extra: Mapping[str, Any]) -> None:
        """Write the line that a record of this would make."""
        line = self._lines.line(time.time(), level, logger.name, message, extra)
        self.acquire()
        try:
            # One write for a whole line: several processes write, and standard error keeps no line that is whole.
            self.stream.write(line + self.terminator)
        except (OSError, ValueError):
            # Nobody reads it: no reason for what is told of to fail.
            return
        finally:
            self.release()


def tell(logger: logging.Logger, level: int, message: str, extra: Mapping[str, Any]) -> None:
    """``logger.log``, at a third of its cost where nothing but a line is made of it: for what happens all the time."""
    if not logger.isEnabledFor(level):
        return
    handlers = logging.root.handlers
    if len(handlers) == 1 and isinstance(handlers[0], LineHandler):
        handlers[0].tell(logger, level, message, extra)
    else:
        logger.log(level, "%s", message, extra=extra)


def configure_logging(settings: LoggingSettings) -> None:
    """Send all log lines of this process to standard error in the configured form."""
    root = logging.getLogger()
    root.handlers = [LineHandler(settings.format)]
    root.setLevel(settings.level.upper())
    # No line tells thread, process, task or place, and finding them out costs more than the rest (logging's manual,
    # "Optimization").
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None
    # Migrations at start are of interest only where something is wrong.
    logging.getLogger("alembic").setLevel(logging.WARNING)


def origin(error: BaseException) -> str:
    """Where an unforeseen error came from, on one line; its text may hold anything and is left out."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else "an unknown place"
    return f"{type(error).__name__} at {place}"
