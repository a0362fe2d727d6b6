"""What a proof costs that a signature is on record, in processor time: making one, and checking it offline.

`python -m tests.bench.bench_log_proof [SIZE …]`

Over SQLite, at each size of the log. *new*: the leaves that were recorded last, asked for one by one, and so many
together as a batch of requests has; *any*: leaves from all over the log, one by one, most of them in a tile that is not
kept. A proof is a whole one: the leaf is read, its path made and checked against the checkpoint, the text written.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from signer.bootstrap import utc_now
from signer.services.log_checkpoints import NewestCheckpoint
from signer.services.log_proofs import LogProofService
from signer.storage.database import Database
from signer.storage.log_append import append, lock_head
from signer.storage.log_reader import SqlLogReader
from signer.storage.recall_store import SqlRecalls
from tests.support.databases import migrate, settings
from tests.support.memory_log import MemoryCheckpoints, signature_leaf
from tests.support.roles import access_by_roles
from verifier.log import LogDemand, LogTrust, parsed_leaf, verify_proof

from .measure import machine

SIZES = (1_000, 100_000)
BATCHES = (1, 8, 32, 256)
CALLS = 100
APPENDED = 5_000
MICROSECONDS = 1e6


def fill(database: Database, size: int) -> None:
    """Append signatures until the log has that many leaves."""
    while True:
        with database.writing() as connection:
            head = lock_head(connection)
            end = min(size, head.size + APPENDED)
            append(connection, head, [signature_leaf(number) for number in range(head.size, end)])
        if end == size:
            return


def each(calls: int, work: Callable[[], object], count: int = 1) -> str:
    """Microseconds of processor time for each of ``count`` in a call."""
    begun = time.thread_time()
    for _ in range(calls):
        work()
    return f"{(time.thread_time() - begun) / calls / count * MICROSECONDS:>8.0f}"


def texts(proofs: LogProofService, indexes: Sequence[int]) -> list[bytes | None]:
    """The proof files of these leaves."""
    return [proof.text for proof in proofs.of_leaves(indexes)]


def measure(size: int) -> str:
    """A line of the table."""
    checkpoints = MemoryCheckpoints()
    with tempfile.TemporaryDirectory() as directory:
        url = f"sqlite:///{Path(directory) / 'log.sqlite'}"
        migrate(url)
        database = Database(settings(url))
        fill(database, size)
        reader = SqlLogReader(database=database)
        head = reader.head()
        checkpoints.note = checkpoints.key.signed(head.size, head.root)
        proofs = LogProofService(
            reader=reader,
            newest=NewestCheckpoint(checkpoints),
            store=None,  # type: ignore[arg-type]
            recalls=SqlRecalls(database=database, clock=utc_now),
            access=access_by_roles(),
        )
        texts(proofs, range(size - max(BATCHES), size))
        line = [
            each(max(CALLS // batch, 10), lambda batch=batch: texts(proofs, range(size - batch, size)), batch)  # type: ignore[misc]
            for batch in BATCHES
        ]
        line.append(each(CALLS, lambda: texts(proofs, [random.randrange(size)])))
        (proof,) = proofs.of_leaves([size - 1])
        line.append(each(CALLS, lambda: check(proof.text or b"", checkpoints, proof.leaf or b"")))
        database.close()
    return "".join(line) + f"{len(proof.text or b''):>8}"


def check(proof: bytes, checkpoints: MemoryCheckpoints, leaf: bytes) -> None:
    """As a verifier does, without the artifact."""
    members = parsed_leaf(leaf)
    verify_proof(
        LogDemand(trust=LogTrust(log_keys=(checkpoints.key.verifier,)), unverified_proof=proof),
        manifest_sha256=str(members["manifest_sha256"]),
        fingerprint=str(members["fingerprint"]),
        signature=str(members["signature"]).encode(),
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES)
    print(machine())
    print("µs of processor time for each proof")
    print(f"{'leaves':>10}" + "".join(f"{f'new {batch}':>8}" for batch in BATCHES) + "     any   check   bytes")
    for size in parser.parse_args().sizes:
        print(f"{size:>10}{measure(size)}")


if __name__ == "__main__":
    main()
