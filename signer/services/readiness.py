"""Readiness tells the truth: a verified signature by every active key, through the path that requests take.

The message is ``SelfCheck.READINESS``, which nobody else can take for one of theirs; these signatures are not counted
as the keys' own.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from hsm import TokenState
from hsm.errors import KeyMismatch, SignatureMismatch, TokenError
from signer.domain.keys import Key, KeyVersion, VersionState
from signer.domain.messages import SelfCheck
from signer.errors import SignerError, VersionQuarantined
from signer.services.ports import Clock, KeyStore, TokenAccess
from signer.services.signing import MessageSigner, signing_key

OVERDUE = "proof-overdue"
FAILED = "proof-failed"
# A round may take the deadline of a signature for each key; after this many intervals more it is overdue.
PATIENCE_INTERVALS = 3
RETRY_SECONDS = 1.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One thing that should work: ``code`` says what is wrong (None: nothing), ``since`` since when.

    Without a ``vital`` thing the service is not ready; a token beside which another one signs is not vital.
    """

    name: str
    code: str | None
    since: datetime
    vital: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What was found at ``checked_at``; ready only if nothing is broken."""

    ready: bool
    checked_at: datetime | None
    conditions: tuple[Condition, ...]


class ReadinessService:
    """Proves every active key at an interval, in a thread of its own."""

    def __init__(
        self,
        *,
        store: KeyStore,
        tokens: TokenAccess,
        signer: MessageSigner,
        clock: Clock,
        interval: float,
        timeout: float,
        quarantine: Callable[[Key, KeyVersion], None],
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._signer = signer
        self._clock = clock
        self._interval = interval
        self._patience = timedelta(seconds=PATIENCE_INTERVALS * interval + PATIENCE_INTERVALS * timeout)
        self._timeout = timeout
        self._quarantine = quarantine
        self._conditions: dict[str, Condition] = {}
        self._checked_at: datetime | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="readiness", daemon=True)

    def start(self) -> None:
        """Begin to prove, at once and then at the interval."""
        self._thread.start()

    def close(self) -> None:
        """Stop; returns when the proof under way is done or its deadline has passed."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(self._timeout)

    def current(self) -> Readiness:
        """The findings of the last round; not ready before the first one, or when a round is overdue."""
        conditions = tuple(sorted(self._conditions.values(), key=lambda item: item.name))
        overdue = self._checked_at is not None and self._clock() - self._checked_at > self._patience
        if overdue and self._checked_at is not None:
            conditions += (Condition(name="proof", code=OVERDUE, since=self._checked_at),)
        broken = [condition for condition in conditions if condition.code is not None and condition.vital]
        return Readiness(
            ready=self._checked_at is not None and not broken,
            checked_at=self._checked_at,
            conditions=conditions,
        )

    def prove(self) -> Readiness:
        """One round over the database and every active key."""
        found: dict[str, str | None] = {}
        try:
            self._store.check()
            keys = self._store.all_keys()
            found["database"] = None
        except SignerError as error:
            found["database"], keys = error.code, ()
        for key in keys:
            if self._stop.is_set():
                break
            if key.active is not None:
                found[f"key {key.name}"] = self._prove_key(key, key.active)
            elif key.in_state(VersionState.QUARANTINED) is not None:
                found[f"key {key.name}"] = VersionQuarantined.code
        tokens = self._token_conditions()
        # Where a key was proved, the tokens that proved it are enough.
        proved = any(key.active is not None for key in keys)
        self._note(found | tokens, aside=frozenset(tokens) if proved else frozenset())
        return self.current()

    def _prove_key(self, key: Key, version: KeyVersion) -> str | None:
        try:
            self._signer.sign_bytes(signing_key(key, version), SelfCheck.READINESS)
        except (KeyMismatch, SignatureMismatch) as error:
            self._quarantine(key, version)
            return error.code
        except TokenError as error:
            return error.code
        return None

    def _token_conditions(self) -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        for health in self._tokens.health():
            ready = health.state is TokenState.READY
            found[f"token {health.name}"] = None if ready else health.last_error or health.state.value
        return found

    def _note(self, found: dict[str, str | None], *, aside: frozenset[str] = frozenset()) -> None:
        """Take over what was found; ``aside`` names what is not vital."""
        now = self._clock()
        conditions = {}
        for name, code in found.items():
            before = self._conditions.get(name)
            unchanged = before is not None and before.code == code
            since = before.since if before is not None and unchanged else now
            conditions[name] = Condition(name=name, code=code, since=since, vital=name not in aside)
            if unchanged:
                continue
            if code is not None:
                logger.error("%s is not ready: %s", name, code)
            elif before is not None:
                logger.info("%s is ready again", name)
        self._conditions = conditions
        self._checked_at = now

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.prove()
            except Exception as error:  # noqa: BLE001  (the proof must go on; what it could not judge is not ready)
                logger.error("the readiness proof failed: %s", type(error).__name__)  # noqa: TRY400
                self._note({"proof": FAILED})
            # What is broken is looked at more often: nobody should wait an interval for a token that is back.
            self._stop.wait(self._interval if self.current().ready else min(self._interval, RETRY_SECONDS))
