"""Makes a new token with its PINs, for an embedded installation.

``initialise_token`` runs the work in a process of its own: the module is never loaded into the caller, and the PINs
go through a pipe, where a process list does not show them.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from hsm.errors import ConfigurationError, TokenUnavailable
from hsm.parent.interpreter import isolated

WORKER = "hsm.worker.initialise:main"
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
            isolated(WORKER, str(module), label),
            input="\n".join(pins).encode(),
            env={**os.environ, **environment},
            cwd="/",
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TokenUnavailable(token=label, reason="the module did not answer") from error
    if done.returncode != 0:
        reason = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise TokenUnavailable(token=label, reason=reason or f"exit status {done.returncode}")
