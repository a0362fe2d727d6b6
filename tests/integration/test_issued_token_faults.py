"""SIGKILL while tokens are issued: a token is on record, or nobody ever had it. And nothing on record is a token."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from signer.bootstrap import boot_seconds, build_application, sql_parts, utc_now
from signer.domain.keys import Purpose
from signer.domain.leaves import LogEvent
from signer.domain.token_claims import DeviceSubject, IssuedToken, TokenKind
from signer.domain.token_records import sha256_hex
from signer.errors import RecorderUnavailable
from signer.recorder.addresses import socket_path
from signer.recorder.client import RecorderClient
from signer.services.token_issuing import TokenIssuing
from signer.storage.database import Database
from signer.storage.device_tables import auth_sets, devices
from signer.storage.tables import log_leaves
from signer.storage.token_tables import issued_tokens
from tests.support.databases import Opener
from tests.support.house import House, settings
from tests.support.in_process import ThreadedSigner
from tests.support.memory_tokens import MemoryTokens
from tests.support.recorders import WAIT_SECONDS, settings_of, supervised, until
from verifier.log.leaves import parsed_leaf

COUNT = 120
TIMES = 3
TOKENS_PER_SET = 10
KEY = "device-token"


def subject(number: int) -> DeviceSubject:
    """An accepted device; each may have as many tokens as its bucket holds."""
    number //= TOKENS_PER_SET
    return DeviceSubject(
        device_id=f"00000000-0000-4000-8000-{number:012d}", auth_set_id=f"00000000-0000-4000-9000-{number:012d}"
    )


def accept_devices(database: Database) -> None:
    """Rows as devices have them that were accepted."""
    now = utc_now()
    with database.writing() as connection:
        for each in {subject(number) for number in range(COUNT)}:
            row = {"id": each.device_id, "identity_sha256": sha256_hex(each.device_id.encode()), "identity": "{}"}
            times = {"created_at": now, "updated_at": now}
            connection.execute(insert(devices).values(**row, **times, status="accepted", decommissioning=False))
            own = {"id": each.auth_set_id, "device_id": each.device_id, "pubkey_sha256": "2" * 64, "pubkey": b"k"}
            connection.execute(insert(auth_sets).values(**own, status="accepted", created_at=now))


class Worker:
    """What issues tokens in a worker, over the recorder's socket, with keys in memory."""

    def __init__(self, spool: Path, url: str, tokens: MemoryTokens, database: Database) -> None:
        self.tokens = tokens
        self.database = database
        chosen = settings(url, spool, tokens.names)
        parts = sql_parts(chosen, database=database, tokens=tokens, clock=utc_now, monotonic=boot_seconds)
        self.recorder = RecorderClient(socket_path(spool))
        parts = replace(parts, recorder=self.recorder, token_signer=ThreadedSigner(tokens))
        self.application = build_application(chosen, parts)

    async def issue(self, number: int) -> IssuedToken:
        issuing = self.application.token_issuer
        assert isinstance(issuing, TokenIssuing)
        return await issuing.issue(subject(number), actor="device", request_id=f"request-{number}")


@contextmanager
def prepared(tmp_path: Path, url: str, opener: Opener) -> Iterator[tuple[Path, MemoryTokens, Database]]:
    """An installation with accepted devices and a key for their tokens."""
    spool, tokens, database = tmp_path / "spool", MemoryTokens("one"), opener()
    settings_of(spool, url)
    chosen = settings(url, spool, tokens.names)
    parts = sql_parts(chosen, database=database, tokens=tokens, clock=utc_now, monotonic=boot_seconds)
    house = House.of(chosen, parts, database)
    house.create(KEY, purpose=Purpose.DEVICE_TOKEN)
    accept_devices(database)
    yield spool, tokens, database
    house.close()


def on_record(database: Database) -> tuple[dict[str, Any], dict[str, Any]]:
    """Rows and leaves by ``jti``."""
    with database.reading() as connection:
        rows = {row.jti: row for row in connection.execute(select(issued_tokens))}
        wanted = select(log_leaves.c.leaf).where(log_leaves.c.type == LogEvent.TOKEN_ISSUED.value)
        leaves = [parsed_leaf(bytes(leaf)) for (leaf,) in connection.execute(wanted)]
    assert len({leaf["jti"] for leaf in leaves}) == len(leaves)
    return rows, {str(leaf["jti"]): leaf for leaf in leaves}


