"""Puts a backup back in a process that ends by SIGKILL at a place that a test names.

``python -m tests.support.broken_off PLACE FOLDER VKEY_DIRECTORY``, with a recorder's set-up on standard input. A place
is ``before`` or ``after`` and what is called there, as ``module:name``; empty: nowhere.
"""

from __future__ import annotations

import importlib
import itertools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from signer.recorder.setup import Setup
from signer.restore import Rollback, restore

REASON = "the disk is lost"


def end_at(place: str, *, call: int = 1) -> None:
    """From now on the process ends there, at that call."""
    moment, _, called = place.partition(" ")
    module_name, _, names = called.partition(":")
    owner: Any = importlib.import_module(module_name)
    *path, name = names.split(".")
    for each in path:
        owner = getattr(owner, each)
    whole: Callable[..., Any] = getattr(owner, name)
    calls = itertools.count(1)

    def cut(*arguments: Any, **options: Any) -> Any:
        if next(calls) < call:
            return whole(*arguments, **options)
        if moment == "after":
            whole(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)
        return None

    setattr(owner, name, cut)


def main() -> None:
    """As ``artifact-signer restore --accept-rollback`` does it."""
    place, folder, directory = sys.argv[1:]
    if place:
        end_at(place)
    settings = Setup.parse(sys.stdin.buffer.readline()).settings
    done = restore(settings, Path(folder), rollback=Rollback(directory=Path(directory), reason=REASON))
    assert done.continued is not None
    print(done.continued.origin, done.continued.suspended, done.continued.aside)


if __name__ == "__main__":
    main()
