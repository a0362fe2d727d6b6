"""How many tokens are had at a time: a burst, then one at a time, whatever the clock does."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from signer.domain.token_buckets import RULES, Bucket, BucketRule, Wait, taken
from signer.domain.token_claims import TokenKind
from tests.support.issued_tokens import NOW

RULE = BucketRule(burst=3, seconds=60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Tokens asked for, in seconds from the first, and for how long each has to wait; None: it is given."""

    asked: tuple[float, ...]
    waits: tuple[float | None, ...] = field(default=())


ROWS = {
    "the burst is had at once": Row(asked=(0, 0, 0), waits=(None, None, None)),
    "the next one has to wait for a whole interval": Row(asked=(0, 0, 0, 0), waits=(None, None, None, 60.0)),
    "asking while nothing is had costs nothing": Row(
        asked=(0, 0, 0, 10, 20, 60), waits=(None, None, None, 50.0, 40.0, None)
    ),
    "after the burst there is one each interval": Row(
        asked=(0, 0, 0, 60, 61, 120, 121), waits=(None, None, None, None, 59.0, None, 59.0)
    ),
    "after a pause there is a burst again, and no more": Row(
        asked=(0, 0, 0, 9000, 9000, 9000, 9000), waits=(None, None, None, None, None, None, 60.0)
    ),
    "a clock that goes back gives nothing": Row(asked=(0, 0, 0, -3600, -7200), waits=(None, None, None, 60.0, 60.0)),
}


@pytest.mark.parametrize("sentence", ROWS)
def test_bucket(sentence: str) -> None:
    bucket: Bucket | None = None
    waits: list[float | None] = []
    for seconds in ROWS[sentence].asked:
        outcome = taken(bucket, RULE, now=NOW + timedelta(seconds=seconds))
        waits.append(round(outcome.seconds, 3) if isinstance(outcome, Wait) else None)
        bucket = bucket if isinstance(outcome, Wait) else outcome
    assert tuple(waits) == ROWS[sentence].waits


def test_what_was_taken_while_the_clock_was_behind_counts_from_where_it_was() -> None:
    full = taken(Bucket(level=60.0, at=NOW), RULE, now=NOW - timedelta(hours=1))
    assert full == Bucket(level=120.0, at=NOW)


def test_the_rules_are_those_of_the_documentation() -> None:
    assert (RULES[TokenKind.DEVICE].burst, RULES[TokenKind.DEVICE].seconds) == (10, 60.0)
    assert (RULES[TokenKind.USER].burst, RULES[TokenKind.USER].seconds) == (30, 10.0)
