"""Verifier keys on the command line: as text, or in a file of them, one to a line."""

from __future__ import annotations

from pathlib import Path

import click

from verifier.errors import VerifierKeyInvalid
from verifier.log import KeyType, VerifierKey

MAX_FILE_BYTES = 64 * 1024


def log_keys(texts: tuple[str, ...]) -> dict[str, tuple[VerifierKey, ...]]:
    """The keys of logs by their origins; raises ``VerifierKeyInvalid``, ``OSError`` or ``UsageError``."""
    found: dict[str, tuple[VerifierKey, ...]] = {}
    for text in texts:
        for key in _keys(text):
            if key.type is KeyType.COSIGNATURE:
                raise click.UsageError(f"the key of {key.name} is that of a witness, not of a log")
            found[key.name] = (*found.get(key.name, ()), key)
    return found


def _keys(text: str) -> list[VerifierKey]:
    path = Path(text)
    if "+" in text and not path.is_file():
        return [VerifierKey.parse(text)]
    with path.open("rb") as file:
        content = file.read(MAX_FILE_BYTES + 1)
    try:
        lines = [line for line in content.decode("utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError:
        raise VerifierKeyInvalid(source=text, problem="the file is not text") from None
    if not lines or len(content) > MAX_FILE_BYTES:
        raise VerifierKeyInvalid(source=text, problem="the file holds no key, or is no file of keys")
    return [VerifierKey.parse(line) for line in lines]
