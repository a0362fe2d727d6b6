"""What the checks look at, opened when it is first needed and only where that is harmless.

1. The database is not opened where its file is missing: opening would make an empty one.
2. A token is first asked who it is, without login. One whose flags tell of a refused PIN is not logged in to.
3. What is broken is told by its own check; the others say that they could not look.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from hsm import TokenHealth, TokenPool, TokenState
from hsm.errors import ConfigurationError
from signer.bootstrap import build_application, build_reconciliation, sql_parts
from signer.config import Settings, load_settings
from signer.doctor.report import Finding, Unchecked, failed, ok
from signer.doctor.tokens import TokenCondition, configured, token_conditions
from signer.domain.workers import WorkerReport
from signer.errors import ConfigurationInvalid, DatabaseDamaged, SignerError
from signer.processes import is_alive, this_worker
from signer.services.ports import Clock
from signer.services.reconciliation import DEFAULT_PENDING_AGE, ReconciliationService, Survey
from signer.storage.database import Database
from signer.storage.inspection import DatabaseCondition, inspect
from signer.storage.key_store import SqlKeyStore
from signer.storage.worker_store import reports_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the checks take from outside.

    Attributes:
        clock: the wall clock, aware UTC.
        user_id: whose files the secrets should be.
        follows_a_time_server: whether the machine's clock does, as far as is known.
        free_bytes: what may still be written to the disk of a directory.
    """

    clock: Clock
    user_id: int
    follows_a_time_server: Callable[[], bool]
    free_bytes: Callable[[Path], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the examination is to do.

    Attributes:
        config: path of the configuration file.
        environment: variables that may override settings.
        repair: end what a crash left, instead of only naming it.
        clock_is_right: why a person knows that the clock is right and the record ahead of it; None: nobody says so.
        pending_age: the age below which a pending version may be under way in a worker.
    """

    config: Path
    environment: Mapping[str, str]
    repair: bool = False
    clock_is_right: str | None = None
    pending_age: timedelta = DEFAULT_PENDING_AGE


OPENING_LOOK_SECONDS = 0.2
ENOUGH_RESTARTS = 1
CONFIGURATION_HINT = "docs/operations/configuration.md describes every setting"


class Examination:
    """An installation under examination. Close it."""

    def __init__(self, request: Request, settings: Settings, surroundings: Surroundings) -> None:
        self.request = request
        self.settings = settings
        self.surroundings = surroundings
        self._database: Database | None = None
        self._pool: TokenPool | None = None
        self._survey: Survey | None = None

    @property
    def config(self) -> Path:
        """The configuration file, absolute."""
        return self.request.config.resolve()

    @property
    def sqlite_file(self) -> Path | None:
        """The file of an SQLite database; None for another kind of database."""
        scheme, _, path = self.settings.database.url.partition(":///")
        return Path(path.partition("?")[0]) if scheme.partition("+")[0] == "sqlite" and path else None

    def close(self) -> None:
        """End the token processes and the database connections."""
        if self._pool is not None:
            self._pool.close()
        if self._database is not None:
            self._database.close()

    @cached_property
    def database(self) -> DatabaseCondition | SignerError:
        """What the database is like, or why it cannot be told."""
        if self.sqlite_file is not None and not self.sqlite_file.is_file():
            return DatabaseDamaged(damage=(f"there is no file {self.sqlite_file}",))
        try:
            self._database = Database(self.settings.database)
            return inspect(self._database)
        except SignerError as error:
            return error

    @cached_property
    def store(self) -> SqlKeyStore:
        """The key records; raises ``Unchecked`` where the database cannot be used."""
        return SqlKeyStore(database=self.usable_database(), clock=self.surroundings.clock)

    def worker_reports(self) -> tuple[WorkerReport, ...]:
        """What the living workers of this machine last put on record; raises ``Unchecked``."""
        found = reports_of(self.usable_database(), this_worker().machine)
        return tuple(report for report in found if is_alive(report.worker))

    @cached_property
    def tokens(self) -> tuple[TokenCondition, ...]:
        """Every configured token, looked at without login."""
        return token_conditions(self.settings)

    @cached_property
    def pool(self) -> TokenPool:
        """The tokens that may be logged in to, open; raises ``Unchecked`` where there is none."""
        wanted = [configured(self.settings, token.settings) for token in self.tokens if token.openable]
        if not wanted:
            raise Unchecked(reason="no token can be logged in to")
        self._pool = TokenPool(wanted)
        self._pool.start()
        max_wait = sum(2 * config.start_timeout for config in wanted)
        begun = time.monotonic()
        # A token that fails to open is tried again for ever; two failures are enough to tell.
        while not self._pool.wait_ready(OPENING_LOOK_SECONDS) and time.monotonic() - begun < max_wait:
            if all(_decided(health) for health in self._pool.health()):
                break
        return self._pool

    def opened(self) -> tuple[TokenHealth, ...]:
        """How each token that may be logged in to fares after that was tried."""
        return self.pool.health()

    @cached_property
    def reconciliation(self) -> ReconciliationService:
        """What finds and repairs what crashes left; raises ``Unchecked``."""
        clock = self.surroundings.clock
        parts = sql_parts(self.settings, database=self.usable_database(), tokens=self.pool, clock=clock)
        names = tuple(token.settings.name for token in self.tokens if token.openable)
        return build_reconciliation(self.settings, parts, build_application(self.settings, parts), token_names=names)

    def survey(self) -> Survey:
        """Records and tokens compared; raises ``Unchecked``. Done once, and again after ``forget_survey``."""
        if self._survey is None:
            self._survey = self.reconciliation.survey(pending_age=self.request.pending_age)
        return self._survey

    def forget_survey(self) -> None:
        """Something was repaired."""
        self._survey = None

    def usable_database(self) -> Database:
        """The database, open; raises ``Unchecked`` where it cannot be used."""
        condition = self.database
        if self._database is None or isinstance(condition, SignerError):
            raise Unchecked(reason="the database cannot be used")
        if condition.found != condition.expected:
            raise Unchecked(reason="the database is at another revision")
        return self._database


def opened(request: Request, surroundings: Surroundings) -> Examination | tuple[Finding, ...]:
    """The installation to look at, or why its configuration cannot be used."""
    try:
        settings = load_settings(request.config, request.environment)
    except ConfigurationInvalid as error:
        return tuple(failed(f"{error.path}: {problem}", CONFIGURATION_HINT) for problem in error.problems)
    problems = []
    for token in settings.tokens:
        try:
            configured(settings, token)
        except ConfigurationError as error:
            sentence = f"{request.config}: token {token.name}: {error.setting}: {error.reason}"
            problems.append(failed(sentence, CONFIGURATION_HINT))
    return tuple(problems) or Examination(request, settings, surroundings)


def configuration(examination: Examination) -> Iterator[Finding]:
    """The file was read and every setting is known and possible; otherwise nothing else is looked at."""
    count = len(examination.settings.tokens)
    yield ok(f"{examination.config} can be used and names {count} token{'' if count == 1 else 's'}")


def _decided(health: TokenHealth) -> bool:
    over = (TokenState.READY, TokenState.REFUSED, TokenState.CLOSED)
    return health.state in over or (health.last_error is not None and health.restarts >= ENOUGH_RESTARTS)