def require_on_record(worker: Worker, texts: list[str]) -> None:
    """Each token verifies, has its row and its leaf, and no more than its digests in it."""
    rows, leaves = on_record(worker.database)
    assert rows.keys() == leaves.keys()
    worker.application.token_verifier.take_over()
    for text in texts:
        token = worker.application.token_verifier.verify(text, TokenKind.DEVICE)
        assert leaves[token.jti]["signed_sha256"] == sha256_hex(text.rpartition(".")[0].encode())
    told = json.dumps([*leaves.values(), *map(str, rows.values())])
    assert not any(part in told for text in texts for part in text.split(".")[1:])


class TestTheRecorder:
    @pytest.mark.slow
    def test_what_was_given_out_is_on_record_whenever_it_is_killed(
        self, tmp_path: Path, open_database: Opener, database_url: str
    ) -> None:
        with prepared(tmp_path, database_url, open_database) as (spool, tokens, database):
            worker = Worker(spool, database_url, tokens, database)
            given: list[str] = []
            with supervised(spool, database_url) as recorder:
                until(lambda: recorder.pid is not None)
                asyncio.run(self._issue(worker, given, recorder))
            assert len(given) > COUNT // 2
            require_on_record(worker, given)

    @staticmethod
    async def _issue(worker: Worker, given: list[str], recorder: Any) -> None:
        marks = [COUNT * (turn + 1) // (TIMES + 1) for turn in range(TIMES)]

        async def one(number: int) -> None:
            try:
                given.append((await worker.issue(number)).text)
            except RecorderUnavailable:
                return  # it may be on record: nobody has it
            if marks and len(given) >= marks[0] and recorder.pid is not None:
                marks.pop(0)
                os.kill(recorder.pid, signal.SIGKILL)

        for start in range(0, COUNT, 12):
            await asyncio.gather(*(one(number) for number in range(start, start + 12)))
        worker.recorder.close()
        assert not marks


PROGRAM = """
import asyncio, pickle, sys
from pathlib import Path
from tests.integration.test_issued_token_faults import COUNT, Worker
from tests.support.databases import settings
from tests.support.memory_tokens import MemoryTokens
from signer.storage.database import Database

spool, url, snapshot = sys.argv[1:]
tokens = MemoryTokens.restored(("one",), pickle.loads(Path(snapshot).read_bytes()))
worker = Worker(Path(spool), url, tokens, Database(settings(url)))

async def main():
    async def one(number):
        sys.stdout.write((await worker.issue(number)).text + "\\n")
        sys.stdout.flush()
    for start in range(0, COUNT, 4):
        await asyncio.gather(*(one(number) for number in range(start, start + 4)))

asyncio.run(main())
"""


def test_a_worker_that_is_killed_gave_out_nothing_that_is_not_on_record(
    tmp_path: Path, open_database: Opener, database_url: str
) -> None:
    with prepared(tmp_path, database_url, open_database) as (spool, tokens, database):
        snapshot = tmp_path / "snapshot"
        snapshot.write_bytes(pickle.dumps(tokens.snapshot()))
        with supervised(spool, database_url) as recorder:
            until(lambda: recorder.pid is not None)
            process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(spool), database_url, str(snapshot)],
                stdout=subprocess.PIPE,
                text=True,
            )
            assert process.stdout is not None
            given = [process.stdout.readline().strip() for _ in range(COUNT // 3)]
            process.kill()
            # What is in the pipe was given out too; half a line was not.
            rest, _ = process.communicate(timeout=WAIT_SECONDS)
            given += [line for line in rest.splitlines(keepends=True) if line.endswith("\n")]
        assert process.returncode == -signal.SIGKILL
        worker = Worker(spool, database_url, tokens, database)
        require_on_record(worker, [line.strip() for line in given])
        rows, _ = on_record(database)
        assert COUNT // 3 <= len(given) <= len(rows) < COUNT
