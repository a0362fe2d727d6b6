"""Proofs for readers: they hold, they end at the newest checkpoint, and what does not lead there is damage."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from signer.domain.identity import Identity, Role
from signer.errors import (
    KeyNotFound,
    LogBeyondCheckpoint,
    LogDamaged,
    LogEntryNotFound,
    LogMissing,
    LogNotCertified,
    LogNotWitnessed,
)
from signer.services.log_answers import LogAnswers
from signer.services.log_checkpoints import NewestCheckpoint
from signer.services.log_proofs import LogProofService
from signer.services.log_tree import LogTree
from tests.support.memory_log import MemoryCheckpoints, MemoryLog, NoteKey, log_of, signature_leaf
from tests.support.roles import access_by_roles
from verifier.log import EMPTY_ROOT, LogDemand, LogTrust, leaf_hash, verify_consistency, verify_inclusion, verify_proof

READER = Identity(name="api-token:console", role=Role.READER)


class NothingRecalled:
    """Of recalls: there are none."""

    def manifests(self) -> frozenset[str]:
        return frozenset()


class Keys:
    """Of a key store: which keys there are."""

    def key(self, name: str) -> None:
        if name != "firmware":
            raise KeyNotFound(key=name)


@dataclass
class Readers:
    """A log of 300 signatures that is certified as far as 280, and the proofs of it."""

    log: MemoryLog = field(default_factory=lambda: log_of(280))
    checkpoints: MemoryCheckpoints = field(default_factory=MemoryCheckpoints)

    def __post_init__(self) -> None:
        self.checkpoints.publish(self.log)
        self.log.append(signature_leaf(number) for number in range(280, 300))
        self.proofs = LogProofService(
            reader=self.log,
            newest=NewestCheckpoint(self.checkpoints),
            store=Keys(),  # type: ignore[arg-type]
            recalls=NothingRecalled(),
            access=access_by_roles(),
        )

    @property
    def trust(self) -> LogTrust:
        return LogTrust(log_keys=(self.checkpoints.key.verifier,))


@pytest.fixture
def made() -> Readers:
    return Readers()


def test_the_proof_of_a_signature_is_one_for_verifiers(made: Readers) -> None:
    for proof in made.proofs.of_leaves([0, 7, 255, 256, 279]):
        evidence = verify_proof(
            LogDemand(trust=made.trust, unverified_proof=proof.text or b""),
            manifest_sha256=f"{proof.index:064x}",
            fingerprint="f" * 64,
            signature=b"A" * 86 + b"==",
        )
        assert (evidence.index, evidence.leaf.actor) == (proof.index, "api-token:pipeline")


def test_many_at_once_are_in_the_order_in_which_they_were_asked_for(made: Readers) -> None:
    asked = [5, 3, 270, 3, 4]
    assert [proof.index for proof in made.proofs.of_leaves(asked)] == asked


@pytest.mark.parametrize("size", [None, 280, 279, 257, 256, 8])
def test_the_path_of_a_leaf_leads_to_the_root_of_the_size(made: Readers, size: int | None) -> None:
    proof = made.proofs.of_index(7, size)
    leaf = leaf_hash(made.log.contents[7])
    assert proof.root == LogTree(made.log.stored_hashes).root(size or 280)
    verify_inclusion(index=7, size=proof.size, leaf=leaf, path=proof.path, root=proof.root)
    assert (proof.text is not None) is (size in (None, 280))
    assert proof.leaf is None


def _signed(made: Readers, size: int, name: str | None = None) -> bytes:
    """What a witness could have signed, under the log's key or another one."""
    key = made.checkpoints.key if name is None else NoteKey(name=name)
    return key.signed(size, LogTree(made.log.stored_hashes).root(size))


@pytest.mark.parametrize("size", [8, 255, 256, 257, 279, 280])
def test_where_witnesses_are_asked_for_it_is_the_checkpoint_that_they_signed(made: Readers, size: int) -> None:
    made.checkpoints.witnessed = _signed(made, size)
    leaf = made.log.contents[7]
    by_index = made.proofs.of_index(7, None, witnessed=True)
    by_digest = made.proofs.of_manifest(
        READER, manifest_sha256=f"{7:064x}", key="firmware", version=None, witnessed=True
    )
    for proof in (by_index, by_digest):
        assert (proof.index, proof.size, proof.checkpoint) == (7, size, made.checkpoints.witnessed)
        verify_inclusion(index=7, size=size, leaf=leaf_hash(leaf), path=proof.path, root=proof.root)
    assert (by_index.leaf, by_digest.leaf) == (None, leaf)
    assert made.proofs.of_index(7, None).size == 280


