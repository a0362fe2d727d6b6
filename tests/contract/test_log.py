"""The log on each kind of database: what is appended is what is read, and nobody else's rows are believed."""

from __future__ import annotations

import base64
import hashlib
import itertools
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DatabaseError, DBAPIError

from signer.domain.api_tokens import NewApiToken
from signer.domain.events import EventType
from signer.domain.leaves import LeafDraft, LogEvent, search_columns
from signer.domain.records import RecordType, record_leaf
from signer.errors import AccessTampered, LogDamaged
from signer.services.ports import LeafQuery
from signer.storage.access import access_digest
from signer.storage.api_token_store import SqlApiTokenStore
from signer.storage.database import Database
from signer.storage.key_store import SqlKeyStore
from signer.storage.log_append import TILE_WIDTH, append, lock_head
from signer.storage.log_reader import SqlLogReader
from signer.storage.log_start import start_log
from signer.storage.log_transaction import logged
from tests.support.books import SqlBook, entry
from tests.support.clock import ManualClock
from tests.support.databases import LOG_BEGAN, Opener, begin_log
from tests.support.records import add_pinned, event, swap
from verifier.log import EMPTY_ROOT, Frontier, leaf_hash, parsed_leaf, subtree_hash


@pytest.fixture
def database(open_database: Opener) -> Database:
    return open_database()


@pytest.fixture
def reader(database: Database) -> SqlLogReader:
    return SqlLogReader(database=database)


def fill(database: Database, count: int, clock: ManualClock, *, batch: int = 1000) -> None:
    """Append so many leaves that say little."""
    for start in range(0, count, batch):
        with database.writing() as connection:
            draft = LeafDraft(type=EventType.KEY_CREATED, actor="tests", members={"key": "firmware"})
            leaves = [draft.leaf(at=clock.now) for _ in range(min(batch, count - start))]
            append(connection, lock_head(connection), leaves)


def perfect(reader: SqlLogReader) -> Callable[[int, int], bytes]:
    """Hashes of perfect subtrees, as a reader of tiles makes them."""

    def of(level: int, number: int) -> bytes:
        tiles, width = level // 8, 1 << level % 8
        hashes = reader.stored_hashes(tiles, number * width, (number + 1) * width)
        return Frontier().extended(hashes).root

    return of


class TestReading:
    def test_a_new_log_has_one_leaf_that_says_so(self, reader: SqlLogReader) -> None:
        (leaf,) = reader.leaves(0, 1)
        members = parsed_leaf(leaf)
        assert (members["type"], members["origin"]) == ("log-created", "log.example")
        head = reader.head()
        assert (head.size, head.root, head.newest) == (1, leaf_hash(leaf), LOG_BEGAN)
        assert members["access_sha256"] == head.access_sha256

    @pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 600])
    def test_root_frontier_and_tiles_are_those_of_the_leaves(
        self, database: Database, reader: SqlLogReader, clock: ManualClock, size: int
    ) -> None:
        fill(database, size - 1, clock, batch=100)
        head, leaves = reader.head(), reader.leaves(0, size)
        hashes = [leaf_hash(leaf) for leaf in leaves]
        assert head.frontier == Frontier().extended(hashes)
        assert head.root == head.frontier.root == subtree_hash(0, size, perfect(reader))
        assert reader.stored_hashes(0, 0, size) == hashes
        full = size // TILE_WIDTH
        roots = [Frontier().extended(hashes[n * TILE_WIDTH : (n + 1) * TILE_WIDTH]).root for n in range(full)]
        assert reader.stored_hashes(1, 0, full) == roots

    @pytest.mark.slow
    def test_two_levels_of_full_tiles(self, database: Database, reader: SqlLogReader, clock: ManualClock) -> None:
        size = TILE_WIDTH**2 + 1
        fill(database, size - 1, clock, batch=5000)
        assert reader.head().root == subtree_hash(0, size, perfect(reader))
        (root,) = reader.stored_hashes(2, 0, 1)
        assert root == Frontier().extended(reader.stored_hashes(0, 0, TILE_WIDTH**2)).root

    RANGES = ((0, 1), (3, 9), (250, 260), (255, 256), (256, 300), (511, 513), (599, 600), (5, 5))

    @pytest.mark.parametrize("bounds", RANGES)
    def test_any_part_of_the_hashes(
        self, database: Database, reader: SqlLogReader, clock: ManualClock, bounds: tuple[int, int]
    ) -> None:
        fill(database, 599, clock)
        hashes = [leaf_hash(leaf) for leaf in reader.leaves(0, 600)]
        assert reader.stored_hashes(0, *bounds) == hashes[slice(*bounds)]

    def test_what_is_beyond_is_not_there(self, reader: SqlLogReader) -> None:
        for asked in (lambda: reader.leaves(0, 2), lambda: reader.stored_hashes(0, 0, 2)):
            with pytest.raises(LogDamaged) as refusal:
                asked()
            assert refusal.value.index == 1
        with pytest.raises(LogDamaged):
            reader.stored_hashes(1, 0, 1)


