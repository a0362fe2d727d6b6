"""Makes a token with its PINs, in a process that does nothing else. The PINs come as two lines on standard input.

Exit status 0: made. Else the reason is the last line on standard error, in words of ours or as a return value.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import NoReturn

LABEL_BYTES = 32  # CK_TOKEN_INFO.label, padded with spaces


def main(arguments: list[str]) -> NoReturn:
    """``arguments``: path of the module and label of the token."""
    module, label = arguments
    reason = _initialised(module, label)
    if reason:
        sys.stderr.write(reason)
    sys.stderr.flush()
    # Some modules crash in their own exit handlers.
    os._exit(1 if reason else 0)


def _initialised(module: str, label: str) -> str:
    """Why the token was not made; empty where it was."""
    import pkcs11

    so_pin, user_pin = sys.stdin.buffer.read().decode().split("\n")
    try:
        library = pkcs11.lib(module)
        slot = next(
            slot
            for slot in library.get_slots(token_present=True)
            if not slot.get_token().flags & pkcs11.TokenFlag.TOKEN_INITIALIZED
        )
        status = ctypes.CDLL(module).C_InitToken(
            ctypes.c_ulong(slot.slot_id),
            so_pin.encode(),
            ctypes.c_ulong(len(so_pin.encode())),
            label.encode().ljust(LABEL_BYTES),
        )
        if status != 0:
            return f"C_InitToken returned 0x{status:x}"
        token = library.get_token(token_label=label)
        session = token.open(rw=True, so_pin=so_pin)
        session.init_pin(user_pin)
        session.close()
    except StopIteration:
        return "no free slot"
    except (pkcs11.PKCS11Error, RuntimeError, OSError) as error:
        return type(error).__name__
    return ""
