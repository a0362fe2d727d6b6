"""Makes a new token with its PINs, for an embedded installation.

``initialise_token`` runs the work in a process of its own: the module is never loaded into the caller, and the PINs
go through a pipe, where a process list does not show them.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from hsm.errors import ConfigurationError, TokenUnavailable

LABEL_BYTES = 32  # CK_TOKEN_INFO.label, padded with spaces
TIMEOUT_SECONDS = 30.0
PIN_BYTES = 255


def initialise_token(
    *, module: Path, label: str, security_officer_pin: str, user_pin: str, environment: Mapping[str, str]
) -> None:
    """Turn the module's first free slot into a token (PKCS #11 v3.0, C_InitToken and C_InitPIN).

    ``label``: at most 32 bytes. Raises ``ConfigurationError`` for a label or PIN that cannot be,
    ``TokenUnavailable`` where the module refuses; neither tells a PIN.
    """
    pins = (security_officer_pin, user_pin)
    if len(label.encode()) > LABEL_BYTES:
        raise ConfigurationError(setting="label", reason=f"longer than {LABEL_BYTES} bytes")
    if any("\n" in pin or not 1 <= len(pin.encode()) <= PIN_BYTES for pin in pins):
        raise ConfigurationError(setting="pin", reason=f"not 1 to {PIN_BYTES} bytes on one line")
    try:
        done = subprocess.run(  # noqa: S603  (our own interpreter and module)
            [sys.executable, "-m", "hsm.initialisation", str(module), label],
            input="\n".join(pins).encode(),
            env={**os.environ, **environment},
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TokenUnavailable(token=label, reason="the module did not answer") from error
    if done.returncode != 0:
        reason = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise TokenUnavailable(token=label, reason=reason or f"exit status {done.returncode}")


def _main(module: str, label: str) -> int:
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
            sys.stderr.write(f"C_InitToken returned 0x{status:x}")
            return 1
        token = library.get_token(token_label=label)
        session = token.open(rw=True, so_pin=so_pin)
        session.init_pin(user_pin)
        session.close()
    except StopIteration:
        sys.stderr.write("no free slot")
        return 1
    except (pkcs11.PKCS11Error, RuntimeError, OSError) as error:
        sys.stderr.write(type(error).__name__)
        return 1
    sys.stderr.flush()
    # Some modules crash in their own exit handlers.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1], sys.argv[2]))