UNWITNESSED: dict[str, Callable[[Readers], bytes | None]] = {
    "nothing": lambda _: None,
    "garbage": lambda _: b"garbage",
    "an empty note": lambda _: b"",
    "the empty log": lambda made: made.checkpoints.key.signed(0, EMPTY_ROOT),
    "a log without the leaf": lambda made: _signed(made, 7),
    "more than this machine has certified": lambda made: _signed(made, 281),
    "another log of the same name": lambda made: made.checkpoints.key.signed(100, bytes(32)),
    "a log of another name": lambda made: _signed(made, 100, "other.example/log"),
}


@pytest.mark.parametrize("sentence", UNWITNESSED)
def test_no_leaf_is_witnessed_where_witnesses_signed(made: Readers, sentence: str) -> None:
    made.checkpoints.witnessed = UNWITNESSED[sentence](made)
    with pytest.raises(LogNotWitnessed) as refused:
        made.proofs.of_index(7, None, witnessed=True)
    assert refused.value.index == 7
    with pytest.raises(LogNotWitnessed):
        made.proofs.of_manifest(READER, manifest_sha256=f"{7:064x}", key="firmware", version=None, witnessed=True)


@pytest.mark.parametrize(("old", "size"), [(0, None), (1, 2), (255, 256), (256, 257), (7, None), (280, 280), (0, 0)])
def test_growth_is_shown_from_any_size_to_any_other(made: Readers, old: int, size: int | None) -> None:
    proof = made.proofs.of_growth(old, size)
    verify_consistency(old_size=old, old_root=proof.old_root, size=proof.size, root=proof.root, path=proof.path)
    assert proof.size == (280 if size is None else size)


BEYOND: dict[str, Callable[[LogProofService], object]] = {
    "a leaf that no checkpoint covers": lambda proofs: proofs.of_index(280, None),
    "a leaf that is not there": lambda proofs: proofs.of_index(1 << 62, None),
    "a size that no checkpoint covers": lambda proofs: proofs.of_index(0, 281),
    "a leaf at the size itself": lambda proofs: proofs.of_index(9, 9),
    "size 0": lambda proofs: proofs.of_index(0, 0),
    "growth beyond the checkpoint": lambda proofs: proofs.of_growth(1, 281),
    "growth backwards": lambda proofs: proofs.of_growth(9, 8),
    "growth from beyond the checkpoint": lambda proofs: proofs.of_growth(281, None),
    "leaves of which one is not covered": lambda proofs: proofs.of_leaves([0, 280]),
}


@pytest.mark.parametrize("sentence", BEYOND)
def test_nothing_beyond_the_checkpoint_is_told(made: Readers, sentence: str) -> None:
    with pytest.raises(LogBeyondCheckpoint) as refused:
        BEYOND[sentence](made.proofs)
    assert refused.value.size == 280


class TestOfAManifest:
    """By digest and key: the newest version, after most was seen."""

    def asked(self, made: Readers, number: int = 3, key: str = "firmware", version: int | None = None) -> int:
        proof = made.proofs.of_manifest(READER, manifest_sha256=f"{number:064x}", key=key, version=version)
        return proof.index

    @pytest.fixture
    def made(self) -> Readers:
        log = log_of(10)
        log.append(
            [
                signature_leaf(3, checked="artifact"),  # 10
                signature_leaf(3, key_version=2, checked="manifest"),  # 11
                signature_leaf(3, key_version=2, checked="head"),  # 12
                signature_leaf(3, key="other", key_version=9),  # 13
            ]
        )
        log.append(signature_leaf(number) for number in range(14, 280))
        return Readers(log=log)

    def test_the_newest_version_after_most_was_seen(self, made: Readers) -> None:
        assert self.asked(made) == 12

    @pytest.mark.parametrize(("marked", "asked"), [(("artifact",), 1), (("manifest", "artifact"), 1), ((), 2)])
    def test_one_of_no_emergency_before_one_that_saw_more(self, marked: tuple[str, ...], asked: int) -> None:
        log = MemoryLog()
        for number, seen in enumerate(("manifest", "head", "artifact")):
            mark = {"emergency": True} if seen in marked else {}
            log.append([signature_leaf(number, manifest_sha256="a" * 64, checked=seen, **mark)])
        proofs = Readers(log=log).proofs
        proof = proofs.of_manifest(READER, manifest_sha256="a" * 64, key="firmware", version=None)
        assert proof.index == asked

    def test_a_version_that_is_named(self, made: Readers) -> None:
        assert self.asked(made, version=1) == 10

    def test_one_that_no_checkpoint_covers_is_not_found(self, made: Readers) -> None:
        with pytest.raises(LogEntryNotFound):
            self.asked(made, 290)

    def test_one_of_another_key_is_not_found(self, made: Readers) -> None:
        with pytest.raises(LogEntryNotFound):
            self.asked(made, version=9)

    def test_a_key_that_is_not_there_is_named(self, made: Readers) -> None:
        with pytest.raises(KeyNotFound):
            self.asked(made, key="other")

    @pytest.mark.parametrize("key", ["firmware", "other"])
    def test_who_may_not_know_of_the_key_is_told_that_there_is_none(self, made: Readers, key: str) -> None:
        stranger = Identity(name="stranger", role="owner")
        with pytest.raises(KeyNotFound):
            made.proofs.of_manifest(stranger, manifest_sha256="0" * 64, key=key, version=None)


