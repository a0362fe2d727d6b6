"""How tests run commands: what is said and left is what a process of the interpreter's own says and leaves."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from tests.support.commands import completed

SECONDS = 60.0
NOWHERE = {"ARTIFACT_SIGNER_URL": "https://127.0.0.1:1", "ARTIFACT_SIGNER_API_TOKEN": "as_0123456789abcdef_nothing"}
SAID = {
    "it is done": ["--version"],
    "it is wrong usage": ["keys", "nothing"],
    "it is refused": ["api-tokens", "list", "--config", "nowhere.toml"],
    "nobody answers": ["keys", "list"],
}


@pytest.mark.parametrize("sentence", SAID)
def test_it_says_the_same(sentence: str) -> None:
    environment = {"PATH": os.environ["PATH"], **NOWHERE}
    words = [sys.executable, "-m", "signer", *SAID[sentence]]
    real = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
    done = completed(SAID[sentence], environment, seconds=SECONDS)
    assert (done.returncode, done.stdout, done.stderr) == (real.returncode, real.stdout, real.stderr)
    assert done.stdout + done.stderr


def test_nothing_is_left_to_the_next_one() -> None:
    assert "Connection refused" in completed(["keys", "list"], NOWHERE, seconds=SECONDS).stderr
    following = completed(["keys", "list"], {}, seconds=SECONDS)
    assert (following.returncode, "Connection refused" in following.stderr) == (3, False)


def test_one_that_takes_too_long_is_ended() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(subprocess.TimeoutExpired):
            completed(["keys", "list"], {**NOWHERE, "ARTIFACT_SIGNER_URL": url}, seconds=2.0)
