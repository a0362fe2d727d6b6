"""Installations whose log has exactly so many leaves: made once for each size, copied for each test."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from signer.domain.verified_log import VerifiedLog
from signer.storage.checkpoint_file import CheckpointFile
from signer.storage.first_policy import first_policy
from signer.storage.key_store import SqlKeyStore
from signer.storage.log_keys_told import told_keys
from signer.storage.log_reader import SqlLogReader
from signer.storage.log_start import start_log
from tests.support.audited_logs import AuditedLog
from tests.support.clock import ManualClock
from tests.support.databases import Opener
from tests.support.records import event, new_key, new_version
from tests.support.written_logs import KEY, ORIGIN, note, verifier_key

CONFIG = """
[database]
url = "sqlite:///{folder}/test.sqlite"
[spool]
directory = "{folder}/spool"
[[tokens]]
name = "one"
uri = "pkcs11:token=one?module-path=/nowhere.so"
pin = {{ file = "token.pin" }}
"""
BEFORE_SIGNATURES = 3
"""The log's creation, the beginning of a key's, and its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedLog:
    """A folder with a database, a configuration, the checkpoint file and the log's key."""

    folder: Path
    size: int

    @property
    def config(self) -> Path:
        """The configuration."""
        return self.folder / "signer.toml"

    @property
    def database_url(self) -> str:
        """Of the database."""
        return f"sqlite:///{self.folder}/test.sqlite"

    @property
    def checkpoint(self) -> bytes:
        """The newest checkpoint."""
        return CheckpointFile(self.folder / "log.checkpoint").note()

    @property
    def signatures(self) -> int:
        """How many leaves are of signatures."""
        return max(0, self.size - BEFORE_SIGNATURES)

    def copied(self, folder: Path) -> SizedLog:
        """Another one, which a test may change."""
        shutil.copytree(self.folder, folder)
        made = SizedLog(folder=folder, size=self.size)
        made.config.write_text(CONFIG.format(folder=folder))
        return made


def sized_log(folder: Path, size: int) -> SizedLog:
    """Make one."""
    made = SizedLog(folder=folder, size=size)
    opener = Opener(made.database_url)
    try:
        database, clock = opener(), ManualClock()
        database.upgrade(then=first_policy(clock))
        if size:
            start_log(database, clock=clock, actor="tests", members=told_keys(ORIGIN, [str(verifier_key())]))
        if size == BEFORE_SIGNATURES - 1:
            SqlKeyStore(database=database, clock=clock).add_key(new_key(KEY), new_version(), event(key=KEY))
        elif size >= BEFORE_SIGNATURES:
            AuditedLog(database, clock).sign_fast(made.signatures)
        reader = SqlLogReader(database=database)
        assert reader.head().size == size
        log = VerifiedLog().extended(reader.leaves(0, size))
        CheckpointFile(folder / "log.checkpoint").create(note=note(size, log.frontier.root), log=log)
    finally:
        opener.close()
    (folder / "log.vkey").write_text(f"{verifier_key()}\n")
    made.config.write_text(CONFIG.format(folder=folder))
    return made