def flip(hashes: list[bytes], index: int) -> None:
    hashes[index] = bytes([hashes[index][0] ^ 1]) + hashes[index][1:]


DAMAGE: dict[str, Callable[[MemoryLog], None]] = {
    "a leaf": lambda log: log.contents.__setitem__(7, log.contents[8]),
    "the hash of its neighbour": lambda log: flip(log.levels[0], 6),
    "a hash far away": lambda log: flip(log.levels[0], 279),
    "the leaf with its hash": lambda log: (
        log.contents.__setitem__(7, b"{}"), log.levels[0].__setitem__(7, leaf_hash(b"{}"))
    )[0],
}  # fmt: skip


@pytest.mark.parametrize("sentence", DAMAGE)
def test_no_proof_comes_out_of_a_changed_log(made: Readers, sentence: str) -> None:
    DAMAGE[sentence](made.log)
    with pytest.raises(LogDamaged) as refused:
        made.proofs.of_leaves([7])
    assert refused.value.index == 7


def test_a_log_that_was_repaired_is_read_anew(made: Readers) -> None:
    flip(made.log.levels[0], 6)
    with pytest.raises(LogDamaged):
        made.proofs.of_leaves([7])
    flip(made.log.levels[0], 6)
    assert made.proofs.of_leaves([7])[0].index == 7


@pytest.mark.parametrize("old", [3, 255])
def test_no_growth_is_shown_in_a_changed_log(made: Readers, old: int) -> None:
    flip(made.log.levels[0], 2)
    with pytest.raises(LogDamaged):
        made.proofs.of_growth(old, None)


def test_an_older_size_is_vouched_for_by_the_newest_checkpoint(made: Readers) -> None:
    flip(made.log.levels[0], 2)
    with pytest.raises(LogDamaged):
        made.proofs.of_index(7, 9)


def test_a_log_without_a_checkpoint_proves_nothing() -> None:
    proofs = LogProofService(
        reader=log_of(3),
        newest=NewestCheckpoint(MemoryCheckpoints()),
        store=Keys(),  # type: ignore[arg-type]
        recalls=NothingRecalled(),
        access=access_by_roles(),
    )
    with pytest.raises(LogMissing):
        proofs.of_index(0, None)


@pytest.mark.parametrize("note", [b"", b"garbage", b"a\nb\nc\n\n\xe2\x80\x94 a b\n"])
def test_a_checkpoint_that_is_none_is_damage(made: Readers, note: bytes) -> None:
    made.checkpoints.note = note
    with pytest.raises(LogDamaged):
        made.proofs.of_index(0, None)


