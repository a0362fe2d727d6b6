"""What the command line says of a log: its keys and witnesses, where proofs lie, and what was recalled."""

# ruff: noqa: PTH113 - importing pathlib costs start-up time

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from verifier._small_file import LONGEST_SECONDS, read_bounded
from verifier.errors import (
    KeyUnreadable,
    ProofUnreadable,
    RecalledListOlder,
    RecalledListUnreadable,
    VerifierKeyInvalid,
)
from verifier.log import LogDemand, LogTrust, RecalledList, VerifierKey, open_recalled
from verifier.log.proofs import MAX_PROOF_BYTES
from verifier.log.recalled import MAX_LIST_BYTES

if TYPE_CHECKING:
    from verifier.command.arguments import Arguments

PROOF_SUFFIX = ".tlog-proof"
_LARGEST_KEY_FILE_BYTES = 64 * 1024
_PEM = "-----BEGIN "


def log_trust(arguments: Arguments) -> LogTrust:
    """The log that is believed, and its witnesses. Raises a ``KeyLoadError``."""
    keys = tuple(key for text in arguments.log_key for key in _keys(text, arguments.log_origin))
    witnesses = tuple(key for text in arguments.witness for key in _keys(text, None))
    demanded = len({key.name for key in witnesses}) if arguments.witnesses is None else arguments.witnesses
    try:
        return LogTrust(log_keys=keys, witnesses=witnesses, demanded=demanded)
    except ValueError as error:
        raise VerifierKeyInvalid(source=None, problem=str(error)) from None


def demand(path: str, trust: LogTrust, arguments: Arguments) -> LogDemand:
    """The proof of the artifact at ``path``: the named one, or the file beside it. Raises ``ProofUnreadable``."""
    source = arguments.proof
    if source is None and arguments.proof_dir is not None:
        source = os.path.join(arguments.proof_dir, os.path.basename(path) + PROOF_SUFFIX)  # noqa: PTH118, PTH119
    if source is None:
        source = path + PROOF_SUFFIX
    try:
        proof = read_bounded(source, most_bytes=MAX_PROOF_BYTES + 1, most_seconds=LONGEST_SECONDS, regular=False)
    except OSError as error:
        raise ProofUnreadable(source=source, reason=error.strerror or str(error)) from None
    return LogDemand(trust=trust, unverified_proof=proof, allow_emergency=arguments.allow_emergency)


def recalled_list(source: str, arguments: Arguments) -> RecalledList:
    """The list in the file ``source``. Raises a ``KeyLoadError`` or a ``LogError``."""
    texts = arguments.recalled_key or arguments.log_key
    keys = [key for text in texts for key in _keys(text, arguments.log_origin)]
    try:
        note = read_bounded(source, most_bytes=MAX_LIST_BYTES + 1, most_seconds=LONGEST_SECONDS, regular=False)
    except OSError as error:
        raise RecalledListUnreadable(source=source, reason=error.strerror or str(error)) from None
    found, demanded = open_recalled(note, keys), arguments.recalled_version or 0
    if found.version < demanded:
        raise RecalledListOlder(version=found.version, demanded=demanded)
    return found


def _keys(text: str, origin: str | None) -> list[VerifierKey]:
    """From a verifier key as text, or from a file of them, one to a line, or from a file with one key in PEM."""
    if "+" in text and not os.path.isfile(text):
        return [_parsed(text, None)]
    try:
        content = read_bounded(
            text, most_bytes=_LARGEST_KEY_FILE_BYTES + 1, most_seconds=LONGEST_SECONDS, regular=False
        ).decode("utf-8")
    except OSError as error:
        raise KeyUnreadable(source=text, reason=error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise VerifierKeyInvalid(source=text, problem="the file is not text") from None
    lines = [line for line in content.splitlines() if line.strip()]
    if not lines or len(content) > _LARGEST_KEY_FILE_BYTES:
        raise VerifierKeyInvalid(source=text, problem="the file holds no key, or is no file of keys")
    if not lines[0].startswith(_PEM):
        return [_parsed(line, text) for line in lines]
    if origin is None:
        raise VerifierKeyInvalid(source=text, problem="a key in PEM does not say which log it is of: add --log-origin")
    return [_from_pem(content, origin, text)]


def _parsed(line: str, source: str | None) -> VerifierKey:
    try:
        return VerifierKey.parse(line)
    except VerifierKeyInvalid as error:
        raise VerifierKeyInvalid(source=source, problem=error.problem) from None


def _from_pem(content: str, origin: str, source: str) -> VerifierKey:
    try:
        return VerifierKey.from_pem(content.encode("utf-8"), name=origin)
    except VerifierKeyInvalid as error:
        raise VerifierKeyInvalid(source=source, problem=error.problem) from None
