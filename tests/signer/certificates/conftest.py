"""One real token for all tests here, and for each test a database of its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from hsm import TokenPool
from tests.hsm.softhsm import make_softhsm
from tests.signer.certificates.workshop import Workshop, workshop
from tests.support.clock import ManualClock
from tests.support.databases import Opener

READY_SECONDS = 60.0


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenPool]:
    """SoftHSM with one token."""
    token = make_softhsm(tmp_path_factory.mktemp("token"))
    opened = TokenPool([token.config])
    opened.start()
    try:
        assert opened.wait_ready(READY_SECONDS)
        yield opened
    finally:
        opened.close()


@pytest.fixture
def present() -> ManualClock:
    """The real time, standing still: openssl judges by the real clock."""
    return ManualClock(datetime.now(UTC))


@pytest.fixture
def shop(sqlite_url: str, pool: TokenPool, present: ManualClock) -> Iterator[Workshop]:
    """The services, with nothing on record."""
    opener = Opener(sqlite_url)
    try:
        yield workshop(opener(), pool, present)
    finally:
        opener.close()
