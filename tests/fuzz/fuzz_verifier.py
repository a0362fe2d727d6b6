"""Hostile bytes raise `VerificationError` or nothing, and memory stays under the limit.

`python -m tests.fuzz.fuzz_verifier [-runs=N] [-max_total_time=S] [corpus directories]`

Options and directories are libFuzzer's. Without a directory the corpus of the tests is the start.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["verifier"]):
    import verifier

    for module in pkgutil.walk_packages(verifier.__path__, "verifier."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)

from tests.fuzz import target

MEMORY_MIB = 512
"""Of the whole process: the interpreter and the fuzzer take about 150 of it, an xz dictionary 64."""
SLOWEST_SECONDS = 10
LONGEST_INPUT = 2 * target.LONGEST_SEED


def main() -> None:
    """Fuzz until libFuzzer's options say so, or for ever; a defect ends the process with exit code 77 or 1."""
    bounds = [f"-rss_limit_mb={MEMORY_MIB}", f"-timeout={SLOWEST_SECONDS}", f"-max_len={LONGEST_INPUT}"]
    arguments = [sys.argv[0], *bounds, *sys.argv[1:]]
    with tempfile.TemporaryDirectory(prefix="verifier-seeds-") as seeds:
        if all(argument.startswith("-") for argument in sys.argv[1:]):
            for number, seed in enumerate(target.seeds()):
                (Path(seeds) / f"{number:04}").write_bytes(seed)
            arguments.append(seeds)
        atheris.Setup(arguments, target.check)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
