"""Which log a command looks at, and the keys it believes: the database of this machine, an export, or the API."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec

import click

from signer.answers import JSON_MEDIA_TYPE, ClientError, json_object
from signer.cli.connection import connected
from signer.cli.log_keys import log_keys
from signer.cli.output import note
from signer.config import Settings, load_settings
from signer.errors import CheckpointFileDamaged, CheckpointFileMissing, LogMissing
from signer.log.check import CheckPlan, Verdict, check_log
from signer.log.database_check import check_database
from signer.log.database_source import DatabaseSource
from signer.log.export_source import KEYS, ExportSource
from signer.log.faults import Fault, FaultKind
from signer.log.http_source import HttpSource
from signer.log.known_keys import told_keys
from signer.log.source import LogSource
from signer.services.ports import LogReader
from signer.storage.checkpoint_file import CheckpointFile
from signer.storage.database import Database
from signer.storage.log_audit import SqlLogAudit
from signer.storage.log_reader import SqlLogReader
from verifier.log import VerifierKey

Parameters = ParamSpec("Parameters")
KEY_VARIABLE = "ARTIFACT_SIGNER_LOG_KEY_FILE"

here_option = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="configuration file of an installation on this machine: read its database, not the API",
)
_log_key_option = click.option(
    "--log-key", "texts", multiple=True, metavar="KEY", help="verifier key of the log, or a file of them, or in PEM"
)
log_origin_option = click.option("--log-origin", metavar="NAME", help="name of the log, for a log key in PEM")


def log_key_options(command: Callable[Parameters, int]) -> Callable[Parameters, int]:
    """The keys that are believed, as ``opened`` takes them."""
    return _log_key_option(log_origin_option(command))


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLog:
    """A log that can be looked at.

    Attributes:
        keys: that its checkpoint is believed by.
        former_keys: that signed checkpoints of it once.
        audit: the rows, where it is a database.
        fault: what is wrong with the checkpoint that is kept outside the database.
    """

    source: LogSource
    keys: tuple[VerifierKey, ...]
    former_keys: tuple[VerifierKey, ...] = ()
    audit: SqlLogAudit | None = None
    checkpoint: bytes | None = None
    fault: Fault | None = None

    def check(self, plan: CheckPlan) -> Verdict:
        """Everything that can be seen of it."""
        if self.audit is None:
            return check_log(self.source, plan)
        return check_database(self.audit, self.checkpoint, plan, former_keys=self.former_keys)


@contextmanager
def opened(
    config: Path | None, export: Path | None, texts: tuple[str, ...], log_origin: str | None
) -> Iterator[OpenLog]:
    """The log that the options name."""
    if config is not None and export is not None:
        raise click.UsageError("--config and --export are two logs: give one")
    given = _given(texts, log_origin)
    if export is not None:
        yield OpenLog(source=ExportSource(export), keys=given or _of_export(export))
    elif config is not None:
        with _database(load_settings(config, os.environ), given or _beside(config)) as found:
            yield found
    else:
        with connected() as client:
            keys = given or _of_environment()
            if not keys:
                note("the log's key was asked of the service itself: --log-key FILE makes the check one of the service")
                keys = _listed(client.download("/v1/log/keys", JSON_MEDIA_TYPE, limit=1 << 20))
            yield OpenLog(source=HttpSource(client), keys=keys)


@contextmanager
def opened_database(settings: Settings) -> Iterator[Database]:
    """The database, at the revision of this release."""
    with closing(Database(settings.database)) as database:
        database.check_revision()
        yield database


@contextmanager
def _database(settings: Settings, keys: tuple[VerifierKey, ...]) -> Iterator[OpenLog]:
    with opened_database(settings) as database:
        reader, audit = SqlLogReader(database=database), SqlLogAudit(database=database)
        checkpoint, fault = kept_checkpoint(settings, reader)
        if reader.head().size == 0:
            raise LogMissing
        yield OpenLog(
            source=DatabaseSource(audit, checkpoint),
            keys=keys,
            former_keys=tuple(key for told in told_keys(reader) for key in told),
            audit=audit,
            checkpoint=checkpoint,
            fault=fault,
        )


def kept_checkpoint(settings: Settings, reader: LogReader) -> tuple[bytes | None, Fault | None]:
    """The newest checkpoint, of the file outside the database; without one that of the database, and a fault."""
    try:
        return CheckpointFile(settings.log.checkpoint_file).read().note, None
    except CheckpointFileMissing as error:
        problem = f"{error.path} is not there"
    except CheckpointFileDamaged as error:
        problem = f"{error.path} {error.problem}"
    return reader.checkpoint(), Fault(FaultKind.CHECKPOINT_FILE, None, {"problem": problem})


def _given(texts: tuple[str, ...], log_origin: str | None = None) -> tuple[VerifierKey, ...]:
    by_origin = log_keys(texts, log_origin)
    if len(by_origin) > 1:
        raise click.UsageError("the keys are those of several logs: give those of one")
    return next(iter(by_origin.values()), ())


def _beside(config: Path) -> tuple[VerifierKey, ...]:
    """Of the file that ``log create`` wrote: what leaves tell of keys is told by whoever can write the database."""
    path = config.resolve().parent / KEYS
    if not path.exists():
        raise ClientError(
            sentence=f"no key of the log is known: {path} is not there",
            hint="--log-key names it; the one that the database tells is no proof of the database",
        )
    note(f"the log's key is the one of {path}: --log-key names another, or those of further tokens")
    return _given((str(path),))


def _of_export(folder: Path) -> tuple[VerifierKey, ...]:
    note("the log's key is the one of the export itself: --log-key FILE makes the check one of the export")
    return _given((str(folder / KEYS),))


def _of_environment() -> tuple[VerifierKey, ...]:
    path = os.environ.get(KEY_VARIABLE)
    return _given((path,)) if path else ()


def _listed(document: bytes) -> tuple[VerifierKey, ...]:
    keys = json_object(document)["keys"]
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise ClientError(sentence="the service tells no keys of its log")
    return tuple(VerifierKey.parse(key) for key in keys)
