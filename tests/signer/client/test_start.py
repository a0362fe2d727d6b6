"""What a command that signs imports before it does anything, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from signer import client

ASKS = "import sys, signer.cli.sign; print(*sorted({'asyncio', 'flask', 'sqlalchemy', 'pkcs11'} & set(sys.modules)))"


def test_signing_begins_without_an_event_loop_and_without_the_service() -> None:
    done = subprocess.run([sys.executable, "-c", ASKS], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []


def test_every_name_of_the_library_is_there() -> None:
    assert all(getattr(client, name) is not None for name in client.__all__)
    assert client.AsyncClient.__module__ == "signer.client.asynchronous"


def test_no_other_name_is() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Asynchronous'"):
        _ = client.Asynchronous  # type: ignore[attr-defined]
