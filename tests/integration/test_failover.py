"""PostgreSQL loses its primary, a streaming replica is promoted, and the service finds out what it has."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support import postgres
from tests.support.postgres import USER, Cluster
from tests.support.recorders import until

from .on_server import log_command, move_to_server
from .running import Installation, initialise, running

SETTINGS = {"SERVER_WORKERS": "1", "READINESS_INTERVAL": "1", "SIGNING_TIMEOUT": "10"}
KEY = "firmware"
_serial = itertools.count()
pytestmark = pytest.mark.slow


class House:
    """A primary and a replica behind one address, and a service on whichever that leads to."""

    def __init__(self, tmp_path: Path, stack: ExitStack) -> None:
        self._stack = stack
        self.primary = stack.enter_context(postgres.running_cluster())
        self._current = tmp_path / "current"
        self.lead_to(self.primary)
        self.primary.create_database("signer")
        with self.primary.connect("postgres") as connection:
            # Here the files of a server that is killed have to hold what was committed.
            connection.execute(f"ALTER ROLE {USER} SET synchronous_commit = on")
        self.url = f"postgresql+psycopg://{USER}@/signer?host={self._current}"
        self.installation: Installation = initialise(tmp_path / "installation")
        move_to_server(self.installation, self.url)
        self.replica = stack.enter_context(postgres.standby_of(self.primary))

    def lead_to(self, server: Cluster) -> None:
        """The address is that of another server."""
        other = self._current.with_suffix(".new")
        other.symlink_to(server.directory)
        other.replace(self._current)

    def catch_up(self) -> None:
        """The replica has all that the primary has."""
        with self.primary.connect("postgres") as connection:
            (position,) = connection.execute("SELECT pg_current_wal_lsn()").fetchall()[0]
        self.replica.waits_for(f"SELECT pg_last_wal_replay_lsn() >= '{position}'")

    def cut_off(self) -> None:
        """The replica gets nothing any more."""
        with self.replica.connect("postgres") as connection:
            connection.execute("ALTER SYSTEM SET primary_conninfo = ''")
            connection.execute("SELECT pg_reload_conf()")
        self.primary.waits_for("SELECT count(*) = 0 FROM pg_stat_replication")

    def fail_over(self) -> None:
        """The primary is gone, and the replica takes its place."""
        self.primary.kill()
        with self.replica.connect("postgres") as connection:
            connection.execute("SELECT pg_promote()")
        self.lead_to(self.replica)

    def bring_back(self) -> None:
        """The primary that was lost is there again, and serves."""
        self.lead_to(self._stack.enter_context(postgres.serving(self.primary.binaries, self.primary.directory)))

    def machines(self, server: Cluster) -> list[tuple[object, ...]]:
        """Who has confirmed which timeline."""
        with server.connect("signer") as connection:
            return connection.execute("SELECT machine, timeline FROM log_machines ORDER BY machine").fetchall()

    def size(self, server: Cluster) -> int:
        """How many leaves there are."""
        with server.connect("signer") as connection:
            (size,) = connection.execute("SELECT size FROM log_head").fetchall()[0]
        return int(size)

    def sign(self) -> httpx.Response:
        """The signature of a manifest that nobody else has."""
        digest = hashlib.sha256(b"%d" % next(_serial)).hexdigest()
        manifest = f"{digest}  version\n{digest}  header.tar.gz\n".encode()
        with self.installation.http() as http:
            return http.post(f"/v1/keys/{KEY}/signatures", content=manifest)

    def ready(self) -> int:
        """What ``/readyz`` answers."""
        with self.installation.http() as http:
            return http.get("/readyz").status_code

    @contextmanager
    def served(self) -> Iterator[None]:
        """The service runs."""
        with running(self.installation, DATABASE_URL=self.url, **SETTINGS):
            yield

    def verify(self) -> None:
        """The log holds, beside the checkpoint of this machine."""
        log_command(self.installation, self.url, "verify")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    if reason := postgres.missing():
        pytest.skip(reason)
    with ExitStack() as stack:
        yield House(tmp_path, stack)


def make_key(house: House) -> None:
    made = house.installation.run("keys", "create", KEY, "--algorithm", "ecdsa-p256")
    assert made.returncode == 0, made.stderr


def test_with_a_replica_that_lost_nothing_signing_goes_on_by_itself(house: House) -> None:
    with house.served():
        make_key(house)
        given = [house.sign().json() for _ in range(3)]
        house.catch_up()
        before = house.machines(house.primary)
        house.fail_over()
        until(lambda: house.sign().status_code == 200)
        until(lambda: house.ready() == 200)
        after = house.machines(house.replica)
    assert [machine for machine, _ in before] == [machine for machine, _ in after]
    assert before != after, "it was confirmed for the new timeline"
    house.verify()
    with house.replica.connect("signer") as connection:
        kept = {row[0]: bytes(row[1]) for row in connection.execute("SELECT id, signature FROM signatures").fetchall()}
    assert all(each["signature"].encode() in kept.values() for each in given)


def test_where_the_tail_is_missing_signing_stops_by_name(house: House) -> None:
    with house.served():
        make_key(house)
        assert house.sign().status_code == 200
        house.catch_up()
        house.cut_off()
        last = house.sign()
        assert last.status_code == 200
        house.fail_over()
        until(lambda: house.sign().json()["code"] == "log-stopped")
        refused = house.sign()
        assert (refused.status_code, refused.json()["facts"]) == (503, {"reason": "log-rolled-back"})
        until(lambda: house.ready() == 503)
        size = house.size(house.replica)
        assert size <= last.json()["index"]
    with house.installation.log.open() as log:
        assert any("log-rolled-back" in line for line in log)
    house.bring_back()
    with house.served():
        again = house.sign()
        assert again.status_code == 200
        assert again.json()["index"] > last.json()["index"]
    assert house.size(house.replica) == size
    house.verify()


def test_a_machine_that_is_gone_is_waited_for_until_a_person_says_so(house: House) -> None:
    with house.served():
        make_key(house)
        with house.primary.connect("signer") as connection:
            connection.execute(
                "INSERT INTO log_machines SELECT 'two', timeline, size, root, seen_at FROM log_machines LIMIT 1"
            )
        assert house.sign().status_code == 200, "on the timeline that both have seen"
        house.catch_up()
        house.fail_over()
        until(lambda: house.sign().json().get("code") == "failover-unconfirmed")
        refused = house.sign()
        assert (refused.status_code, refused.json()["facts"]) == (503, {"machines": ["two"]})
        until(lambda: house.ready() == 503)
        said = log_command(house.installation, house.url, "resume", "--without", "two")
        assert "two" in said
        until(lambda: house.sign().status_code == 200)
        until(lambda: house.ready() == 200)
    house.verify()
