"""One door to an open token: every module call of a request happens in a session that was borrowed here.

1. Working sessions are opened when needed, at most ``sessions``; each is used by one thread at a time and keeps the
   handles of the keys that it has used.
2. A module that cannot lock gets one session and with it one call at a time.
3. A working session is closed by its borrower alone, and only after the token failed in it. The session that holds the
   login is never closed, although it may be borrowed where the token has no other: closing it logs everybody out.
4. Lock order: a session is borrowed before a lock that processes share is taken, never after; so a reload, which waits
   for all sessions and then for the opening lock, waits for nobody who waits for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pkcs11 import exceptions as p11

from hsm.errors import TokenBusy, TokenUnavailable
from hsm.worker import read_only, return_values
from hsm.worker.login import Login, OpenToken
from hsm.worker.slots import Found

WIDEN_AFTER = 30.0  # seconds after which a session table that was full is tried again


@dataclass(slots=True, kw_only=True, eq=False)
class Working:
    """A session and the handles that were found in it, by packed key reference."""

    session: Any
    edition: int
    closable: bool = True
    handles: dict[bytes, Any] = field(default_factory=dict)


class Sessions:
    """The sessions of an open token. ``open`` comes first; everything else is for any number of threads.

    ``most``: signatures at once. ``timeout``: seconds to wait for a session.
    """

    def __init__(self, login: Login, *, most: int, timeout: float, clock: Callable[[], float]) -> None:
        self._login = login
        self._timeout = timeout
        self._clock = clock
        # Guards everything up to ``_reopening``. Never held during a module call.
        self._state = threading.Condition()
        self._idle: list[Working] = []
        self._opened = 0
        self._busy = 0
        # One more than signatures at once, so that making a key, which may take long, keeps nobody waiting.
        self._most = most + 1 if login.module.threads else 1
        self._limit = self._most
        self._widen_at = 0.0
        self._reopening = False
        self._edition = 0  # how often keys were made or removed here: handles of an older one are not used
        self._token: OpenToken
        self.proven = False  # whether anything worked since the last (re)load; plain, because every signature sets it

    @property
    def found(self) -> Found:
        """The token as it was found at the last (re)load."""
        return self._token.found

    def open(self) -> None:
        """Open the token; the caller holds the shared lock. Raises ``TokenError``."""
        self._token = self._login.open()
        self.proven = False

    def reopen(self) -> None:
        """Finalise, initialise and log in again, when all sessions have come back. One caller at a time."""
        with self._state:
            self._reopening = True
        try:
            self._wait_for_all()
            # C_Finalize ends the sessions: none is closed one by one, and nobody holds one.
            with self._login.lock.opening(self._timeout):
                self._login.module.finalize()
                self._login.module.initialize()
                self.open()
        finally:
            with self._state:
                self._reopening = False
                self._state.notify_all()

    def _wait_for_all(self) -> None:
        with self._state:
            if not self._state.wait_for(lambda: self._busy == 0, self._timeout):
                raise TokenUnavailable(reason="sessions did not come back")
            self._idle.clear()
            self._opened = 0

    def borrow(self) -> Borrowed:
        """A working session for one thread; it is given up for good if the token fails in it."""
        return Borrowed(self)

    @contextmanager
    def writing(self) -> Iterator[Any]:
        """A read-write session under the writing lock that processes share, so that looking and making is one step.

        Critical for the exit guard: a token that is cut off while it is written may be lost as a whole.
        """
        waits = self._login.setup.grace
        with self.borrow(), self._login.lock.writing(waits), self._login.guard.critical():
            session = self.found.token.open(rw=True)
            try:
                yield session
            finally:
                self._edition += 1
                _close_quietly(session)

    def take(self) -> Working:
        """A session to be given back, for ``borrow`` alone."""
        with self._state:
            if self._limit < self._most and self._clock() >= self._widen_at:
                self._limit = self._most
            available = self._state.wait_for(
                lambda: not self._reopening and (self._idle or self._opened < self._limit), self._timeout
            )
            if not available:
                raise TokenBusy(reason="no session became free", retry_after=return_values.BUSY_RETRY)
            self._busy += 1
            if self._idle:
                return self._current(self._idle.pop())
            self._opened += 1
        try:
            return Working(session=read_only.opened(self.found.token), edition=self._edition)
        except p11.SessionCount:
            return self._with_fewer_sessions()
        except BaseException:
            self.give(None)
            raise

    def _with_fewer_sessions(self) -> Working:
        """The token's session table is full: get along with what is open, at worst with the login session."""
        with self._state:
            self._limit = max(1, self._opened - 1)
            self._widen_at = self._clock() + WIDEN_AFTER
            if self._opened == 1:
                return Working(session=self._token.login, edition=self._edition, closable=False)
            self._opened -= 1
            self._busy -= 1
        return self.take()

    def _current(self, working: Working) -> Working:
        if working.edition != self._edition:
            working.handles.clear()
            working.edition = self._edition
        return working

    def give(self, working: Working | None) -> None:
        """It comes back; None: it was closed."""
        with self._state:
            self._busy -= 1
            if working is None:
                self._opened -= 1
            else:
                self._idle.append(working)
            self._state.notify_all()  # a reload and other borrowers wait for different things


class Borrowed:
    """A working session on loan, for one thread and one ``with``."""

    __slots__ = ("_sessions", "_working")

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def __enter__(self) -> Working:
        self._working = self._sessions.take()
        return self._working

    def __exit__(self, _: object, fault: BaseException | None, __: object) -> None:
        working = self._working
        broken = isinstance(fault, p11.PKCS11Error) and return_values.needs_reload(fault) and working.closable
        if broken:
            _close_quietly(working.session)
        self._sessions.give(None if broken else working)


def _close_quietly(session: Any) -> None:
    try:
        session.close()
    except p11.PKCS11Error:
        return
