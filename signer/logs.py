"""Log lines on standard error: one event, one line, as text or JSON, and never a traceback."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

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
        timestamp = f"{self._seconds(int(record.created))}.{int(record.msecs):03}+00:00"
        extra = record.__dict__
        known = [(name, extra[name]) for name in FIELDS if extra.get(name) is not None]
        if self._form is LogFormat.JSON:
            line = {
                "time": timestamp,
                "level": record.levelname.lower(),
                "logger": record.name,
                "message": message,
            }
            return _ENCODER.encode(line | dict(known))
        fields = "".join([f" {name}={value}" for name, value in known])
        text = f"{timestamp} {record.levelname.lower():7} {message}{fields}"
        if text.isprintable():
            return text
        return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)

    def _seconds(self, second: int) -> str:
        if self._second is None or self._second[0] != second:
            self._second = second, datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return self._second[1]


def configure_logging(settings: LoggingSettings) -> None:
    """Send all log lines of this process to standard error in the configured form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(settings.format))
    root = logging.getLogger()
    root.handlers = [handler]
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
