"""When tokens were used last: written together, now and then, and nobody's trouble where that fails."""

from __future__ import annotations

import pytest

from signer.auth.last_uses import LastUses
from tests.support.api_tokens import MemoryApiTokens
from tests.support.clock import ManualClock


@pytest.fixture
def records() -> MemoryApiTokens:
    return MemoryApiTokens()


class TestLastUses:
    def test_uses_are_written_together_and_once(self, records: MemoryApiTokens, clock: ManualClock) -> None:
        uses = LastUses(store=records, clock=clock)
        for token_id in ("a", "b", "a"):
            uses.note(token_id)
        uses.write()
        uses.write()
        assert records.uses == [(frozenset({"a", "b"}), clock())]

    def test_a_database_in_trouble_is_nobodys_trouble(self, records: MemoryApiTokens, clock: ManualClock) -> None:
        uses = LastUses(store=records, clock=clock)
        records.broken = True
        uses.note("a")
        uses.write()
        records.broken = False
        uses.note("b")
        uses.close()
        assert records.uses == [(frozenset({"b"}), clock())]

    def test_what_is_left_is_written_at_the_end(self, records: MemoryApiTokens, clock: ManualClock) -> None:
        uses = LastUses(store=records, clock=clock)
        uses.start()
        uses.note("a")
        uses.close()
        assert records.uses == [(frozenset({"a"}), clock())]
