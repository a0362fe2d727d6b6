"""Versions in their orders, against the tables of those who made the orders and against dpkg itself."""

from __future__ import annotations

import random
import subprocess
import time
from itertools import pairwise

import pytest

from signer.domain.access.versions import MAX_VERSION_CHARACTERS, Order, is_older, rank, step

# Each list is in order, the oldest first; each entry of a list: versions that are equal.
ASCENDING = {
    # Semantic Versioning 2.0.0, section 11.2 and 11.4.4.
    "semver: releases": (Order.SEMVER, ["1.0.0", "2.0.0", "2.1.0", "2.1.1"]),
    "semver: what comes before a release": (
        Order.SEMVER,
        [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
        ],
    ),
    "semver: numbers before words, by number": (
        Order.SEMVER,
        ["1.0.0-0", "1.0.0-2", "1.0.0-10", "1.0.0--", "1.0.0-A", "1.0.0-a", "1.0.0-a.0", "1.0.0-a-b", "1.0.0-a0"],
    ),
    "semver: numbers of any length": (Order.SEMVER, ["1.9.0", "1.10.0", "99999999999999999999.0.0"]),
    "semver: build metadata decides nothing": (Order.SEMVER, ["1.0.0-1+z", ("1.0.0", "1.0.0+a", "1.0.0+0.b"), "1.0.1"]),
    "numeric": (Order.NUMERIC, [("0", "000"), ("7", "007"), "10", "0100", "999999999999999999"]),
    "debian": (
        Order.DEBIAN,
        ["0~~", "0~~a", "0~", ("0", "0-0", "0:0"), "0+", "1~rc1-1", "1-1~bpo", "1-1", "1a", "1+", "1.0", "1:0.1"],
    ),
}

NO_VERSIONS = {
    "semver: two numbers": (Order.SEMVER, "1.0"),
    "semver: a leading zero": (Order.SEMVER, "01.0.0"),
    "semver: a leading zero after the hyphen": (Order.SEMVER, "1.0.0-01"),
    "semver: a v": (Order.SEMVER, "v1.0.0"),
    "semver: nothing after the hyphen": (Order.SEMVER, "1.0.0-"),
    "semver: an empty part": (Order.SEMVER, "1.0.0-a..b"),
    "semver: nothing after the plus": (Order.SEMVER, "1.0.0+"),
    "semver: two pluses": (Order.SEMVER, "1.0.0+a+b"),
    "semver: digits of another script": (Order.SEMVER, "1.0.\u0663"),
    "semver: a newline": (Order.SEMVER, "1.0.0\n"),
    "semver: negative": (Order.SEMVER, "-1.0.0"),
    "semver: nothing": (Order.SEMVER, ""),
    "semver: too long": (Order.SEMVER, "1.0." + "1" * MAX_VERSION_CHARACTERS),
    "numeric: a sign": (Order.NUMERIC, "+1"),
    "numeric: below zero": (Order.NUMERIC, "-1"),
    "numeric: a point": (Order.NUMERIC, "1.0"),
    "numeric: an underscore, which Python reads": (Order.NUMERIC, "1_0"),
    "numeric: a space, which Python reads": (Order.NUMERIC, " 1"),
    "numeric: a newline": (Order.NUMERIC, "1\n"),
    "numeric: digits of another script, which Python reads": (Order.NUMERIC, "\u0661"),
    "numeric: an exponent": (Order.NUMERIC, "1e3"),
    "numeric: too many digits": (Order.NUMERIC, "1" * 19),
    "numeric: nothing": (Order.NUMERIC, ""),
    "debian: a letter first": (Order.DEBIAN, "a1"),
    "debian: an empty revision": (Order.DEBIAN, "1-"),
    "debian: no epoch before the colon": (Order.DEBIAN, ":1"),
    "debian: a word for an epoch": (Order.DEBIAN, "a:1"),
    "debian: an epoch that no integer holds": (Order.DEBIAN, "2147483648:1"),
    "debian: nothing after the colon": (Order.DEBIAN, "1:"),
    "debian: a slash": (Order.DEBIAN, "1/2"),
    "debian: a space": (Order.DEBIAN, "1 2"),
    "debian: a newline": (Order.DEBIAN, "1\n"),
    "debian: a letter that is not ASCII": (Order.DEBIAN, "1\u0430"),
    "debian: nothing": (Order.DEBIAN, ""),
}

PARTS = ["0", "1", "01", "9", "10", "a", "b", "A", "~", "~~", "+", ".", "~rc1", "git2", "alpha", "z", "1a"]
PAIRS_FOR_DPKG = 150


@pytest.mark.parametrize("sentence", ASCENDING)
def test_is_in_order(sentence: str) -> None:
    order, rows = ASCENDING[sentence]
    levels = [row if isinstance(row, tuple) else (row,) for row in rows]
    for number, level in enumerate(levels):
        for version in level:
            assert all(rank(order, version) == rank(order, same) for same in level)
            assert all(is_older(order, lower, than=version) for below in levels[:number] for lower in below)
            assert not any(is_older(order, version, than=lower) for below in levels[:number] for lower in below)


@pytest.mark.parametrize("sentence", NO_VERSIONS)
def test_is_no_version(sentence: str) -> None:
    order, version = NO_VERSIONS[sentence]
    with pytest.raises(ValueError, match=r"is no|has more"):
        rank(order, version)


def dpkg(version: str, relation: str, other: str) -> bool:
    return subprocess.run(["dpkg", "--compare-versions", version, relation, other], check=False).returncode == 0


def some_version(chance: random.Random) -> str:
    upstream = chance.choice("0123") + "".join(chance.choices(PARTS, k=chance.randrange(5)))
    epoch = chance.choice(["", "", "0:", "1:"])
    return epoch + upstream + chance.choice(["", "", "-0", "-1", "-1~", "-1a+b"])


def test_dpkg_orders_versions_the_same_way() -> None:
    chance = random.Random(20)
    versions = [some_version(chance) for _ in range(PAIRS_FOR_DPKG)]
    for one, other in pairwise(versions):
        assert is_older(Order.DEBIAN, one, than=other) is dpkg(one, "lt", other), (one, other)
        assert (rank(Order.DEBIAN, one) == rank(Order.DEBIAN, other)) is dpkg(one, "eq", other), (one, other)


def test_dpkg_confirms_the_table() -> None:
    _, rows = ASCENDING["debian"]
    firsts = [row if isinstance(row, str) else row[0] for row in rows]
    assert all(dpkg(one, "lt", other) for one, other in pairwise(firsts))


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("text", ["1" * MAX_VERSION_CHARACTERS, "1.1.1-" + "a-" * 60, "1" + "~a1" * 40])
def test_a_long_text_takes_no_time(order: Order, text: str) -> None:
    started = time.process_time()
    for _ in range(100):
        try:
            rank(order, text)
        except ValueError:
            continue
    assert time.process_time() - started < 1.0


@pytest.mark.parametrize(("version", "above", "expected"), [("8", "7", 1), ("007", "7", 0), ("5", "7", -2)])
def test_a_step_is_the_difference(version: str, above: str, expected: int) -> None:
    assert step(version, above=above) == expected