class TestFinding:
    QUERIES = {  # noqa: RUF012
        "everything": ({}, 3),
        "by type": ({"types": ("signature",)}, 1),
        "by several types": ({"types": ("signature", "log-created")}, 2),
        "by key": ({"key": "firmware"}, 1),
        "by a key that there is not": ({"key": "other"}, 0),
        "by artifact": ({"artifact": "release-1"}, 1),
        "by a name that looks like a pattern": ({"artifact": "release-%"}, 0),
        "by who asked": ({"actor": "api-token:pipeline"}, 1),
        "from an index on": ({"first": 1}, 2),
        "no more than wanted": ({"limit": 2}, 2),
        "since a moment": ({"since": LOG_BEGAN + timedelta(seconds=1)}, 2),
        "until a moment": ({"until": LOG_BEGAN + timedelta(seconds=1)}, 1),
    }

    @pytest.mark.parametrize("sentence", QUERIES)
    def test_it_is_found(self, database: Database, reader: SqlLogReader, clock: ManualClock, sentence: str) -> None:
        members, count = self.QUERIES[sentence]
        book = SqlBook(database, clock)
        version = book.version()
        sent = entry(version, access_revision=book.revision(), seen={"artifact": "release-1"})
        book.record_many([sent])
        # What made the version has the leaf of an event; one is left out to keep the table short.
        skipped = {"creation-started"}
        found = reader.find(LeafQuery(**{"first": 0, "limit": 100, **members}))
        told = [each for each in found if search_columns(each.leaf).type not in skipped]
        assert len(told) == count or (sentence == "no more than wanted" and len(found) == 2)

    COLUMNS = {  # noqa: RUF012
        "type": "'key-adopted'",
        "at": "'2001-02-03 00:00:00.000000'",
        "actor": "'somebody'",
        "key": "'other'",
        "key_version": "8",
        "artifact": "'release-9'",
        "manifest_sha256": "'ff'",
        "checked": "'blind'",
        "leaf_id": None,
        "leaf": None,
    }

    @pytest.mark.parametrize("column", COLUMNS)
    def test_a_column_that_says_something_else_is_not_shown(
        self, sqlite_url: str, clock: ManualClock, column: str
    ) -> None:
        opener = Opener(sqlite_url)
        database = opener()
        value = self.COLUMNS[column] or f"randomblob(length({column}))"
        add_pinned(SqlKeyStore(database=database, clock=clock))
        with database.writing() as connection:
            connection.execute(text("DROP TRIGGER log_leaves_keep_update"))
            connection.execute(text(f"UPDATE log_leaves SET {column} = {value} WHERE id = 1"))
        with pytest.raises(LogDamaged) as refusal:
            SqlLogReader(database=database).find(LeafQuery(first=0, limit=10))
        assert refusal.value.index == 1
        opener.close()


