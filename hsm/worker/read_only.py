"""Sessions that write nothing: read-only, or read-write in a module that has no others."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from pkcs11 import exceptions as p11

from hsm.quirks import QUIRKS, Quirk
from hsm.worker import return_values

REFUSED = QUIRKS[Quirk.NO_READ_ONLY_SESSIONS].return_values


def opened(token: Any, **login: Any) -> Any:
    """A session of ``token``; ``login``: as its ``open`` takes it."""
    try:
        return token.open(**login)
    except p11.PKCS11Error as fault:
        # A PIN was not tried where no session could be opened: else it would be tried twice.
        if return_values.name(fault) not in REFUSED or _opens(token):
            raise
    return token.open(rw=True, **login)


def _opens(token: Any) -> bool:
    try:
        with closing(token.open()):
            return True
    except p11.PKCS11Error as fault:
        return return_values.name(fault) not in REFUSED
