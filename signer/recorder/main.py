"""The recorder's process: started by ``supervision`` with what it needs as descriptors, and ended by nobody else.

Its arguments are the numbers of three descriptors: the listening socket, the lifeline, and the lock of the
installation. The first line of the lifeline is its set-up. Nothing that it starts inherits the three.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from hsm.errors import TokenError
from signer.addresses import Address
from signer.config import Settings
from signer.domain.approvals import standing
from signer.domain.leaves import LeafDraft
from signer.domain.log_keys import known_origin, log_verifier_keys
from signer.domain.records import Outcome
from signer.domain.token_records import Entry
from signer.domain.verified_log import AccessState, VerifiedLog
from signer.errors import LogKeyMissing, SignerError
from signer.http_exchange import Limits
from signer.logs import configure_logging
from signer.notices_file import NoticesFile
from signer.processes import ProcessorTimes, leave_start_up_out_of_searches
from signer.recorder.checkpointer import Certified, Checkpointer
from signer.recorder.meter import Meter
from signer.recorder.notices import Notices, Receiver, Waiting
from signer.recorder.outside import CommittedTree, asked_witnesses
from signer.recorder.release import Release
from signer.recorder.server import RecorderServer
from signer.recorder.setup import BATCH_SECONDS, LOOK_SECONDS, Setup
from signer.recorder.witnessing import Witnessing
from signer.services.checkpoints import CheckpointSigner
from signer.storage.approval_store import SqlApprovalStore
from signer.storage.certified_records import CertifiedRecords
from signer.storage.checkpoint_file import CheckpointFile, HeldCheckpointFile
from signer.storage.database import Database
from signer.storage.key_store import SqlKeyStore
from signer.storage.log_keys_told import tell_log_keys
from signer.storage.log_reader import SqlLogReader
from signer.storage.log_transaction import SERVICE
from signer.storage.server_clock import ServerClock
from signer.token import open_tokens
from signer.witness.report import WitnessFile

logger = logging.getLogger("artifact-signer.recorder")

MAX_SETUP_BYTES = 1 << 16
# The exit status of one that ends because the next may fare better.
BEGIN_ANEW = 1
# How long it waits for its tokens before it serves: what workers send waits meanwhile.
TOKEN_SECONDS = 10.0
TOKEN_LOOK_SECONDS = 0.05
# What stops services is not for the recorder: it ends when those are gone that it works for.
IGNORED_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH)


def main(arguments: Sequence[str]) -> None:
    """Serve until there is nobody left to serve."""
    listener, lifeline, lock = (int(argument) for argument in arguments)
    for number in IGNORED_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    for descriptor in (listener, lifeline, lock):
        os.set_inheritable(descriptor, False)
    try:
        setup = Setup.parse(_first_line(lifeline))
    except ValueError:
        raise SystemExit("the recorder was given a set-up that it does not understand") from None
    for descriptor in setup.descriptors:
        os.set_inheritable(descriptor, False)
    configure_logging(setup.settings.logging)
    with closing(Database(setup.hasty_database)) as database, closing(socket.socket(fileno=listener)) as accepting:
        done = _serve(setup, database, accepting, lifeline)
    sys.exit(0 if done else BEGIN_ANEW)


def _serve(setup: Setup, database: Database, listener: socket.socket, lifeline: int) -> bool:
    with ExitStack() as open_parts:
        log = database.write_ahead_log()
        if log is not None:
            open_parts.callback(log.close)
        parts = _opened(setup.settings, database, open_parts)
        server = RecorderServer(
            listener=listener,
            lifeline=lifeline,
            records=parts.records,
            release=parts.release,
            housekeeping=log,
            outside=parts.outside,
            meter=parts.meter,
        )
        leave_start_up_out_of_searches()
        logger.info("the recorder is ready")
        done = server.run()
    logger.info("the recorder ends")
    return done


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a recorder works with; without ``records`` it only tells why it does not."""

    records: _InTime | None
    release: Release
    outside: Witnessing | None = None
    meter: Meter | None = None


def _opened(settings: Settings, database: Database, open_parts: ExitStack) -> _Parts:
    """Take the checkpoint's file, verify what the log has beyond it, and have that certified before anything else."""
    try:
        return _certifying(settings, database, open_parts)
    except SignerError as error:
        release = Release(None)
        release.stop(error)
        return _Parts(None, release)


def _certifying(settings: Settings, database: Database, open_parts: ExitStack) -> _Parts:
    slots = open_parts.enter_context(closing(CheckpointFile(settings.log.checkpoint_file).hold()))
    store = SqlKeyStore(database=database, clock=_now)
    origin = known_origin(slots.saved.note, store.all_keys(), path=settings.log.checkpoint_file)
    pool = open_parts.enter_context(closing(open_tokens(settings)))
    pool.start()
    signer = CheckpointSigner(origin=origin, keys=store.all_keys, tokens=pool, timeout=settings.signing.timeout)
    tolerance = timedelta(seconds=settings.signing.clock_tolerance)
    records = CertifiedRecords(
        database=database,
        clock=_now,
        clock_tolerance=tolerance,
        log=slots.saved.log,
        machine=socket.gethostname(),
        failover_check=settings.log.failover_check,
        monotonic=time.monotonic,
        server_clock=ServerClock(clock=_now, tolerance=tolerance) if database.dialect == "postgresql" else None,
    )
    records.look()
    keys = _LogKeys(database, store, signer)
    keys.look(records.verified)
    records.look()
    # Whatever the last process left on the disk: what is given out from here on is covered by what is written now.
    certified = _first_checkpoint(signer, slots, records.verified)
    times = ProcessorTimes()
    notices = _notices(settings, database)
    if notices is not None:
        open_parts.enter_context(closing(notices))
    meter = Meter(
        tokens=lambda: times.total({token.name: token.pid for token in pool.health()}),
        notices=None if notices is None else lambda: (notices.taken, notices.failures),
    )
    checkpointer = open_parts.enter_context(
        closing(Checkpointer(sign=meter.signing(keys.sign), slots=meter.writing(slots)))
    )
    release = Release(checkpointer, certified=certified)
    outside = _outside(settings, database, store, signer.origin, records.verified)
    if outside is not None:
        open_parts.enter_context(closing(outside))
    return _Parts(_InTime(records, database, meter), release, outside, meter)


