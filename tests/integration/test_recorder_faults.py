"""SIGKILL for the recorder, for workers, and for both, under load: what was received is recorded, and nothing twice."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from signer.domain.keys import Validity
from signer.domain.records import Recorded, Refused, SignatureEntry
from signer.recorder.addresses import socket_path
from signer.recorder.client import RecorderClient
from signer.storage.database import Database
from tests.support.books import SqlBook, entry
from tests.support.clock import ManualClock
from tests.support.databases import Opener, settings
from tests.support.recorders import WAIT_SECONDS, settings_of, supervised
from tests.support.rows import slow_but

from .on_server import log_command, move_to_server
from .running import Installation, initialise, running

PAST = datetime(2020, 1, 1, tzinfo=UTC)
VERSION_DIGEST = hashlib.sha256(b"version").hexdigest()
THREADS = 8
LONG = (pytest.mark.slow, pytest.mark.soak, pytest.mark.timeout(1800))


def children_of(pid: int) -> dict[str, list[int]]:
    """The recorder and the workers of a running service."""
    found: dict[str, list[int]] = {"recorder": [], "worker": []}
    with suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
            with suppress(OSError):
                recorder = b"signer.recorder" in Path(f"/proc/{child}/cmdline").read_bytes()
                found["recorder" if recorder else "worker"].append(int(child))
    return found


class Killer:
    """Kills ``victims``, ``times`` times in all: each time another part of the work is done."""

    def __init__(
        self, victims: Callable[[], list[int | None]], *, done: Callable[[], int], whole: int, times: int
    ) -> None:
        self._victims = victims
        self._done = done
        self._marks = [whole * (turn + 1) // (times + 1) for turn in range(times)]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.turns = 0

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while self._marks and not self._stop.wait(0.002):
            if self._done() >= self._marks[0] and None not in (pids := self._victims()) and pids:
                self._marks.pop(0)
                for pid in pids:
                    with suppress(ProcessLookupError):
                        os.kill(pid or 0, signal.SIGKILL)
                self.turns += 1


def tell(victims: str, url: str, killer: Killer, *, received: int, recorded: int) -> None:
    """A line of figures, which ``make test-soak`` shows."""
    print(f"{url.partition(':')[0]}: {victims} killed {killer.turns} times; {received} received, {recorded} recorded")


class TestTheRecorderAlone:
    """Killed again and again while one worker has signatures recorded."""

    @pytest.mark.parametrize(
        ("count", "times"), [pytest.param(400, 2, marks=pytest.mark.slow), pytest.param(5000, 15, marks=LONG)]
    )
    def test_everything_received_is_recorded_and_nothing_twice(
        self, tmp_path: Path, open_database: Opener, database_url: str, count: int, times: int
    ) -> None:
        book = SqlBook(open_database(), ManualClock(PAST))
        settings_of(tmp_path / "spool", database_url)
        limit = count * 3 // 4
        version, limited = book.version(), book.version(validity=Validity(signature_limit=limit))
        revision = book.revision()
        entries = [entry(each, n, access_revision=revision) for n in range(count) for each in (version, limited)]
        answers: list[object] = []
        with (
            supervised(tmp_path / "spool", database_url) as recorder,
            Killer(lambda: [recorder.pid], done=lambda: len(answers), whole=len(entries), times=times) as killer,
        ):
            asyncio.run(self._record(socket_path(tmp_path / "spool"), entries, answers))
        assert killer.turns == times
        written = Counter(each.record_id for each in book.written())
        recorded = sum(isinstance(each, Recorded) for each in answers)
        tell("the recorder alone", database_url, killer, received=recorded, recorded=written.total())
        assert set(written.values()) == {1}
        for sent, answer in zip(entries, answers, strict=True):
            assert isinstance(answer, Recorded | Refused)
            assert (sent.record_id in written) is isinstance(answer, Recorded)
        assert (book.signed(version)[0], book.signed(limited)[0]) == (count, limit)
        first = book.written()[0].index
        assert [each.index for each in book.written()] == list(range(first, first + count + limit))

    @staticmethod
    async def _record(path: Path, entries: list[SignatureEntry], answers: list[object]) -> None:
        client = RecorderClient(path)
        for start in range(0, len(entries), 20):
            answers += await client.record_many(entries[start : start + 20], deadline=time.monotonic() + 60)
        client.close()
        await asyncio.sleep(0)


@dataclass(slots=True)
class Received:
    """What clients were given, by the manifest's digest."""

    signatures: dict[str, set[bytes]] = field(default_factory=dict)
    refused: Counter[int] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, digest: str, signature: bytes) -> None:
        """One answer."""
        with self.lock:
            self.signatures.setdefault(digest, set()).add(signature)


