"""Which clients a path is for, and what their answers have beside what all answers have.

Mender's clients and gateways, below ``/api/``, read the member ``error`` of a refusal, and follow a request through
several services by the header ``X-MEN-RequestID``: they may name it themselves.
"""

from __future__ import annotations

import re
import secrets
from enum import Enum

REQUEST_ID_BYTES = 8
MENDER_PREFIX = "/api/"
MENDER_REQUEST_ID = "X-MEN-RequestID"
# What may stand in a log line and in a header as it is.
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Family(Enum):
    """Whose words a route speaks."""

    NATIVE = "native"
    MENDER = "mender"

    def request_id(self, claimed: str | None) -> str:
        """The id of a request: what the client calls it, where it may and that is one; else a new one."""
        if self is Family.MENDER and claimed is not None and _REQUEST_ID.fullmatch(claimed):
            return claimed
        return secrets.token_hex(REQUEST_ID_BYTES)

    def headers(self, request_id: str) -> tuple[tuple[str, str], ...]:
        """What each answer says of its request."""
        own = ((MENDER_REQUEST_ID, request_id),) if self is Family.MENDER else ()
        return (("X-Request-Id", request_id), *own)


def family_of(path: str) -> Family:
    """By how the path begins, whether it leads anywhere or not."""
    return Family.MENDER if path.startswith(MENDER_PREFIX) else Family.NATIVE
