"""What the pages say of sizes is what the code takes."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import cast

import pytest

from hsm.worker.login import Login
from hsm.worker.sessions import Sessions
from tests.docs.pages import DOCS

MOST = 4
# The one that holds the login, and the short read-write one in which a pair is made or removed.
BESIDE_THE_WORKING_ONES = 2


@pytest.mark.parametrize("page", ["operations/running.md", "tokens.md"])
def test_the_sessions_that_a_token_has_to_allow(page: str) -> None:
    login = cast("Login", SimpleNamespace(module=SimpleNamespace(threads=True)))
    working = Sessions(login, most=MOST, timeout=1.0, clock=time.monotonic)._most
    assert f"(`sessions` + {working - MOST + BESIDE_THE_WORKING_ONES})" in (DOCS / page).read_text(encoding="utf-8")
