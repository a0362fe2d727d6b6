"""Puts together what reads the log, proves what is on it, and tells devices what was recalled."""

from __future__ import annotations

from signer.config import Settings
from signer.services.access import Access
from signer.services.access_ports import RecallStore
from signer.services.checkpoints import CheckpointSigner
from signer.services.log_checkpoints import CheckpointSource, NewestCheckpoint
from signer.services.log_proofs import LogProofService
from signer.services.log_queries import LogQueryService
from signer.services.ports import KeyStore, LogReader, TokenAccess
from signer.services.recalled_lists import RecalledLists
from signer.storage.checkpoint_file import CheckpointFile
from signer.storage.checkpoint_source import NewestNote
from signer.storage.log_reader import SqlLogReader
from signer.witness.report import CosignedNotes, WitnessFile


def log_services(
    reader: LogReader,
    checkpoints: CheckpointSource,
    store: KeyStore,
    recalls: RecallStore,
    tokens: TokenAccess,
    *,
    access: Access,
    timeout: float,
) -> tuple[LogQueryService, LogProofService]:
    """Both, over one newest checkpoint. ``timeout``: seconds for a signature by a key of the log."""
    newest = NewestCheckpoint(checkpoints)
    proofs = LogProofService(reader=reader, newest=newest, store=store, recalls=recalls, access=access)

    def signer(origin: str) -> CheckpointSigner:
        return CheckpointSigner(origin=origin, keys=store.all_keys, tokens=tokens, timeout=timeout)

    lists = RecalledLists(store=recalls, reader=reader, newest=newest, proofs=proofs, signer=signer)
    queries = LogQueryService(reader=reader, newest=newest, proofs=proofs, recalled=lists, store=store, access=access)
    return queries, proofs


def checkpoint_source(settings: Settings, reader: SqlLogReader) -> CheckpointSource:
    """Where the newest checkpoint is, and the newest that witnesses signed."""
    newest = NewestNote(file=CheckpointFile(settings.log.checkpoint_file), reader=reader)
    if not settings.log.witnesses:
        return newest
    return CosignedNotes(notes=newest, file=WitnessFile(settings.log.witness_file))
