"""A service that issues tokens, for each test its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clock import ManualClock
from tests.support.user_site import UserSite, user_site


@pytest.fixture
def site(sqlite_url: str, tmp_path: Path, clock: ManualClock) -> Iterator[UserSite]:
    """Without any user."""
    with user_site(sqlite_url, tmp_path, clock) as made:
        yield made
