"""The keys of one issuer, as this process knows them. Safe for threads.

1. A known ``kid`` is answered from memory, at any age up to a day: an issuer that is down, slow or lying delays nobody
   who shows one. What is older than ten minutes is fetched anew beside it.
2. An unknown ``kid`` may cause one fetch a minute, whatever comes of it: whoever sends made-up ones makes nobody wait
   for longer, and asks the issuer for no more.
3. A set that was fetched takes the place of the one before: a key that vanished is no longer taken. A fetch that fails
   changes nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass

from signer.auth.ci.key_set import IssuerKey, KeySetRefused

logger = logging.getLogger("artifact-signer.ci")

REFRESH_SECONDS = 600.0
MAX_AGE_SECONDS = 86400.0
PAUSE_SECONDS = 60.0
Keys = Mapping[str, IssuerKey]


class KeysUnavailable(Exception):
    """The issuer's keys cannot be had now; the text says why."""


@dataclass(frozen=True, slots=True)
class _Held:
    keys: Keys
    since: float


class KeyCache:
    """``fetch`` gets the keys; it may take its time, and raises ``KeysUnavailable`` or ``KeySetRefused``."""

    def __init__(self, *, issuer: str, fetch: Callable[[], Keys], monotonic: Callable[[], float]) -> None:
        self._issuer = issuer
        self._fetch = fetch
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._held: _Held | None = None
        self._fetching: Future[None] | None = None
        self._tried_at: float | None = None
        self.failures = 0
        """How many fetches failed."""
        self.fetches = 0
        """How many were begun."""
        self.failed = False
        """Whether the last one failed."""

    def age(self) -> float | None:
        """How old the keys are, seconds; None where there are none."""
        held = self._held
        return None if held is None else self._monotonic() - held.since

    @property
    def held(self) -> bool:
        """Whether there are keys at all that are not too old."""
        held = self._held
        return held is not None and self._monotonic() - held.since <= MAX_AGE_SECONDS

    def key(self, key_id: str) -> IssuerKey | None:
        """The key, from memory; does not wait."""
        held, now = self._held, self._monotonic()
        if held is None or now - held.since > MAX_AGE_SECONDS:
            return None
        if now - held.since > REFRESH_SECONDS:
            self.refetch()
        return held.keys.get(key_id)

    def refetch(self) -> Future[None] | None:
        """The fetch that is under way, or one that begins now; None where it is too early for another."""
        with self._lock:
            if self._fetching is not None:
                return self._fetching
            now = self._monotonic()
            if self._tried_at is not None and now - self._tried_at < PAUSE_SECONDS:
                return None
            self._tried_at = now
            self.fetches += 1
            self._fetching = fetching = Future[None]()
        threading.Thread(target=self._run, args=(fetching,), name=f"ci-keys-{self._issuer}", daemon=True).start()
        return fetching

    def _run(self, fetching: Future[None]) -> None:
        began = self._monotonic()
        try:
            self._held, self.failed = _Held(self._fetch(), began), False
        except (KeysUnavailable, KeySetRefused) as error:
            self._note_failure(str(error))
        except Exception as error:  # noqa: BLE001  (whatever an issuer sends, its old keys stay)
            self._note_failure(type(error).__name__)
        with self._lock:
            self._fetching = None
        fetching.set_result(None)

    def _note_failure(self, reason: str) -> None:
        self.failed = True
        self.failures += 1
        logger.warning("the keys of CI issuer %s cannot be fetched: %s", self._issuer, reason)
