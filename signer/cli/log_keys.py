"""Keys of logs on the command line: as text, in a file of verifier keys, one to a line, or in a file of one in PEM."""

from __future__ import annotations

from pathlib import Path

import click

from verifier.errors import VerifierKeyInvalid
from verifier.log import KeyType, VerifierKey

MAX_FILE_BYTES = 64 * 1024
PEM = "-----BEGIN "


def log_keys(texts: tuple[str, ...], origin: str | None = None) -> dict[str, tuple[VerifierKey, ...]]:
    """The keys of logs by their origins; raises ``VerifierKeyInvalid``, ``OSError`` or ``UsageError``.

    ``origin``: what the log of a key in PEM is named.
    """
    found: dict[str, tuple[VerifierKey, ...]] = {}
    for text in texts:
        for key in _keys(text, origin):
            if key.type is KeyType.COSIGNATURE:
                raise click.UsageError(f"the key of {key.name} is that of a witness, not of a log")
            found[key.name] = (*found.get(key.name, ()), key)
    return found


def _keys(text: str, origin: str | None) -> list[VerifierKey]:
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
    if not lines[0].startswith(PEM):
        return [VerifierKey.parse(line) for line in lines]
    if origin is None:
        raise VerifierKeyInvalid(source=text, problem="a key in PEM does not say which log it is of: add --log-origin")
    return [VerifierKey.from_pem(content, name=origin)]
