"""How many sessions and logins a token has to allow: what docs/tokens.md and docs/operations/running.md say."""

from __future__ import annotations

import re
import threading

import pytest

from tests.docs.pages import DOCS
from tests.hsm.children import wait_until
from tests.hsm.conftest import OpenPool, make_key
from tests.hsm.shim import Shim

WAIT_SECONDS = 20.0


def told(page: str) -> int:
    """How many sessions more than ``sessions`` the page says that one worker needs, and the recorder beside them."""
    text = (DOCS / page).read_text(encoding="utf-8").replace("`server.workers`", "`workers`")
    (found,) = re.findall(r"\(`workers` \+ 1\) . \(`sessions` \+ (\d+)\)", text)
    return int(found)


@pytest.mark.parametrize("sessions", [1, 2, 4])
def test_a_process_opens_as_many_sessions_as_it_is_said_to(shim: Shim, open_pool: OpenPool, sessions: int) -> None:
    pool = open_pool(shim.hsm.with_(sessions=sessions))
    key = make_key(pool)
    made = shim.generated()
    shim.say("C_Sign hold", "C_GenerateKeyPair hold")
    busy = [threading.Thread(target=pool.sign, args=(key, b"")) for _ in range(sessions)]
    busy.append(threading.Thread(target=make_key, args=(pool,), kwargs={"key_id": b"\x02", "label": "other"}))
    before = shim.signed()
    for thread in busy:
        thread.start()
    wait_until(lambda: shim.signed() == before + sessions and shim.generated() == made + 1)
    shim.say()
    for thread in busy:
        thread.join(WAIT_SECONDS)

    assert not any(thread.is_alive() for thread in busy)
    assert shim.most_sessions() - sessions == told("tokens.md") == told("operations/running.md")
    assert shim.logins == 1
