"""Starts our own code in a fresh interpreter that finds exactly the code that this one runs.

Isolated mode keeps the current directory, the user's site directory and Python's environment variables out of the
child's search path: a folder named ``hsm`` in the directory in which somebody starts a command is never imported,
and so never receives a PIN. What this interpreter imports from is given by name instead, which holds for installed,
editable and source trees alike.
"""

from __future__ import annotations

import sys
from pathlib import Path

_ROOT = str(Path(__file__).resolve().parents[2])
_SEPARATOR = "\n"


def isolated(entry: str, *arguments: str) -> list[str]:
    """The command that runs ``entry``, as ``module:function``, with ``arguments`` as its list."""
    module, _, function = entry.partition(":")
    boot = (
        f"import sys; sys.path[:] = sys.argv[1].split({_SEPARATOR!r}); "
        f"from {module} import {function}; {function}(sys.argv[2:])"
    )
    return [sys.executable, "-I", "-c", boot, _SEPARATOR.join(search_path()), *arguments]


def search_path() -> list[str]:
    """Where this interpreter finds modules, without what means "wherever I am"."""
    named = [entry for entry in sys.path if Path(entry).is_absolute() and _SEPARATOR not in entry]
    return named if _ROOT in named else [*named, _ROOT]
