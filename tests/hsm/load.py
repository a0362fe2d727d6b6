"""Threads that ask for signatures all the time, and what each of them got when."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from hsm import PinnedKey, TokenError, TokenPool

THREADS = 4
GRACE = 0.5  # seconds by which an answer may miss its deadline on a busy machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One request. ``code``: None for a signature, else the code of the error; times in seconds."""

    started: float
    ended: float
    code: str | None
    retry_after: float | None = None


class Load:
    """Four threads of requests from ``with`` to the end of its block."""

    def __init__(self, pool: TokenPool, key: PinnedKey, *, timeout: float) -> None:
        self._pool = pool
        self._key = key
        self._timeout = timeout
        self._stop = threading.Event()
        self._arrived = threading.Condition()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(THREADS)]
        self.outcomes: list[Outcome] = []

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        self.wait(lambda outcome: outcome.code is None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(self._timeout + GRACE)
        assert not any(thread.is_alive() for thread in self._threads), "a request hangs beyond its deadline"

    def wait(self, wanted: Callable[[Outcome], bool], *, since: float | None = None, timeout: float = 30.0) -> Outcome:
        """The first outcome of a request begun after ``since`` (default: now) that is ``wanted``."""
        begun = time.monotonic() if since is None else since

        def found() -> Outcome | None:
            return next((item for item in self.outcomes if item.started >= begun and wanted(item)), None)

        with self._arrived:
            assert self._arrived.wait_for(lambda: found() is not None, timeout), self.codes()
            outcome = found()
        assert outcome is not None
        return outcome

    def wait_signature(self, *, since: float | None = None) -> Outcome:
        """The first signature that was asked for after ``since``."""
        return self.wait(lambda outcome: outcome.code is None, since=since)

    def codes(self) -> set[str | None]:
        """What requests were told, None for a signature."""
        return {outcome.code for outcome in self.outcomes}

    def after(self, moment: float) -> set[str | None]:
        """What the requests were told that began after ``moment``."""
        return {outcome.code for outcome in self.outcomes if outcome.started >= moment}

    @property
    def longest(self) -> float:
        """The longest that any request took, in seconds."""
        return max(outcome.ended - outcome.started for outcome in self.outcomes)

    def _ask(self) -> None:
        while not self._stop.is_set():
            started = time.monotonic()
            code, retry_after = None, None
            try:
                self._pool.sign(self._key, b"under load", timeout=self._timeout)
            except TokenError as error:
                code, retry_after = error.code, error.retry_after
            outcome = Outcome(started=started, ended=time.monotonic(), code=code, retry_after=retry_after)
            with self._arrived:
                self.outcomes.append(outcome)
                self._arrived.notify_all()
            if code is not None:
                self._stop.wait(0.01)  # a client that was refused does not come back at once
