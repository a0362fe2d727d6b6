"""What is told of the log: nothing beyond the newest checkpoint, and no leaf that the checkpoint does not vouch for."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from typing import Any, ClassVar

import pytest

from signer.domain.identity import Identity, Role
from signer.errors import AccessDenied, LogBeyondCheckpoint, LogDamaged, LogMissing
from signer.services.log_checkpoints import NewestCheckpoint
from signer.services.log_proofs import LogProofService
from signer.services.log_queries import LogQueryService, Page
from signer.services.ports import LeafQuery, LogEntry
from tests.signer.services.test_log_proofs import NothingRecalled
from tests.support.memory_log import MemoryCheckpoints, MemoryLog, log_of, moment, signature_leaf
from tests.support.roles import access_by_roles
from verifier.log import Tile, bundle_entries, open_checkpoint

ADMIN, AUDITOR, SIGNER, READER = (
    Identity(name=f"api-token:{role}", role=role)
    for role in (Role.ADMINISTRATOR, Role.AUDITOR, Role.SIGNER, Role.READER)
)
ALL = LeafQuery(first=0, limit=1000)
SIZE = 300


def queries(log: MemoryLog, checkpoints: MemoryCheckpoints) -> LogQueryService:
    newest = NewestCheckpoint(checkpoints)
    access = access_by_roles()
    proofs = LogProofService(
        reader=log,
        newest=newest,
        store=None,  # type: ignore[arg-type]
        recalls=NothingRecalled(),
        access=access,
    )
    return LogQueryService(
        reader=log,
        newest=newest,
        proofs=proofs,
        recalled=None,  # type: ignore[arg-type]
        store=None,  # type: ignore[arg-type]
        access=access,
    )


class Site:
    """A log of 310 leaves that is certified as far as 300."""

    def __init__(self) -> None:
        self.log = log_of(SIZE)
        self.checkpoints = MemoryCheckpoints()
        self.checkpoints.publish(self.log)
        self.log.append(signature_leaf(number) for number in range(SIZE, SIZE + 10))
        self.queries = queries(self.log, self.checkpoints)

    def entries(self, **wanted: Any) -> Page:
        return self.queries.entries(AUDITOR, replace(ALL, **wanted))


@pytest.fixture
def site() -> Site:
    return Site()


def test_the_checkpoint_is_the_signed_note(site: Site) -> None:
    opened = open_checkpoint(site.queries.checkpoint(), [site.checkpoints.key.verifier])
    assert opened.checkpoint.size == SIZE


def test_a_log_without_a_checkpoint_tells_nothing() -> None:
    empty = queries(log_of(3), MemoryCheckpoints())
    for ask in (empty.checkpoint, lambda: empty.hashes(Tile(level=0, number=0, width=1))):
        with pytest.raises(LogMissing):
            ask()


@pytest.fixture(scope="module")
def large() -> LogQueryService:
    log = MemoryLog()
    for number in range(70_000):
        log.add(b"%d" % number)
    checkpoints = MemoryCheckpoints()
    checkpoints.publish(log)
    return queries(log, checkpoints)


class TestTiles:
    """Any width up to the checkpoint."""

    @pytest.mark.parametrize(
        ("path", "digest"),
        [
            ("tile/0/000", "b9704a8bfbee2c61185ceb38904a49f3f703c81e194b5b2ccdc254c2bdaaa62b"),
            ("tile/0/273.p/112", "4d21244557c976993a9a89bf928a46b5a876585228df279878239fd84489e5a5"),
            ("tile/1/000", "ea7b038bc73489c89c31a27ac355aaca65a4ed73f0dd7484e68deb29d30f10a2"),
            ("tile/1/001.p/17", "adfaca2731630fe7944a4b98a0f98ef3e98685eafda09e6f81070218fb759ce4"),
            ("tile/entries/000", "94693d5c6d6a0355ec07bac8214516c1ce6a5100b0588f226fd95f26571157d7"),
        ],
    )
    def test_tiles_are_those_of_the_published_vectors(self, large: LogQueryService, path: str, digest: str) -> None:
        tile = Tile.parse(path)
        content = large.bundle(AUDITOR, tile) if tile.level is None else large.hashes(tile)
        assert sha256(content).hexdigest() == digest

    def test_a_partial_tile_is_the_beginning_of_the_full_one(self, large: LogQueryService) -> None:
        full = large.hashes(Tile(level=0, number=3))
        for width in (1, 2, 100, 255):
            assert large.hashes(Tile(level=0, number=3, width=width)) == full[: 32 * width]

    @pytest.mark.parametrize(
        "path",
        ["tile/0/001", "tile/0/001.p/45", "tile/0/002.p/1", "tile/1/000", "tile/1/000.p/2", "tile/2/000.p/1",
         "tile/7/000.p/1", "tile/0/x999/x999/x999/x999/x999/x999/999"],
    )  # fmt: skip
    def test_what_no_checkpoint_covers_is_not_told(self, site: Site, path: str) -> None:
        with pytest.raises(LogBeyondCheckpoint):
            site.queries.hashes(Tile.parse(path))

    @pytest.mark.parametrize("path", ["tile/0/001.p/44", "tile/1/000.p/1", "tile/0/000.p/1"])
    def test_what_the_checkpoint_covers_is(self, site: Site, path: str) -> None:
        assert len(site.queries.hashes(Tile.parse(path))) == 32 * Tile.parse(path).width

    @pytest.mark.parametrize("path", ["tile/entries/001", "tile/entries/001.p/45", "tile/entries/002.p/1"])
    def test_nor_are_its_entries(self, site: Site, path: str) -> None:
        with pytest.raises(LogBeyondCheckpoint):
            site.queries.bundle(AUDITOR, Tile.parse(path))

    def test_a_bundle_holds_the_leaves(self, site: Site) -> None:
        bundle = site.queries.bundle(AUDITOR, Tile.parse("tile/entries/001.p/44"))
        assert list(bundle_entries(bundle)) == site.log.contents[256:300]

    def test_a_bundle_is_no_tile(self, site: Site) -> None:
        with pytest.raises(ValueError, match="no hashes"):
            site.queries.hashes(Tile(level=None, number=0, width=1))


@pytest.mark.parametrize("identity", [SIGNER, READER], ids=lambda identity: identity.role.value)
class TestWhoMayNotReadTheLog:
    """Signing and reading keys is not reading the log."""

    def test_a_bundle(self, site: Site, identity: Identity) -> None:
        with pytest.raises(AccessDenied):
            site.queries.bundle(identity, Tile(level=None, number=0))

    def test_entries(self, site: Site, identity: Identity) -> None:
        with pytest.raises(AccessDenied):
            site.queries.entries(identity, ALL)


def test_an_administrator_may_read_the_log(site: Site) -> None:
    assert len(site.queries.entries(ADMIN, ALL).entries) == SIZE


class TestEntries:
    """Pages and filters."""

    FILTERS: ClassVar[dict[str, tuple[dict[str, Any], list[int]]]] = {
        "an artifact": ({"artifact": "release-7"}, [7]),
        "an artifact that is not there": ({"artifact": "release"}, []),
        "a digest": ({"manifest_sha256": f"{9:064x}"}, [9]),
        "a key": ({"key": "firmware", "limit": 2}, [0, 1]),
        "another key": ({"key": "other"}, []),
        "an identity": ({"actor": "api-token:pipeline", "first": 298}, [298, 299]),
        "another identity": ({"actor": "api-token:admin"}, []),
        "a type": ({"types": ("signature",), "first": 299}, [299]),
        "another type": ({"types": ("signature-refused",)}, []),
        "a time": ({"since": moment(3), "until": moment(5)}, [3, 4]),
        "a time and an artifact outside it": ({"since": moment(3), "artifact": "release-2"}, []),
        "one that no checkpoint covers": ({"artifact": "release-305"}, []),
        "a place beyond the checkpoint": ({"first": 300}, []),
        "a place beyond everything": ({"first": (1 << 63) - 1}, []),
    }

    @pytest.mark.parametrize("sentence", FILTERS)
    def test_are_found_by(self, site: Site, sentence: str) -> None:
        wanted, found = self.FILTERS[sentence]
        assert [entry.index for entry in site.entries(**wanted).entries] == found

    def test_come_a_page_at_a_time_and_end_at_the_checkpoint(self, site: Site) -> None:
        pages, first = [], 0
        while True:
            page = site.entries(first=first, limit=70)
            pages.append([entry.index for entry in page.entries])
            assert page.size == SIZE
            if page.next_first is None:
                break
            first = page.next_first
        assert [len(page) for page in pages] == [70, 70, 70, 70, 20]
        assert [index for page in pages for index in page] == [*range(SIZE)]

    def test_a_last_page_that_is_full_is_the_last(self, site: Site) -> None:
        assert site.entries(first=200, limit=100).next_first is None


def another_artifact(log: MemoryLog) -> None:
    leaf = json.loads(log.contents[7])
    log.contents[7] = json.dumps({**leaf, "artifact": "release-8"}, sort_keys=True, separators=(",", ":")).encode()


def test_a_leaf_that_was_rewritten_with_all_that_stands_beside_it_is_not_shown(site: Site) -> None:
    another_artifact(site.log)
    with pytest.raises(LogDamaged) as refused:
        site.entries(artifact="release-8")
    assert refused.value.index == 7


FALSE: dict[str, dict[str, Any]] = {
    "another artifact": {"artifact": "release-7"},
    "another key": {"key": "other"},
    "another identity": {"actor": "api-token:admin"},
    "another digest": {"manifest_sha256": "0" * 64},
    "another type": {"types": ("key-created",)},
    "a later time": {"since": moment(9)},
    "an earlier time": {"until": moment(8)},
    "an earlier place": {"first": 9},
}


@pytest.mark.parametrize("sentence", FALSE)
def test_a_database_that_passes_a_leaf_off_as_one_of(
    site: Site, monkeypatch: pytest.MonkeyPatch, sentence: str
) -> None:
    monkeypatch.setattr(MemoryLog, "find", lambda log, _: [LogEntry(index=8, leaf=log.contents[8])])
    with pytest.raises(LogDamaged) as refused:
        site.entries(**FALSE[sentence])
    assert refused.value.index == 8
