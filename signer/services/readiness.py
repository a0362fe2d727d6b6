"""Readiness tells the truth of the service: whether a signature that is asked for now would be made and recorded.

1. A round takes the path of a signature up to the durable write: the clock against the record, a verified signature by
   every active key, and a row in the database. The message is ``SelfCheck.READINESS``, which nobody else can take for
   one of theirs; these signatures are not counted as the keys' own.
2. A key that may not sign for reasons of its own (expired, used up, quarantined) is named. The service is not ready
   because of it only where the configuration calls the key vital.
3. A signature that fails for a reason of the service, or a round that finds one, makes it not ready at once, whichever
   worker is asked, and ready again only when each worker has begun and ended a round since. When that was, they tell
   each other through memory, so that no answer of one is older than what another found; the rest through the database.
4. Whoever asks makes the worker write its row anew, once in ``PULSE_SECONDS``: a database that takes no writes is
   found out between two rounds too, and by a worker that nobody asks for signatures.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Container, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from hsm import TokenState
from hsm.errors import KeyMismatch, SignatureMismatch, TokenBusy, TokenError
from signer.domain.keys import Key, KeyVersion
from signer.domain.messages import SelfCheck
from signer.domain.workers import Condition, Readiness, WorkerReport, judge
from signer.errors import (
    LOG_FAULTS,
    ClockDiffers,
    ClockLeapt,
    ClockMovedBack,
    DatabaseDamaged,
    DatabaseFileLost,
    DatabaseFull,
    DatabaseReadOnly,
    DatabaseRevisionMismatch,
    DatabaseUnavailable,
    RecorderUnavailable,
    SignerError,
)
from signer.services.clock import RecordedClock
from signer.services.last_fault import LastFault
from signer.services.own_reasons import own_reasons
from signer.services.ports import KeyStore, TokenAccess, WorkerReports
from signer.services.signing import MessageSigner, signing_key

FAILED = "proof-failed"
# A round may take the deadline of a signature for each key; after this many intervals more it is overdue.
PATIENCE_INTERVALS = 3
# What is broken is looked at more often: nobody should wait an interval for a token that is back.
RETRY_SECONDS = 1.0
PULSE_SECONDS = 1.0
# Reasons that no request has by itself. A busy token is none: it signs, only not all that is asked for at once.
FAULTS = (
    ClockDiffers,
    ClockLeapt,
    ClockMovedBack,
    DatabaseDamaged,
    DatabaseFileLost,
    DatabaseFull,
    DatabaseReadOnly,
    DatabaseRevisionMismatch,
    DatabaseUnavailable,
    RecorderUnavailable,
    TokenError,
    *LOG_FAULTS,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadinessPlan:
    """How rounds are made.

    Attributes:
        interval, timeout: seconds between rounds, and of one signature.
        workers: how many the service has.
        last_fault: one for all of them.
        probes: what else a signature needs, by name; each raises a ``SignerError`` where it is not there.
    """

    interval: float
    timeout: float
    workers: int
    vital_keys: frozenset[str]
    last_fault: LastFault
    probes: Mapping[str, Callable[[], None]] = field(default_factory=dict)


class ReadinessService:
    """Proves every active key at an interval, in a thread of its own, and judges the service with all its workers."""

    def __init__(
        self,
        *,
        store: KeyStore,
        reports: WorkerReports,
        tokens: TokenAccess,
        signer: MessageSigner,
        clock: RecordedClock,
        monotonic: Callable[[], float],
        quarantine: Callable[[Key, KeyVersion], None],
        plan: ReadinessPlan,
    ) -> None:
        self._store = store
        self._reports = reports
        self._tokens = tokens
        self._signer = signer
        self._clock = clock
        self._monotonic = monotonic
        self._quarantine = quarantine
        self._plan = plan
        self._last_fault = plan.last_fault
        self._retry = min(plan.interval, RETRY_SECONDS)
        self._max_age = PATIENCE_INTERVALS * (plan.interval + plan.timeout)
        self._conditions: dict[str, Condition] = {}
        self._others: tuple[WorkerReport, ...] = ()
        self._checked_at: datetime | None = None
        self._begun: float | None = None  # the last round, whatever came of it
        self._proved: float | None = None
        self._seen = monotonic()
        # Written by whoever asks for a signature or for readiness, read by the thread.
        self._failed: float | None = None
        self._asked = self._failure_untold = False
        self._stop, self._wake = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="readiness", daemon=True)

    def start(self) -> None:
        """Begin to prove, at once and then at the interval."""
        self._thread.start()

    def close(self) -> None:
        """Stop; returns when the proof under way is done or its deadline has passed."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(self._plan.timeout)
        with suppress(SignerError):
            self._reports.remove()

    def current(self) -> Readiness:
        """The service at this moment, from what is known of its workers. Never waits for anything."""
        self._asked = True
        return judge(
            (self._report(), *self._others),
            expected=self._plan.workers,
            fault=self._last_fault.moment,
            now=self._monotonic(),
            max_age=self._max_age,
            at=self._clock.unchecked(),
        )

    def observe(self, error: BaseException) -> None:
        """A signature failed with ``error``. Never waits for anything."""
        if not isinstance(error, FAULTS) or isinstance(error, TokenBusy):
            return
        self._fault_found()
        if not self._failure_untold:
            self._failure_untold = True
            self._wake.set()

    def prove(self) -> Readiness:
        """One round: the database, the clock, every active key, and a durable write."""
        begun = self._begun = self._monotonic()
        found: dict[str, str | None] = {"database": None, "clock": None}
        keys: tuple[Key, ...] = ()
        try:
            self._store.check()
            keys = self._store.all_keys()
            self._clock.now()
        except (ClockLeapt, ClockMovedBack) as error:
            found["clock"] = error.code
        except SignerError as error:
            found["database"] = error.code
        for name, probe in self._plan.probes.items():
            found[name] = _code(probe)
        own = own_reasons(keys, now=self._clock.unchecked(), vital=self._plan.vital_keys)
        proved = dict(self._proofs(keys, own))
        tokens = self._token_conditions()
        # Where a key was proved, the tokens that proved it are enough.
        aside = {name for name in own if name.removeprefix("key ") not in self._plan.vital_keys}
        aside |= tokens.keys() if proved else set()
        self._note(found | own | proved | tokens, aside=aside)
        before, self._checked_at = self._proved, self._clock.unchecked()
        if not self._broken:
            self._proved = begun
        if not self._publish():
            self._proved = before
        return self.current()

    @property
    def _broken(self) -> bool:
        return any(condition.broken for condition in self._conditions.values())

    def _fault_found(self) -> None:
        self._failed = now = self._monotonic()
        self._last_fault.note(now)

    def _proofs(self, keys: Iterable[Key], own: Container[str]) -> Iterable[tuple[str, str | None]]:
        for key in keys:
            if self._stop.is_set():
                return
            if key.active is not None and f"key {key.name}" not in own:
                yield f"key {key.name}", self._prove_key(key, key.active)

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

    def _note(self, found: Mapping[str, str | None], *, aside: Iterable[str] = ()) -> None:
        """Take over what was found; ``aside`` names what is not vital."""
        now, aside = self._clock.unchecked(), frozenset(aside)
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
        if self._broken:
            self._fault_found()

    # --- what the workers tell each other ----------------------------------------------------------------------

    def _report(self) -> WorkerReport:
        return WorkerReport(
            worker=self._reports.worker,
            proved=self._proved,
            failed=self._failed,
            seen=self._seen,
            checked_at=self._checked_at,
            conditions=tuple(self._conditions.values()),
        )

    def _publish(self) -> bool:
        """Write this worker's row; whether that succeeded."""
        self._asked = self._failure_untold = False
        self._seen = self._monotonic()
        return self._database_answers(lambda: self._reports.write(self._report()))

    def _look(self) -> None:
        """Read the rows of the others."""

        def read() -> None:
            self._others = self._reports.others()

        self._database_answers(read)

    def _database_answers(self, ask: Callable[[], None]) -> bool:
        try:
            ask()
        except SignerError as error:
            codes = {name: condition.code for name, condition in self._conditions.items()}
            aside = [name for name, condition in self._conditions.items() if not condition.vital]
            self._note(codes | {"database": error.code}, aside=aside)
            return False
        return True

    # --- the thread --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            try:
                self._turn()
            except Exception as error:  # noqa: BLE001  (the proof must go on; what it could not judge is not ready)
                logger.error("the readiness proof failed: %s", type(error).__name__)  # noqa: TRY400
                self._note({"proof": FAILED})
            self._wake.wait(self._retry)

    def _turn(self) -> None:
        if self._failure_untold:
            # Before the round: a token that hangs lets that take long, and the others answer meanwhile.
            self._publish()
        if self._round_is_due():
            self.prove()
        elif self._asked and self._monotonic() - self._seen >= min(PULSE_SECONDS, self._plan.interval):
            self._publish()
        self._look()

    def _round_is_due(self) -> bool:
        if self._begun is None:
            return True
        since = self._monotonic() - self._begun
        if since >= self._plan.interval:
            return True
        failures = (self._failed, self._last_fault.moment, *(report.failed for report in self._others))
        unproved = self._proved is None or any(moment is not None and moment >= self._proved for moment in failures)
        # A failure is answered with a round at once, but not each of many with a round of its own.
        return since >= self._retry and (unproved or self._broken)


def _code(probe: Callable[[], None]) -> str | None:
    try:
        probe()
    except SignerError as error:
        return error.code
    return None
