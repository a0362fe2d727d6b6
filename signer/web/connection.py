"""The one thing that the application may ask of the connection under it: to end after this answer."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

_close: ContextVar[Callable[[], None] | None] = ContextVar("close", default=None)


def offer_close(close: Callable[[], None]) -> None:
    """Called by the worker before each request: ``close`` makes the answer the connection's last."""
    _close.set(close)


def close_after_answer() -> None:
    """End the connection after this answer: what is left of the request's body will not be read."""
    close = _close.get()
    if close is not None:
        close()
