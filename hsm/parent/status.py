"""What is known of one token: the only owner of its state, which everything else asks.

1. Everything here, and the channels of ``ChannelPool``, is guarded by the one ``lock`` of the token. No module call, no
   message and no wait for anything but a condition of this lock happens while it is held.
2. Only the supervisor's thread makes transitions. Other threads may say that a process is lost (``lost``) and what the
   token lacks; they never say that it is ready.
3. A token is ready exactly as long as a process is published: both change in one hold of the lock.
4. What an operator has to know is logged here, one line for each change: a failure as a warning, the same failure again
   as information, a token that nothing is tried with any more as an error. A start without a failure logs no more than
   that the token is ready.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import replace

from hsm.config import RestartPolicy
from hsm.errors import TokenError, TokenUnavailable
from hsm.protocol.records import Capabilities
from hsm.types import TokenHealth, TokenState

TYPICAL_START = 1.0  # seconds that a start usually takes, for telling clients when to come back
FAILURES_WAITED_FOR = 2  # failed starts in a row after which requests wait no longer for the next one
MAX_DOUBLINGS = 20
LACKING_FOR = 30.0  # seconds for which a token that lacks a key is not asked for it again
MAX_LACKING = 10_000
SAID_OTHERWISE = ("token", "retry_after")  # facts that a log line has elsewhere, or not at all

log = logging.getLogger("hsm")


class TokenStatus:
    """State, failures and lacking keys of one token. Thread-safe; times are readings of ``clock``."""

    def __init__(self, name: str, *, policy: RestartPolicy, clock: Callable[[], float]) -> None:
        self.name = name
        self.lock = threading.RLock()
        self._policy = policy
        self._clock = clock
        self._jitter = random.SystemRandom()
        self._changed = threading.Condition(self.lock)
        self._state = TokenState.STARTING
        self.ready = False  # whether a process takes requests; follows the state
        self._since = clock()
        self._error: TokenError | None = None
        self._due: float | None = None
        self._restart_expected = True
        self._restarts = 0
        self._failures = 0
        self._ready_since: float | None = None
        self._pid: int | None = None
        self._lacking: dict[bytes, float] = {}
        # Read and written without the lock, because every signature does so: one reference, replaced as a whole.
        self.capabilities: Capabilities | None = None
        self.last_key: bytes | None = None  # packed; a process that replaces a failed one has to sign with it

    # --- transitions, made by the supervisor -----------------------------------------------------------------------

    def starting(self) -> None:
        """Another attempt begins."""
        with self.lock:
            self._restarts += 1
            self._set(TokenState.STARTING, None, None)

    def opened(self, capabilities: Capabilities, pid: int) -> None:
        """The process ``pid`` takes requests."""
        with self.lock:
            self.capabilities, self._pid = capabilities, pid
            self._ready_since = self._clock()
            self._restart_expected = True
            self._set(TokenState.READY, None, None)
            log.info("token %s is ready: process %d, attempt %d", self.name, pid, self._restarts + 1)

    def lost(self) -> None:
        """The process was seen to be dead, or makes no sense; what comes next is the supervisor's to say."""
        with self.lock:
            self.capabilities = self._pid = None
            self._set(TokenState.STARTING, None, None)

    def ended(self, error: TokenError) -> float | None:
        """The process is gone, because of ``error``. Returns when the next attempt is due; None: not by itself."""
        with self.lock:
            now, served = self._clock(), self._ready_since is not None
            healthy = self._ready_since is not None and now - self._ready_since >= self._policy.healthy_after
            self._failures = 1 if healthy else self._failures + 1
            self._ready_since = self.capabilities = self._pid = None
            state = TokenState.REFUSED if error.final else TokenState.WAITING
            due = None if error.final else now + self._delay()
            # A replacement is waited for, not a token that cannot be opened again and again.
            self._restart_expected = not error.final and (served or self._failures <= FAILURES_WAITED_FOR)
            self._log_failure(error, due, now, again=_same(self._error, error))
            self._set(state, error, due)
            return due

    def closed(self, error: TokenError | None = None) -> None:
        """Nothing is tried any more."""
        with self.lock:
            self._restart_expected = False
            self._ready_since = self.capabilities = self._pid = None
            if self._state is not TokenState.CLOSED:
                log.info("token %s is closed", self.name)
            self._set(TokenState.CLOSED, error, None)

    @property
    def failed_before(self) -> bool:
        """Whether the process that starts now replaces one that failed."""
        return self._failures > 0

    # --- questions, from any thread --------------------------------------------------------------------------------

    def wait_ready(self, deadline: float, *, keep_waiting: bool) -> bool:
        """Wait until the token is ready; False at the deadline, or at once where it will not be by itself.

        ``keep_waiting``: also through failure after failure.
        """

        with self.lock:
            self._changed.wait_for(lambda: not self._coming(keep_waiting), deadline - self._clock())
            return self.ready

    @property
    def coming(self) -> bool:
        """Whether it is not ready, but may soon be by itself."""
        with self.lock:
            return self._coming(keep_waiting=False)

    def _coming(self, keep_waiting: bool) -> bool:
        ended = self._state in (TokenState.READY, TokenState.REFUSED, TokenState.CLOSED)
        return not ended and (keep_waiting or self._restart_expected)

    def expected_at(self) -> float | None:
        """When the token may be back; None: not soon. In the past where it is ready."""
        with self.lock:
            if not self._restart_expected:
                return None
            return self._due if self._state is TokenState.WAITING else self._clock()

    def unavailable(self) -> TokenError:
        """Why requests are not taken, as a fresh exception: one object is not to be raised in several threads."""
        with self.lock:
            if self._state is TokenState.REFUSED and self._error is not None:
                return replace(self._error)
            reason = self._state.value if self._error is None else self._error.code
            return TokenUnavailable(token=self.name, reason=reason, retry_after=self._retry_after())

    def health(self) -> TokenHealth:
        """The state as a value."""
        with self.lock:
            error = self._error
            return TokenHealth(
                name=self.name,
                state=self._state,
                since=self._since,
                last_error=None if error is None else error.code,
                reason=None if error is None else error.reason or None,
                restarts=self._restarts,
                pid=self._pid,
                retry_after=self._retry_after(),
            )

    # --- which keys it lacks ---------------------------------------------------------------------------------------

    def lacks(self, digest: bytes) -> bool:
        """Whether the token was asked for the key with this pin a short while ago and had none."""
        if not self._lacking:
            return False
        with self.lock:
            return self._lacking.get(digest, 0.0) > self._clock()

    def note_lacking(self, digest: bytes) -> None:
        """The token has no such key; it is not asked again for a while."""
        with self.lock:
            if len(self._lacking) >= MAX_LACKING:
                self._lacking.clear()
            self._lacking[digest] = self._clock() + LACKING_FOR

    def forget_lacking(self) -> None:
        """Keys may be where they were not."""
        with self.lock:
            self._lacking.clear()

    def _set(self, state: TokenState, error: TokenError | None, due: float | None) -> None:
        ready = state is TokenState.READY
        if ready is not self.ready:
            self._since = self._clock()
        self._state, self._due, self.ready = state, due, ready
        if ready or error is not None:
            self._error = error
        self._changed.notify_all()

    def _log_failure(self, error: TokenError, due: float | None, now: float, *, again: bool) -> None:
        level = logging.ERROR if error.final else logging.INFO if again else logging.WARNING
        after = "not tried again before its PIN's source changes" if due is None else f"next try in {due - now:.2f} s"
        facts = (f"{name} {value}" for name, value in error.facts.items() if name not in SAID_OTHERWISE)
        what = ", ".join([error.code, *facts])
        log.log(level, "token %s failed at attempt %d: %s; %s", self.name, self._restarts + 1, what, after)

    def _delay(self) -> float:
        doublings = min(self._failures - 1, MAX_DOUBLINGS)
        delay = min(self._policy.maximum, self._policy.initial * 2.0**doublings)
        return delay * self._jitter.uniform(0.5, 1.0)

    def _retry_after(self) -> float | None:
        match self._state:
            case TokenState.WAITING:
                return max(0.0, (self._due or 0.0) - self._clock()) + TYPICAL_START
            case TokenState.STARTING:
                return TYPICAL_START
        return None


def _same(known: TokenError | None, error: TokenError) -> bool:
    return known is not None and (known.code, known.reason) == (error.code, error.reason)
