"""Plain blocks are those that need no rule: what is plain is read as the rules read it, and nothing odd is plain."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.artifacts.tarwriter import Field, Member, tar_bytes
from verifier import Limits, VerificationError
from verifier._tar import ArchiveEnd, MemberEnd, TarReader
from verifier._tar_header import Member as ReadMember
from verifier._tar_header import parse_block
from verifier._tar_member import BLOCK
from verifier._tar_plain import plain_block

ORDINARY = Member(name="manifest", content=b"x" * 700)


def block(member: Member = ORDINARY) -> bytes:
    return tar_bytes([member])[:BLOCK]


def checksummed(changed: bytearray) -> bytes:
    changed[148:156] = b" " * 8
    changed[148:156] = b"%06o\0 " % sum(changed)
    return bytes(changed)


def test_what_writers_write_is_plain() -> None:
    assert plain_block(block()) == ("manifest", 700, 0o600)


NOT_PLAIN = {
    "a name that ends in a field of another kind": {Field.NAME: b"a\0b"},
    "a name with a character that does not print": {Field.NAME: b"a\x1bb"},
    "a name that is not ASCII": {Field.NAME: "ä".encode()},
    "no name": {Field.NAME: b""},
    "the magic of a gzip file": {Field.NAME: b"\x1f\x8b\x08"},
    "a size in base 256": {Field.SIZE: b"\x80" + bytes(10) + b"\x05"},
    "a size with blanks": {Field.SIZE: b"       1274 "},
    "a size with a digit that is not octal": {Field.SIZE: b"00000000008\0"},
    "a sign": {Field.SIZE: b"+0000001274\0"},
    "an underscore": {Field.SIZE: b"0000000_274\0"},
    "a link name": {Field.LINK: b"target"},
    "a directory": {Field.TYPE: b"5"},
    "a PAX header": {Field.TYPE: b"x"},
    "a long name": {Field.TYPE: b"L"},
    "a prefix": {Field.PREFIX: b"directory"},
    "another magic": {Field.MAGIC: b"ustar\x0001"},
    "a wrong checksum": {Field.CHECKSUM: b"000000\0 "},
}


@pytest.mark.parametrize("sentence", NOT_PLAIN)
def test_is_not_plain(sentence: str) -> None:
    assert plain_block(block(Member(name="manifest", content=b"", fields=NOT_PLAIN[sentence]))) is None


def test_zeros_are_not_plain() -> None:
    assert plain_block(bytes(BLOCK)) is None


@pytest.mark.parametrize("seed", range(8))
def test_what_is_plain_the_rules_accept_and_read_alike(seed: int) -> None:
    """Thousands of blocks with bytes changed at random and the checksum made again, for most of them."""
    chance = random.Random(seed)
    plain = 0
    for _ in range(4000):
        changed = bytearray(block())
        for _ in range(chance.randint(1, 3)):
            changed[chance.randrange(BLOCK)] = chance.choice((0, 32, 47, 48, 53, 55, 56, 65, 120, 128, 255))
        made = checksummed(changed) if chance.random() < 0.9 else bytes(changed)
        found = plain_block(made)
        if found is not None:
            plain += 1
            member = parse_block(made, part="artifact", offset=0)
            assert (member.name, member.size, member.mode, member.typeflag) == (*found, "0")
    assert plain > 100


def items(archive: bytes, cut: int) -> tuple[list[Any], VerificationError | None]:
    """What a reader tells of an archive in pieces of ``cut`` bytes, data joined; and its error."""
    reader = TarReader(part="artifact", limits=Limits())
    told: list[Any] = []
    try:
        for at in range(0, len(archive), cut):
            for item in reader.feed(memoryview(archive[at : at + cut])):
                if isinstance(item, memoryview):
                    if isinstance(told[-1], bytes):
                        told[-1] += bytes(item)
                    else:
                        told.append(bytes(item))
                elif isinstance(item, MemberEnd):
                    told.append(("end", item.padded_with_zeros))
                else:
                    told.append("archive end" if isinstance(item, ArchiveEnd) else item)
        reader.finish()
    except VerificationError as error:
        return told, error
    return told, None


def sequence(chance: random.Random) -> bytes:
    members = [
        Member(name=chance.choice("abc"), content=chance.randbytes(chance.choice((0, 1, 511, 512, 513, 1500))))
        for _ in range(chance.randint(1, 4))
    ]
    archive = bytearray(tar_bytes(members))
    for _ in range(chance.choice((0, 0, 1, 2))):
        archive[chance.randrange(len(archive))] = chance.choice((0, 48, 49, 128))
    start = chance.randrange(0, len(archive), BLOCK)
    if chance.random() < 0.3:
        archive[start : start + BLOCK] = checksummed(archive[start : start + BLOCK])
    return bytes(archive)


@pytest.mark.parametrize("seed", range(8))
def test_members_that_come_whole_are_told_like_members_in_pieces(seed: int) -> None:
    """In pieces smaller than a block nothing comes whole, so all of it takes the way of the rules."""
    chance = random.Random(seed)
    for _ in range(60):
        archive = sequence(chance)
        expected = items(archive, 200)
        for cut in (len(archive), 512, 513, 1024, 3000):
            assert items(archive, cut) == expected


def test_plain_members_are_not_read_by_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> ReadMember:
        raise AssertionError("a plain block was parsed")

    monkeypatch.setattr("verifier._tar_header.parse_block", fail)
    assert items(tar_bytes([ORDINARY, ORDINARY]), 10_000)[1] is None
