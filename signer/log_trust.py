"""The log and the witnesses that the client believes, as a person names them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from signer.answers import ClientError
from verifier import VerificationError
from verifier.log import LogTrust, VerifierKey

VARIABLE = "ARTIFACT_SIGNER_LOG_KEY_FILE"
LARGEST_KEY_FILE_BYTES = 64 * 1024
_PEM = "-----BEGIN "


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedLog:
    """What was named on the command line.

    Attributes:
        key: a verifier key, a file of them, or a file of one in PEM; None: the variable's file.
        origin: the log's name, for a key in PEM.
        witnesses: verifier keys, or files of them.
        demanded: how many of the witnesses have to have signed; None: all.
    """

    key: str | None = None
    origin: str | None = None
    witnesses: Sequence[str] = ()
    demanded: int | None = None


def log_trust(named: NamedLog, environment: Mapping[str, str]) -> LogTrust | None:
    """The log that is believed; None where none is named. Raises ``ClientError`` where what is named holds no key."""
    source = named.key or environment.get(VARIABLE)
    if not source:
        if named.witnesses or named.demanded:
            raise ClientError(sentence="witnesses sign for a log", hint="--log-key names the key of the log")
        return None
    keys = _keys(source, named.origin, as_text=named.key is not None)
    witnesses = tuple(key for text in named.witnesses for key in _keys(text, None, as_text=True))
    demanded = len({key.name for key in witnesses}) if named.demanded is None else named.demanded
    try:
        return LogTrust(log_keys=keys, witnesses=witnesses, demanded=demanded)
    except ValueError as error:
        if len({key.name for key in keys}) != 1:
            raise _no_key(source) from error
        raise ClientError(sentence="more witnesses are demanded than are named") from error


def _keys(source: str, origin: str | None, *, as_text: bool) -> tuple[VerifierKey, ...]:
    is_text = as_text and "+" in source and not os.path.lexists(source)
    lines = [source] if is_text else _lines(Path(source))
    try:
        if lines and lines[0].startswith(_PEM):
            return (_from_pem(lines, origin, source),)
        return tuple(VerifierKey.parse(line) for line in lines)
    except VerificationError as error:
        raise _no_key("--log-key" if is_text else source) from error


def _from_pem(lines: list[str], origin: str | None, source: str) -> VerifierKey:
    if origin is None:
        raise ClientError(
            sentence=f"{source} holds a key in PEM, which does not say which log it is of",
            hint="--log-origin names the log",
        )
    return VerifierKey.from_pem("\n".join([*lines, ""]).encode(), name=origin)


def _lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_KEY_FILE_BYTES + 1)
    except OSError as error:
        raise ClientError(sentence=f"the log's key {path} cannot be read: {(error.strerror or '').lower()}") from error
    if len(content) > LARGEST_KEY_FILE_BYTES:
        raise ClientError(sentence=f"{path} is no file of keys of a log")
    return [line for line in content.decode("utf-8", "replace").splitlines() if line.strip()]


def _no_key(source: str) -> ClientError:
    return ClientError(
        sentence=f"{source} holds no verifier key of a log, or keys of several logs",
        hint="log.vkey of the installation holds one, as name+id+key",
    )
