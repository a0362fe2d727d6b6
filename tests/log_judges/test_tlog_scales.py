"""The log read by ``tlog-scales``, which knows nothing of this service: notes, tiles, entries, both kinds of proof."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey
from tlog_scales.tiles import leaf_hash
from tlog_scales.tlog import ConsistencyProof, InclusionProof

from tests.support.logged_site import LoggedSite, logged_site

SIZES = (1, 2, 255, 256, 257, 600)


class Backend:
    """Asks the routes."""

    def __init__(self, site: LoggedSite) -> None:
        self._site = site

    def get(self, *path: str) -> bytes | None:
        answer = self._site.get("/".join(path))
        return answer.data if answer.status_code == 200 else None


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoggedSite]:
    with logged_site(tmp_path_factory.mktemp("scales")) as made:
        yield made


def test_every_size_is_read_and_consistent_with_every_one_before(site: LoggedSite) -> None:
    vkey = Vkey.from_string(site.checkpoints.key.vkey)
    roots: dict[int, bytes] = {}
    for size in SIZES:
        site.grow(size)
        reader = TilesReader(Backend(site))
        checkpoint = reader.get_checkpoint()
        checkpoint.verify(vkey)
        assert (checkpoint.size, reader.calculate_root_hash()) == (size, checkpoint.root_hash)
        for index in {0, size // 2, size - 1}:
            entry = reader.get_entry(index)
            assert [entry] == site.reader.leaves(index, index + 1)
            reader.get_inclusion_proof(index, size).check(leaf_hash(entry), checkpoint.root_hash)
            our_inclusion(site, index, size).check(leaf_hash(entry), checkpoint.root_hash)
        for old, root in roots.items():
            reader.get_consistency_proof(old, size).check(root, checkpoint.root_hash)
            our_consistency(site, old, size).check(root, checkpoint.root_hash)
        roots[size] = checkpoint.root_hash


def our_inclusion(site: LoggedSite, index: int, size: int) -> Any:
    return InclusionProof(index, size, hashes(site.get(f"proof?index={index}&size={size}").json()))


def our_consistency(site: LoggedSite, old: int, size: int) -> Any:
    return ConsistencyProof(old, size, hashes(site.get(f"proof?from={old}&to={size}").json()))


def hashes(document: Any) -> list[bytes]:
    return [bytes.fromhex(each) for each in document["hashes"]]