class TestWhatIsRead:
    """Of leaves that were just recorded: all that is new in one go, and nothing twice."""

    def grow(self, made: Readers, size: int) -> None:
        made.log.append(signature_leaf(number) for number in range(len(made.log.contents), size))
        made.checkpoints.publish(made.log)
        made.log.reads.clear()
        made.log.leaf_reads.clear()

    def test_the_first_reads_its_tile(self, made: Readers) -> None:
        made.proofs.of_leaves([279])
        assert (made.log.leaf_reads, made.log.reads) == ([(256, 280)], [(1, 0, 1)])

    def test_who_comes_next_reads_what_is_new(self, made: Readers) -> None:
        made.proofs.of_leaves([279])
        self.grow(made, 310)
        made.proofs.of_leaves([303, 301])
        assert (made.log.leaf_reads, made.log.reads) == ([(280, 310)], [])

    def test_who_asks_for_what_was_read_with_others_reads_nothing(self, made: Readers) -> None:
        made.proofs.of_leaves([279])
        self.grow(made, 310)
        made.proofs.of_leaves([303])
        made.log.leaf_reads.clear()
        assert [proof.index for proof in made.proofs.of_leaves([281, 270, 309])] == [281, 270, 309]
        assert (made.log.leaf_reads, made.log.reads) == ([], [])

    def test_older_ones_that_are_near_each_other_are_read_together(self, made: Readers) -> None:
        made.proofs.of_leaves([279])
        self.grow(made, 310)
        made.proofs.of_leaves([20, 3, 100, 21])
        assert made.log.leaf_reads == [(3, 22), (100, 101)]

    def test_a_new_tile_is_read_from_its_beginning(self, made: Readers) -> None:
        made.proofs.of_leaves([279])
        self.grow(made, 515)
        made.proofs.of_leaves([513])
        assert made.log.leaf_reads == [(512, 515)]

    def test_no_more_is_kept_than_the_leaves_of_two_tiles(self, made: Readers) -> None:
        for size in range(281, 2000, 40):
            self.grow(made, max(size, 300))
            made.proofs.of_leaves([len(made.log.contents) - 1])
            assert len(made.proofs._leaves._kept) <= 512

    def test_a_leaf_that_was_changed_after_it_was_read_is_not_believed(self, made: Readers) -> None:
        made.log.contents[279] = made.log.contents[278]
        with pytest.raises(LogDamaged):
            made.proofs.of_leaves([279])
        made.log.contents[279] = signature_leaf(279).content
        assert made.proofs._leaves._kept == {}


class TestOnALoop:
    """Who waits at the same time is served together."""

    def test_what_waits_together_is_read_together(self, made: Readers) -> None:
        calls: list[list[int]] = []
        of_leaves = made.proofs.of_leaves
        made.proofs.of_leaves = lambda indexes: (calls.append([*indexes]), of_leaves(indexes))[1]  # type: ignore[method-assign]

        async def ask() -> list[int]:
            answers = LogAnswers(made.proofs)
            return [proof.index for proof in await asyncio.gather(*(answers.proof(index) for index in range(100)))]

        assert asyncio.run(ask()) == [*range(100)]
        assert calls == [[*range(100)]]

    def test_what_is_not_certified_is_refused_alone(self, made: Readers) -> None:
        async def ask() -> list[object]:
            answers = LogAnswers(made.proofs)
            return await asyncio.gather(answers.proof(3), answers.proof(280), answers.proof(4), return_exceptions=True)

        first, refused, last = asyncio.run(ask())
        assert (first.index, last.index) == (3, 4)  # type: ignore[attr-defined]
        assert isinstance(refused, LogNotCertified)
        assert refused.index == 280

    def test_many_have_an_outcome_each_in_order(self, made: Readers) -> None:
        async def ask() -> list[object]:
            return [*await LogAnswers(made.proofs).proofs([279, 280, 3, 279])]

        last, refused, first, again = asyncio.run(ask())
        assert (last.index, first.index, again.index) == (279, 3, 279)  # type: ignore[attr-defined]
        assert isinstance(refused, LogNotCertified)

    def test_damage_ends_all_who_wait_for_it(self, made: Readers) -> None:
        flip(made.log.levels[0], 6)

        async def ask() -> list[object]:
            answers = LogAnswers(made.proofs)
            return await asyncio.gather(answers.proof(3), answers.proof(7), return_exceptions=True)

        assert [type(each) for each in asyncio.run(ask())] == [LogDamaged, LogDamaged]

    def test_who_stops_waiting_stops_nobody_else(self, made: Readers) -> None:
        async def ask() -> int:
            answers = LogAnswers(made.proofs)
            leaving = asyncio.create_task(answers.proof(3))
            staying = asyncio.create_task(answers.proof(3))
            await asyncio.sleep(0)
            leaving.cancel()
            return (await staying).index

        assert asyncio.run(ask()) == 3
