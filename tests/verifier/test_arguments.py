"""Arguments are read alike by the short way, which takes only the plainest, and by argparse."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.command import usage
from verifier.command.arguments import FLAGS, KEY, Arguments, field, plain
from verifier.command.main import parse

DEFAULTS = {"key": (), **dict.fromkeys(map(field, FLAGS), False)}
PLAIN = {
    "one artifact": (["a"], {"artifact": ("a",)}),
    "keys before": (["--key", "k", "--key", "l", "a"], {"artifact": ("a",), "key": ("k", "l")}),
    "options after": (["a", "b", "--key", "k", "--strict"], {"artifact": ("a", "b"), "key": ("k",), "strict": True}),
    "every flag": (
        ["--inspect", "--json", "--no-progress", "-"],
        {"artifact": ("-",), "inspect": True, "json": True, "no_progress": True},
    ),
    "an empty name": ([""], {"artifact": ("",)}),
}
LEFT_TO_ARGPARSE = {
    "nothing": [],
    "no artifact": ["--key", "k"],
    "help": ["--help", "a"],
    "an abbreviation": ["--inspec", "a"],
    "an option that is not there": ["--force", "a"],
    "a short option": ["-k", "k", "a"],
    "a value with an equals sign": ["--key=k", "a"],
    "a key that looks like an option": ["--key", "--json", "a"],
    "a key from standard input": ["--key", "-", "a"],
    "no value at the end": ["a", "--key"],
    "the end of options": ["--", "a"],
    "artifacts on both sides of an option": ["a", "--json", "b"],
    "keys to inspect with": ["--inspect", "--key", "k", "a"],
    "standard input twice": ["-", "-"],
    "the key of a log": ["--key", "k", "--log-key", "l", "a"],
}


@pytest.mark.parametrize("sentence", PLAIN)
def test_is_plain(sentence: str) -> None:
    words, expected = PLAIN[sentence]
    assert plain(words) == {**DEFAULTS, **expected}
    assert parse(words) == Arguments(**{**DEFAULTS, **expected})  # type: ignore[arg-type]


@pytest.mark.parametrize("sentence", LEFT_TO_ARGPARSE)
def test_is_left_to_argparse(sentence: str) -> None:
    assert plain(LEFT_TO_ARGPARSE[sentence]) is None


WORDS = st.lists(st.sampled_from(["a", "b", "-", "--", "", "a b", "-a b", "--key=k", "-1", KEY, *FLAGS]), max_size=6)


@given(WORDS)
def test_what_is_plain_argparse_reads_alike(words: list[str]) -> None:
    found = plain(words)
    if found is not None:
        assert Arguments(**usage.parse(words)) == Arguments(**found)


@given(WORDS)
def test_what_argparse_refuses_is_not_plain(words: list[str]) -> None:
    with contextlib.redirect_stderr(io.StringIO()):
        try:
            usage.parse(words)
        except SystemExit:
            assert plain(words) is None


def test_a_plain_command_is_read_without_argparse() -> None:
    code = "import sys; from verifier.command.main import parse; parse(['a']); print('argparse' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False"
