"""Commands of ``artifact-signer``, each in a process of its own that has the command line's modules already.

Importing them is most of what a command takes. A process that has imported them, and done nothing else, is forked for
each command: what one leaves in memory, no other one sees.
"""

from __future__ import annotations

import multiprocessing
import os
import pkgutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import signer

_CONTEXT = multiprocessing.get_context("forkserver")
# Nothing happens when they are imported. pytest is what the main module of the tests imports, in each process again.
_MODULES = [module.name for module in pkgutil.walk_packages(signer.__path__, "signer.")]
_CONTEXT.set_forkserver_preload([__name__, "pytest", *(name for name in _MODULES if not name.endswith("__main__"))])


def completed(
    words: Sequence[str], environment: Mapping[str, str], *, seconds: float
) -> subprocess.CompletedProcess[str]:
    """What became of ``artifact-signer`` with these words and nothing but this environment; nobody types anything.

    Raises ``subprocess.TimeoutExpired`` after so many ``seconds``, when the command is killed.
    """
    with TemporaryDirectory(prefix="command-") as place:
        streams = Path(place, "stdout"), Path(place, "stderr")
        process = _CONTEXT.Process(target=_run, args=(list(words), dict(environment), Path.cwd(), *streams))
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(list(words), seconds)
        said = [stream.read_text() for stream in streams]
    return subprocess.CompletedProcess(list(words), process.exitcode, *said)


def _run(words: list[str], environment: dict[str, str], place: Path, *streams: Path) -> None:
    """In the new process: as the interpreter begins it."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(place)
    for number, path in enumerate((Path(os.devnull), *streams)):
        opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    from signer.__main__ import main

    sys.argv = ["artifact-signer", *words]
    sys.exit(main())
