"""What the package shows, and what a token's process does without."""

from __future__ import annotations

import subprocess
import sys

import pytest

import hsm

# What the service's side needs of them costs a token's process as much time to start as all the rest.
PARENT_ONLY = ("asyncio", "hsm.async_signer", "hsm.parent", "hsm.pool")
STARTED = "import sys, hsm.worker.main; print([name for name in sys.argv[1:] if name in sys.modules])"


@pytest.mark.parametrize("name", hsm.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(hsm, name).__module__.startswith("hsm.")
    assert name in dir(hsm)


def test_another_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = hsm.Nothing


def test_a_token_process_imports_nothing_that_only_its_parent_needs() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARTED, *PARENT_ONLY], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"