class TestAppending:
    def test_an_index_that_is_taken_is_an_error(self, database: Database, clock: ManualClock) -> None:
        head = SqlLogReader(database=database).head()
        fill(database, 1, clock)
        draft = LeafDraft(type=EventType.KEY_CREATED, actor="tests", members={})
        with pytest.raises((DatabaseError, sqlite3.DatabaseError)), database.writing() as connection:
            append(connection, head, [draft.leaf(at=clock.now)])

    def test_what_is_rolled_back_leaves_no_gap(
        self, database: Database, reader: SqlLogReader, clock: ManualClock
    ) -> None:
        before = reader.head()
        with pytest.raises(ZeroDivisionError), logged(database, clock) as log:
            log.tell(event(version=1 // 0))
        assert reader.head() == before
        fill(database, 1, clock)
        assert len(reader.leaves(0, 2)) == 2

    @pytest.mark.parametrize("table", ["log_leaves", "log_tiles"])
    @pytest.mark.parametrize("step", ["UPDATE {} SET id = id", "DELETE FROM {}"])
    def test_nothing_is_changed_or_removed(self, database: Database, clock: ManualClock, table: str, step: str) -> None:
        fill(database, 300, clock)
        statement = step.format(table).replace("id = id", "number = number" if table == "log_tiles" else "id = id")
        with pytest.raises(DBAPIError, match="records are never changed"), database.writing() as connection:
            connection.execute(text(statement))

    @pytest.mark.parametrize("kind", [*LogEvent, *EventType])
    def test_every_type_has_a_form_and_a_place(
        self, database: Database, reader: SqlLogReader, clock: ManualClock, kind: LogEvent | EventType
    ) -> None:
        # Those about signatures are about one; here it is the form that counts.
        draft = LeafDraft(type=kind, actor="tests", members={"key": "firmware", "key_version": 1})
        with database.writing() as connection:
            append(connection, lock_head(connection), [draft.leaf(at=clock.now)])
        (found,) = reader.find(LeafQuery(first=1, limit=10))
        assert search_columns(found.leaf).type == kind.value


class TestAccess:
    """Rows that give power are what the log says of them, or nothing is changed any more."""

    PLANTED = {  # noqa: RUF012
        "an API token": (
            "INSERT INTO api_tokens (id, name, role, secret_sha256, created_at) "
            "VALUES ('0123456789abcdef', 'mine', 'administrator', {blob}, '2030-01-01 00:00:00')"
        ),
        "a role that was raised": "UPDATE api_tokens SET role = 'administrator'",
        "a person who was put in": "UPDATE api_tokens SET person = 'ada'",
        "a scope that was widened": "UPDATE api_tokens SET scope_keys = '[\"**\"]', scope_actions = '[\"sign\"]'",
        "an end that was moved": "UPDATE api_tokens SET expires_at = '2040-01-01 00:00:00'",
        "a revocation that was taken back": "UPDATE api_tokens SET revoked_at = NULL",
        "a state": "UPDATE key_versions SET state = 'retired'",
        "a limit": "UPDATE key_versions SET signature_limit = 1000000",
        "a public key": "UPDATE key_versions SET spki = {blob}",
        "a purpose": "UPDATE keys SET purpose = 'log'",
        "a revision that was put back": "UPDATE access_state SET revision = 0",
    }

    @pytest.mark.parametrize("sentence", PLANTED)
    def test_a_planted_row_stops_the_next_change(self, database: Database, clock: ManualClock, sentence: str) -> None:
        store = SqlKeyStore(database=database, clock=clock)
        tokens = SqlApiTokenStore(database=database, clock=clock)
        add_pinned(store)
        build, following = (NewApiToken(name=name, role="signer") for name in ("build", "next"))
        tokens.add(token_id="a" * 16, new=build, secret_sha256=b"x" * 32, event=event(key=None))
        tokens.revoke("build", event(key=None))
        blob = "x'00'" if database.dialect == "sqlite" else "'x'::bytea"
        with database.writing() as connection:
            connection.execute(text(self.PLANTED[sentence].format(blob=blob)))
        before = SqlLogReader(database=database).head()
        for change in (
            lambda: add_pinned(store, "other"),
            lambda: store.record(event()),
            lambda: tokens.add(token_id="b" * 16, new=following, secret_sha256=b"y" * 32, event=event(key=None)),
        ):
            with pytest.raises(AccessTampered):
                change()
        assert SqlLogReader(database=database).head() == before

    @staticmethod
    def _digest(database: Database) -> str:
        with database.reading() as connection:
            return access_digest(connection)

    def test_each_change_says_what_was_and_what_is(
        self, database: Database, reader: SqlLogReader, clock: ManualClock
    ) -> None:
        store = SqlKeyStore(database=database, clock=clock)
        digests = [self._digest(database)]
        key = add_pinned(store)
        digests.append(self._digest(database))
        store.change(key, [swap(key.versions[0], key.versions[0].state, signature_limit=9)], [event()])
        digests.append(self._digest(database))
        said = [parsed_leaf(leaf) for leaf in reader.leaves(0, reader.head().size)]
        chained = [each for each in said if "access_before" in each]
        assert chained[0]["access_before"] == digests[0]
        assert chained[-1]["access_sha256"] == digests[-1] == reader.head().access_sha256
        for earlier, later in itertools.pairwise(chained):
            assert earlier["access_sha256"] == later["access_before"]

    def test_signatures_and_their_counters_change_no_power(self, database: Database, clock: ManualClock) -> None:
        book = SqlBook(database, clock)
        version = book.version()
        before = self._digest(database)
        book.record_many([entry(version, access_revision=book.revision())])
        assert self._digest(database) == before
        book.version()

    def test_an_event_that_changes_no_row_carries_no_digest(self, database: Database, clock: ManualClock) -> None:
        SqlKeyStore(database=database, clock=clock).record(event())
        (leaf,) = SqlLogReader(database=database).leaves(1, 2)
        assert not any(name.startswith("access_") for name in parsed_leaf(leaf))


class TestBeginning:
    """What was recorded before there was a log comes into it with its first transaction."""

    @pytest.fixture
    def young(self, database: Database) -> Database:
        with database.writing() as connection:
            self._unlog(connection)
        return database

    @staticmethod
    def _unlog(connection: Connection) -> None:
        if connection.dialect.name == "sqlite":
            connection.execute(text("DROP TRIGGER log_leaves_keep_delete"))
        else:
            # For this transaction alone: others use the same tables after it.
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("DELETE FROM log_leaves"))
        empty = {"root": EMPTY_ROOT, "frontier": b""}
        connection.execute(text("UPDATE log_head SET size = 0, root = :root, frontier = :frontier, at = NULL"), empty)

    def test_events_wait_for_it_and_keep_their_times(self, young: Database, clock: ManualClock) -> None:
        store = SqlKeyStore(database=young, clock=clock)
        store.record(event())
        first = clock.now
        clock.advance(days=1)
        store.record(event(EventType.CERTIFICATE_ISSUED, version=2))
        waiting = store.events(after=0, limit=10, key=None)
        assert [each.id for each in waiting] == [1, 2]
        clock.advance(days=1)
        begin_log(young, at=clock.now)
        taken = store.events(after=0, limit=10, key="firmware")
        assert [(each.at, each.event.type, each.event.version) for each in taken] == [
            (first, EventType.CREATION_STARTED, 1),
            (first + timedelta(days=1), EventType.CERTIFICATE_ISSUED, 2),
        ]
        assert [each.id for each in taken] == [2, 3]
        assert store.newest_timestamp() == clock.now

    def test_events_that_pin_a_key_tell_it_in_the_log(self, young: Database, clock: ManualClock) -> None:
        store = SqlKeyStore(database=young, clock=clock)
        version = add_pinned(store).versions[0]
        assert version.spki is not None
        pinned = event(EventType.KEY_CREATED)
        store.record(replace(pinned, after={"fingerprint": version.fingerprint}))
        store.record(replace(pinned, after={"fingerprint": "0" * 64}))
        begin_log(young, at=clock.now)
        *_, taken, other = (each.event.after for each in store.events(after=0, limit=10, key=None))
        assert taken["public_key"] == base64.b64encode(version.spki).decode()
        assert "public_key" not in other

    def test_it_begins_once(self, database: Database, clock: ManualClock) -> None:
        before = SqlLogReader(database=database).head()
        again = start_log(database, clock=clock, actor="tests", members={"origin": "another"})
        assert (again.begun, again.head) == (False, before)

    def test_signatures_of_before_are_found_and_given_out_again(self, young: Database, clock: ManualClock) -> None:
        book = SqlBook(young, clock)
        version = book.version()
        sent = entry(version, access_revision=book.revision(), seen={"artifact": "release-1"})
        leaf = record_leaf(sent, RecordType.SIGNATURE, signature=sent.signature, signature_id=0, at=clock.now)
        row = {
            "at": clock.now if young.dialect == "postgresql" else clock.now.replace(tzinfo=None).isoformat(" "),
            "document": leaf.content,
            "version": version,
            "manifest": sent.manifest_sha256,
            "signature": sent.signature,
        }
        with young.writing() as connection:
            connection.execute(
                text(
                    "INSERT INTO records_before_log (id, at, type, document, version_id, manifest_sha256, signature) "
                    "VALUES (0, :at, 'signature', :document, :version, :manifest, :signature)"
                ),
                row,
            )
        recorded_at = clock.now
        clock.advance(days=1)
        begin_log(young, at=clock.now)
        (written,) = book.written()
        members = parsed_leaf(written.document)
        assert (members["type"], members["artifact"], members["recorded"]) == (
            "signature",
            "release-1",
            recorded_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        )
        (outcome,) = book.record_many([entry(version, access_revision=book.revision())])
        assert (outcome.signature, outcome.repeated, outcome.index) == (sent.signature, True, written.index)

    def test_leaves_say_the_digest_of_their_bytes(self, reader: SqlLogReader) -> None:
        (leaf,) = reader.leaves(0, 1)
        assert reader.stored_hashes(0, 0, 1) == [hashlib.sha256(b"\x00" + leaf).digest()]