def _outside(
    settings: Settings, database: Database, store: SqlKeyStore, origin: str, log: VerifiedLog
) -> Witnessing | None:
    """Who asks the configured witnesses; raises ``LogRolledBack`` where one of them told that before."""
    if not settings.log.witnesses:
        return None
    file = WitnessFile(settings.log.witness_file)
    rolled_back = file.rolled_back(origin, log.size)
    if rolled_back is not None:
        # The last process was told; that this one was not yet makes it no less true.
        raise rolled_back
    return Witnessing(
        witnesses=asked_witnesses(settings.log),
        log_keys=lambda: log_verifier_keys(store.all_keys(), origin),
        log=CommittedTree(SqlLogReader(database=database)),
        limits=Limits(seconds=settings.log.witness_timeout),
        pace=settings.log.witness_pause,
        report=partial(file.write, origin),
    )


def _notices(settings: Settings, database: Database) -> Notices | None:
    """Who tells the configured receiver of what waits for approvals."""
    approvals = settings.approvals
    if approvals.webhook_url is None or approvals.webhook_secret_file is None:
        return None
    store = SqlApprovalStore(database=database, clock=_now)

    def waiting() -> Waiting:
        circle, now = store.circle().circle, _now()
        return [(case.proposal, standing(case.proposal, case.votes, circle, now=now)) for case in store.cases()]

    return Notices(
        receiver=Receiver(
            address=Address.parse(approvals.webhook_url),
            secret_file=approvals.webhook_secret_file,
            ca_file=approvals.webhook_ca_file,
            seconds=approvals.webhook_timeout,
        ),
        look=waiting,
        file=NoticesFile(settings.notices_file),
        clock=_now,
    )


class _LogKeys:
    """Signs with the keys of the log as they are on record, and has the log tell which these are."""

    def __init__(self, database: Database, store: SqlKeyStore, signer: CheckpointSigner) -> None:
        self._database = database
        self._store = store
        self._signer = signer
        self._access: AccessState | None = None

    def sign(self, log: VerifiedLog) -> bytes:
        """As ``CheckpointSigner.sign``, by the keys that the log was left with."""
        self.look(log)
        return self._signer.sign(log)

    def look(self, log: VerifiedLog) -> None:
        """Read the keys again where the log tells of a change; raises what the database raises."""
        if log.access == self._access:
            return
        self._signer.forget()
        keys = log_verifier_keys(self._store.all_keys(), self._signer.origin)
        tell_log_keys(
            self._database, clock=_now, actor=SERVICE, origin=self._signer.origin, keys=[str(key) for key in keys]
        )
        self._access = log.access


def _first_checkpoint(signer: CheckpointSigner, slots: HeldCheckpointFile, log: VerifiedLog) -> Certified | None:
    """Signed and written; None where no token has answered yet. Raises ``CheckpointNotWritten``."""
    deadline = time.monotonic() + TOKEN_SECONDS
    while True:
        try:
            note = signer.sign(log)
        except (TokenError, LogKeyMissing):
            if time.monotonic() > deadline:
                return None
            time.sleep(TOKEN_LOOK_SECONDS)
            continue
        slots.write(note=note, log=log)
        return Certified(order=0, size=log.size, note=note)


class _InTime:
    """Records, whose every batch is over before the next ping has waited for too long."""

    def __init__(self, records: CertifiedRecords, database: Database, meter: Meter) -> None:
        self._meter = meter
        self._records = records
        self._database = database
        self.keep = records.keep

    @property
    def verified(self) -> VerifiedLog:
        """As ``CertifiedRecords.verified``."""
        return self._records.verified

    def record_many(self, entries: Sequence[Entry]) -> list[Outcome]:
        """As ``CertifiedRecords.record_many``."""
        with self._database.within(BATCH_SECONDS), self._meter.recording(len(entries)):
            return self._records.record_many(entries)

    def tell(self, drafts: Sequence[LeafDraft]) -> None:
        """As ``CertifiedRecords.tell``."""
        with self._database.within(BATCH_SECONDS):
            self._records.tell(drafts)

    def look(self) -> None:
        """As ``CertifiedRecords.look``: nobody waits for it, and nobody shall wait because of it."""
        with self._database.within(LOOK_SECONDS):
            self._records.look()

    def prove(self) -> None:
        """As ``CertifiedRecords.prove``."""
        with self._database.within(BATCH_SECONDS):
            self._records.prove()

    def tidy(self) -> bool:
        """As ``CertifiedRecords.tidy``."""
        with self._database.within(LOOK_SECONDS):
            return self._records.tidy()

    def flush(self) -> None:
        """As ``CertifiedRecords.flush``, for which nobody waits either."""
        with self._database.within(LOOK_SECONDS):
            self._records.flush()


def _now() -> datetime:
    return datetime.now(UTC)


def _first_line(descriptor: int) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        octet = os.read(descriptor, 1)
        if not octet or len(line) > MAX_SETUP_BYTES:
            raise ValueError("no set-up")
        line += octet
    return line
