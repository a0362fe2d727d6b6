"""The arguments of ``artifact-verify``.

Those that leave no question are taken as they stand, because importing and filling argparse costs a tenth of the
command's time for a small artifact. Everything else (help, mistakes, ``--key=FILE``, a log) is for argparse, in
``usage``; what both can read they read alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from verifier._record import Record

KEY = "--key"
FLAGS = {
    "--strict": "refuse artifacts that have findings",
    "--inspect": "show what an artifact contains, without checking its signature",
    "--json": "write one JSON document (docs/verifier.md)",
    "--no-progress": "show no progress bar",
}
"""The options without a value, and what they mean."""
STANDARD_INPUT = "-"


class Arguments(Record):
    """What the command is asked to do."""

    artifact: tuple[str, ...]
    """Paths of files and directories, or ``-`` for standard input, at most once."""
    key: tuple[str, ...]
    """Files and directories; empty with ``inspect``."""
    strict: bool
    inspect: bool
    json: bool
    no_progress: bool
    log_key: tuple[str, ...] = ()
    """Of the log that has to show the signature on record: as text, or in files."""
    log_origin: str | None = None
    proof: str | None = None
    proof_dir: str | None = None
    witness: tuple[str, ...] = ()
    witnesses: int | None = None
    allow_emergency: bool = False
    recalled: str | None = None
    """The file of a list of recalled manifests; of at least this version; believed by these keys."""
    recalled_version: int | None = None
    recalled_key: tuple[str, ...] = ()


def plain(words: Sequence[str]) -> dict[str, Any] | None:
    """The fields of ``Arguments``, or ``None`` where the words are not of the plainest form, or wrong."""
    flags = dict.fromkeys(map(field, FLAGS), False)
    keys: list[str] = []
    artifacts: list[str] = []
    waiting = iter(words)
    ended = False  # argparse takes artifacts that stand side by side only
    for word in waiting:
        if word == STANDARD_INPUT or not word.startswith("-"):
            if ended:
                return None
            artifacts.append(word)
            continue
        ended = bool(artifacts)
        if word in FLAGS:
            flags[field(word)] = True
            continue
        value = next(waiting, "-")
        if word != KEY or value.startswith("-"):
            return None
        keys.append(value)
    if not artifacts or (keys and flags["inspect"]) or artifacts.count(STANDARD_INPUT) > 1:
        return None
    return {**flags, "artifact": tuple(artifacts), "key": tuple(keys)}


def field(option: str) -> str:
    """The name of an option's field."""
    return option.removeprefix("--").replace("-", "_")
