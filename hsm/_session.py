"""One door to an open token: login, working sessions, and reloading everything when the token was lost.

1. One session holds the login. It is never closed and nobody logs out, because either would log everybody out.
2. Working sessions are opened when needed, at most ``sessions``; each is used by one thread at a time and keeps the
   handles of the keys that it has used.
3. Every module call of a request happens inside ``borrow()``; a module that cannot lock gets one session and with
   it one call at a time.
4. A reload is single-flight: whoever sees the token lost waits for the same reload. It finalises, initialises and
   logs in again, under the lock that processes share.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from pkcs11 import Attribute, ObjectClass
from pkcs11 import exceptions as p11

from hsm import _faults, _pin
from hsm._guard import Guard
from hsm._module import Module
from hsm._opening import OpeningLock
from hsm._records import Setup
from hsm._slots import Found, find_token
from hsm.errors import PinAtRisk, PinLocked, PinRejected, TokenBusy, TokenUnavailable

FIRST_INTERVAL = 0.2
# Seconds between reloads that were of no use: for a fault that one request has and others do not, and for a key that
# is not there, which is most likely true.
LAST_INTERVAL_LOSS = 2.0
LAST_INTERVAL_ABSENCE = 60.0
WIDEN_AFTER = 30.0  # seconds after which a session table that was full is tried again


@dataclass(slots=True, kw_only=True, eq=False)
class Working:
    """A session and the handles that were found in it, by packed key reference."""

    session: Any
    edition: int
    closable: bool = True
    handles: dict[bytes, Any] = field(default_factory=dict)


class Budget:
    """How often a reload may be tried for one kind of reason: ever more rarely, while it is of no use."""

    def __init__(self, last_interval: float, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last_interval = last_interval
        self._interval = FIRST_INTERVAL
        self._next = clock()

    @property
    def due(self) -> bool:
        """Whether another reload may be tried."""
        return self._clock() >= self._next

    def note(self, *, helped: bool) -> None:
        """Learn whether the reload helped the request that asked for it."""
        self._interval = FIRST_INTERVAL if helped else min(2 * self._interval, self._last_interval)
        self._next = self._clock() + self._interval


class Connection:
    """An open token. ``open`` comes first; everything else is for any number of threads."""

    def __init__(
        self, setup: Setup, module: Module, lock: OpeningLock, guard: Guard, *, clock: Callable[[], float]
    ) -> None:
        self._setup = setup
        self._module = module
        self._lock = lock
        self._guard = guard
        self._timeout = setup.timeout
        self._clock = clock
        self._state = threading.Condition()
        self._idle: list[Working] = []
        self._opened = 0
        self._busy = 0
        # One more than signatures at once, so that making a key, which may take long, keeps nobody waiting.
        self._most = setup.sessions + 1 if module.threads else 1
        self._limit = self._most
        self._widen_at = 0.0
        self._reloading = False
        self.losses = Budget(LAST_INTERVAL_LOSS, clock)
        self.absences = Budget(LAST_INTERVAL_ABSENCE, clock)
        self._login: Any = None
        self._generation = 0
        self._edition = 0  # how often keys were made or removed here: handles of an older one are not used
        self.proven = False  # whether anything worked since the last (re)load
        self.found: Found

    def open(self) -> None:
        """Find the token, log in and look once; the caller holds the shared lock.

        Raises ``TokenError``. A PIN that was refused before is not tried again before its source changes.
        """
        try:
            self.found = find_token(self._module, self._setup)
            self._login = self._logged_in()
            # The first look-up makes some modules read their store, which is part of opening.
            with closing(self._login.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})) as objects:
                next(objects, None)
        except p11.PKCS11Error as fault:
            raise _faults.refusal(fault) from None
        self.proven = False

    @contextmanager
    def borrow(self) -> Iterator[Working]:
        """A working session for one thread; it is given up for good if the token fails in it."""
        working = self._take()
        try:
            yield working
        except BaseException as fault:
            broken = isinstance(fault, p11.PKCS11Error) and _faults.needs_reload(fault) and working.closable
            if broken:
                _close_quietly(working.session)
            self._give(None if broken else working)
            raise
        self._give(working)

    @contextmanager
    def writing(self) -> Iterator[Any]:
        """A read-write session under the lock that processes share, so that looking and making is one step.

        The session is borrowed before the lock is taken: a reload waits for sessions and then for the lock.
        """
        with self.borrow(), self._lock.held(), self._guard.critical():
            session = self.found.token.open(rw=True)
            try:
                yield session
            finally:
                self._edition += 1
                _close_quietly(session)

    def generation(self) -> int:
        """How often the token was reloaded; waits for the reload that is under way."""
        with self._state:
            self._state.wait_for(lambda: not self._reloading, self._timeout)
            return self._generation

    def recover(self, generation: int, budget: Budget) -> bool:
        """Reload unless it was done since ``generation``; True where trying once more is worthwhile.

        False where ``budget`` allows none now. Raises what the reload itself fails with.
        """
        with self._state:
            if self._reloading:
                self._state.wait_for(lambda: not self._reloading, self._timeout)
            if self._generation != generation:
                return True
            if self._reloading or not budget.due:
                return False
            self._reloading = True
        try:
            self._reload()
        finally:
            with self._state:
                self._reloading = False
                self._state.notify_all()
        return True

    def _reload(self) -> None:
        with self._state:
            if not self._state.wait_for(lambda: self._busy == 0, self._timeout):
                raise TokenUnavailable(reason="sessions did not come back")
            self._idle.clear()
            self._opened = 0
        with self._lock.held():
            self._module.finalize()
            self._module.initialize()
            self.open()
        self._generation += 1

    def _logged_in(self) -> Any:
        flags = self.found.flags
        if not flags.login_required:
            return self.found.token.open()
        pin, identity = _pin.read(self._setup)
        if flags.user_pin_locked:
            raise PinLocked(reason="the token says so")
        name = f"{self.found.token.serial!r} {self.found.token.label}"
        if self._lock.refused(name) == identity:
            raise PinRejected(reason="refused before, and its source has not changed")
        if flags.user_pin_final_try:
            raise PinAtRisk(reason="one attempt is left")
        try:
            with self._guard.critical():  # some tokens write at every login
                session = self.found.token.open(user_pin=pin)
        except (*_faults.PIN_REFUSED, p11.PinLocked):
            self._lock.refuse(name, identity)
            raise
        self._lock.accept(name)
        return session

    def _take(self) -> Working:
        with self._state:
            if self._limit < self._most and self._clock() >= self._widen_at:
                self._limit = self._most
            available = self._state.wait_for(
                lambda: not self._reloading and (self._idle or self._opened < self._limit), self._timeout
            )
            if not available:
                raise TokenBusy(reason="no session became free", retry_after=_faults.BUSY_RETRY)
            self._busy += 1
            if self._idle:
                return self._current(self._idle.pop())
            self._opened += 1
        try:
            return Working(session=self.found.token.open(), edition=self._edition)
        except p11.SessionCount:
            return self._with_fewer_sessions()
        except BaseException:
            self._give(None)
            raise

    def _with_fewer_sessions(self) -> Working:
        """The token's session table is full: get along with what is open, at worst with the login session."""
        with self._state:
            self._limit = max(1, self._opened - 1)
            self._widen_at = self._clock() + WIDEN_AFTER
            if self._opened == 1:
                return Working(session=self._login, edition=self._edition, closable=False)
            self._opened -= 1
            self._busy -= 1
        return self._take()

    def _current(self, working: Working) -> Working:
        if working.edition != self._edition:
            working.handles.clear()
            working.edition = self._edition
        return working

    def _give(self, working: Working | None) -> None:
        with self._state:
            self._busy -= 1
            if working is None:
                self._opened -= 1
            else:
                self._idle.append(working)
            self._state.notify_all()  # a reload and other borrowers wait for different things


def _close_quietly(session: Any) -> None:
    try:
        session.close()
    except p11.PKCS11Error:
        return
