"""Imports a key and is killed at a given moment: ``python -m tests.support.importing URL DIRECTORY MOMENT``.

The token is in memory and goes with the process; what was on record stays, and a test gives the pair to another token
where the moment is one after the token's part.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from hsm.algorithms import Algorithm
from signer.bootstrap import build_key_imports, utc_now
from signer.services.key_imports import ImportRequest
from tests.support.house import ADMIN, KEY, open_house, settings
from tests.support.key_files import key_material
from tests.support.memory_tokens import MemoryTokens

# What the token is asked for when the process ends, and whether it has done that before.
MOMENTS = {"recorded": ("import_pair", False), "in the token": ("import_pair", True), "proved": ("has_key", True)}


def kill() -> None:
    """End as by a power cut."""
    os.kill(os.getpid(), signal.SIGKILL)


def main(url: str, directory: str, moment: str) -> None:
    """Import, and do not survive it."""
    tokens = MemoryTokens("one")
    verb, after = MOMENTS[moment]
    with open_house(url, Path(directory), tokens, utc_now) as house, tokens.at(verb, kill, after=after):
        imports = build_key_imports(settings(url, Path(directory), ("one",)), house.parts, house.application)
        imports.pair(ADMIN, ImportRequest(unverified_name=KEY), key_material(Algorithm.ECDSA_P256))


if __name__ == "__main__":
    main(*sys.argv[1:])