class TestTheService:
    """Real processes, signatures over TLS, clients that send again what had no answer."""

    @pytest.fixture
    def installation(self, tmp_path: Path) -> Installation:
        return initialise(tmp_path / "installation")

    @pytest.fixture(params=slow_but({"sqlite"}, ("sqlite", "postgresql")))
    def url(self, request: pytest.FixtureRequest, installation: Installation) -> str:
        """Of the database that the service has."""
        if request.param == "sqlite":
            return f"sqlite:///{installation.directory}/artifact-signer.sqlite"
        url: str = request.getfixturevalue("empty_postgres_url")
        move_to_server(installation, url)
        return url

    VICTIMS = {  # noqa: RUF012  (a table)
        "the recorder": ("recorder",),
        "a worker": ("worker",),
        "both": ("recorder", "worker"),
    }

    @pytest.mark.parametrize(("count", "times"), [(60, 2), pytest.param(2500, 12, marks=LONG)])
    @pytest.mark.parametrize("sentence", slow_but(set(), VICTIMS))
    def test_everything_received_is_recorded_and_nothing_twice(
        self, installation: Installation, url: str, sentence: str, count: int, times: int
    ) -> None:
        variables = {"DATABASE_URL": url, "SERVER_WORKERS": "2", "SIGNING_TIMEOUT": "10"}
        with running(installation, **variables) as service:
            limit = count * 9 // 10
            for name, *options in (("firmware",), ("limited", "--signature-limit", str(limit))):
                made = installation.run("keys", "create", name, "--algorithm", "ecdsa-p256", *options)
                assert made.returncode == 0, made.stderr
            received = {name: Received() for name in ("firmware", "limited")}
            done = received["firmware"].signatures
            with Killer(
                lambda: self._victims(service, sentence), done=lambda: len(done), whole=count, times=times
            ) as killer:
                self._have_signed(installation, received, count)
            assert killer.turns == times
        log_command(installation, url, "verify")
        database = Database(settings(url))
        with database.reading() as connection:
            written = connection.execute(text("SELECT count(*) FROM signatures")).scalar_one()
        tell(sentence, url, killer, received=sum(len(each.signatures) for each in received.values()), recorded=written)
        self._check(database, received["firmware"], "firmware", expected=count)
        self._check(database, received["limited"], "limited", expected=limit)
        database.close()

    @staticmethod
    def _victims(service: subprocess.Popen[bytes], sentence: str) -> list[int | None]:
        family = children_of(service.pid)
        return [family[kind][0] if family[kind] else None for kind in TestTheService.VICTIMS[sentence]]

    def _have_signed(self, installation: Installation, received: dict[str, Received], count: int) -> None:
        def work(number: int) -> None:
            for key, kept in received.items():
                self._one(installation, key, kept, number)

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(work, range(count)))

    @staticmethod
    def _one(installation: Installation, key: str, received: Received, number: int) -> None:
        """One signature, asked for until there is an answer, and then once more."""
        digests = [hashlib.sha256(b"%d %s" % (number, part)).hexdigest() for part in (b"payload", b"header")]
        manifest = f"{digests[0]}  data/0000/f\n{digests[1]}  header.tar.gz\n{VERSION_DIGEST}  version\n".encode()
        deadline, answers = time.monotonic() + 240.0, 0
        while answers < 2:
            assert time.monotonic() < deadline
            try:
                with installation.http() as client:
                    answer = client.post(
                        f"/v1/keys/{key}/signatures", content=manifest, headers={"Accept": "text/plain"}
                    )
            except httpx.TransportError:
                time.sleep(0.05)
                continue
            if answer.status_code == 503:
                time.sleep(0.1)
                continue
            answers += 1
            if answer.status_code == 200:
                received.note(hashlib.sha256(manifest).hexdigest(), answer.content)
            else:
                received.refused[answer.status_code] += 1

    @staticmethod
    def _check(database: Database, received: Received, key: str, *, expected: int) -> None:
        query = text(
            "SELECT s.manifest_sha256, s.signature, v.signature_count FROM signatures s "
            "JOIN key_versions v ON v.id = s.version_id JOIN keys k ON k.id = v.key_id WHERE k.name = :key"
        )
        with database.reading() as connection:
            rows = connection.execute(query, {"key": key}).all()
        kept = {row.manifest_sha256: bytes(row.signature) for row in rows}
        assert received.signatures == {digest: {signature} for digest, signature in kept.items()}
        assert {row.signature_count for row in rows} == {len(rows)} == {expected}
        assert set(received.refused) <= {409}
        for signature in kept.values():
            base64.b64decode(signature, validate=True)


def test_the_recorder_is_killed_in_the_midst_of_a_commit(
    tmp_path: Path, open_database: Opener, database_url: str
) -> None:
    """It waits for a lock inside its transaction, is killed there, and its successor records the same, once."""
    settings_of(tmp_path / "spool", database_url)
    book = SqlBook(open_database(), ManualClock(PAST))
    version = book.version()
    sent = entry(version, access_revision=book.revision())
    with supervised(tmp_path / "spool", database_url) as recorder:
        first = entry(version, "first", access_revision=book.revision())

        async def scene() -> object:
            client = RecorderClient(socket_path(tmp_path / "spool"))
            await client.record_many([first], deadline=time.monotonic() + WAIT_SECONDS)
            pid = recorder.pid
            assert pid is not None
            with book.database.writing() as connection:
                connection.execute(text("UPDATE key_versions SET state = state"))
                waiting = asyncio.ensure_future(client.record_many([sent], deadline=time.monotonic() + WAIT_SECONDS))
                await asyncio.sleep(0.3)
                os.kill(pid, signal.SIGKILL)
            answers = await waiting
            client.close()
            await asyncio.sleep(0)
            return answers[0]

        answer = asyncio.run(scene())
    assert isinstance(answer, Recorded)
    assert [each.record_id for each in book.written()] == [first.record_id, sent.record_id]
