"""Reads the PIN. Only a token's own process imports this file."""

from __future__ import annotations

import os
import stat

from hsm.config import MAX_PIN, MAX_PIN_FILE, file_identity
from hsm.errors import ConfigurationError
from hsm.protocol.records import Setup


def read(setup: Setup) -> tuple[str, str]:
    """``(PIN, identity of its source)``; one newline at the end is not part of the PIN.

    The identity is taken from the descriptor that was read, so it belongs to these very bytes.
    """
    if setup.pin_fd is not None:
        descriptor = os.dup(setup.pin_fd)
    else:
        try:
            # O_NONBLOCK: opening a FIFO without a writer must not wait.
            descriptor = os.open(setup.pin_file or "", os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError as error:
            raise _refused(f"the file cannot be opened: {os.strerror(error.errno or 0)}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _refused("not a regular file")
        data = os.pread(descriptor, MAX_PIN_FILE + 1, 0)
    finally:
        os.close(descriptor)
    return _text(data), setup.pin_identity or file_identity(status)


def _text(data: bytes) -> str:
    line = data.removesuffix(b"\n").removesuffix(b"\r")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise _refused("the PIN is not UTF-8") from None
    if not text or len(line) > MAX_PIN or "\n" in text or "\0" in text:
        raise _refused(f"not one line of 1 to {MAX_PIN} bytes")
    return text


def _refused(reason: str) -> ConfigurationError:
    return ConfigurationError(setting="pin", reason=reason)
