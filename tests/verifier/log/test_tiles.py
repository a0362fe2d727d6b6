"""Tiles: paths have one spelling, and the published tiles come out."""

from __future__ import annotations

import hashlib

import pytest

from tests.verifier.log.trees import LEAVES, leaf, root
from verifier.errors import BundleMalformed, TilePathInvalid
from verifier.log import Tile, bundle_entries, packed_bundle

PATHS = {
    "tile/0/005": Tile(level=0, number=5),
    "tile/0/x001/000": Tile(level=0, number=1000),
    "tile/0/x001/x234/067": Tile(level=0, number=1234067),
    "tile/0/273.p/112": Tile(level=0, number=273, width=112),
    "tile/2/000.p/1": Tile(level=2, number=0, width=1),
    "tile/entries/000": Tile(level=None, number=0),
    "tile/entries/x001/000.p/255": Tile(level=None, number=1000, width=255),
}


@pytest.mark.parametrize(("path", "tile"), PATHS.items())
def test_a_path_is_read_as_it_is_written(path: str, tile: Tile) -> None:
    assert Tile.parse(path) == tile
    assert tile.path == path


REFUSED_PATHS = [
    "tile/0/5", "tile/0/+05", "tile/0/x000/005", "tile/00/005", "tile/01/005", "tile/8/000", "tile/64/000",
    "tile/0/005.p/0", "tile/0/005.p/256", "tile/0/005.p/01", "tile/0/005.p/", "tile/0/005/", "tile/0/1000",
    "tile/0/x1/000", "tile/data/000", "tile/0/\u0660\u0660\u0665", "tile/0/005\n", "/tile/0/005", "tile/-1/005",
    "tile/0/" + "x001/" * 7 + "000", "",
]  # fmt: skip


@pytest.mark.parametrize("path", REFUSED_PATHS)
def test_another_spelling_is_refused(path: str) -> None:
    with pytest.raises(TilePathInvalid):
        Tile.parse(path)


WITHIN = {
    "a full tile of a log that fills it": (Tile(level=0, number=0), 256, True),
    "a full tile one leaf too early": (Tile(level=0, number=0), 255, False),
    "a partial tile up to the size": (Tile(level=0, number=0, width=255), 255, True),
    "a tile of a level that is not complete": (Tile(level=1, number=0, width=1), 255, False),
    "the first hash of the second level": (Tile(level=1, number=0, width=1), 256, True),
}


@pytest.mark.parametrize(("tile", "size", "served"), WITHIN.values(), ids=WITHIN)
def test_only_what_the_log_covers_is_served(tile: Tile, size: int, served: bool) -> None:
    assert tile.within(size) is served


def test_the_published_tiles_come_out() -> None:
    leaves = [leaf(b"%d" % index) for index in range(70000)]

    def digest(tile: Tile) -> str:
        width = len(tile.leaves) // tile.width
        first = tile.leaves.start
        hashes = [root(leaves[first + i * width : first + (i + 1) * width]) for i in range(tile.width)]
        return hashlib.sha256(b"".join(hashes)).hexdigest()

    assert digest(Tile.parse("tile/0/000")) == "b9704a8bfbee2c61185ceb38904a49f3f703c81e194b5b2ccdc254c2bdaaa62b"
    assert digest(Tile.parse("tile/0/273.p/112")) == "4d21244557c976993a9a89bf928a46b5a876585228df279878239fd84489e5a5"
    assert digest(Tile.parse("tile/1/001.p/17")) == "adfaca2731630fe7944a4b98a0f98ef3e98685eafda09e6f81070218fb759ce4"


def test_a_bundle_is_packed_and_read() -> None:
    assert packed_bundle(LEAVES[:4]).hex() == "000000010000011000022021"
    assert list(bundle_entries(packed_bundle(LEAVES))) == LEAVES
    entries = packed_bundle(b"%d" % index for index in range(256))
    assert hashlib.sha256(entries).hexdigest() == "94693d5c6d6a0355ec07bac8214516c1ce6a5100b0588f226fd95f26571157d7"


@pytest.mark.parametrize("bundle", [b"\0", b"\0\1", b"\0\2a", b"\0\1a\0", bytes(2 * 257)])
def test_a_bundle_that_does_not_add_up_is_refused(bundle: bytes) -> None:
    with pytest.raises(BundleMalformed):
        list(bundle_entries(bundle))


def test_an_entry_beyond_two_bytes_of_length_is_refused() -> None:
    with pytest.raises(BundleMalformed):
        packed_bundle([bytes(0x10000)])
