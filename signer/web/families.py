"""Which clients a path is for, and what their answers have beside what all answers have.

Mender's clients and gateways, below ``/api/``, read the member ``error`` of a refusal, and follow a request through
several services by the header ``X-MEN-RequestID``: they may name it themselves.

Clients of Vault and of SignServer read refusals in those products' own forms, with the few statuses that they know.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from enum import Enum

REQUEST_ID_BITS = 64
MENDER_PREFIX = "/api/"
# Where Vault's transit engine is, whatever it is mounted as.
VAULT_PREFIX = "/v1/transit/"
SIGNSERVER_PREFIX = "/signserver/"
PROBLEM_MEDIA_TYPE, JSON_MEDIA_TYPE = "application/problem+json", "application/json"
MENDER_REQUEST_ID = "X-MEN-RequestID"
# What may stand in a log line and in a header as it is.
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Family(Enum):
    """Whose words a route speaks."""

    NATIVE = "native"
    MENDER = "mender"
    VAULT = "vault"
    SIGNSERVER = "signserver"

    @property
    def is_dialect(self) -> bool:
        """Whether it has forms of refusals of its own."""
        return self in (Family.VAULT, Family.SIGNSERVER)

    @property
    def refusal_media_type(self) -> str:
        """Of refusals."""
        return JSON_MEDIA_TYPE if self.is_dialect else PROBLEM_MEDIA_TYPE

    def status(self, status: int) -> int:
        """The status of a refusal, as this family's clients know one.

        Vault's send again what is answered with 412, 429 or 5xx, so what is denied is never one of those.
        """
        match self:
            case Family.VAULT:
                known: Mapping[int, int] = _VAULT
            case Family.SIGNSERVER:
                known = _SIGNSERVER
            case _:
                return status
        return known.get(status, BAD_REQUEST if status < INTERNAL_ERROR else UNAVAILABLE)

    def request_id(self, claimed: str | None) -> str:
        """The id of a request: what the client calls it, where it may and that is one; else a new one."""
        if self is Family.MENDER and claimed is not None and _REQUEST_ID.fullmatch(claimed):
            return claimed
        # Nothing depends on it that a guess could gain.
        return f"{random.getrandbits(REQUEST_ID_BITS):016x}"

    def headers(self, request_id: str) -> tuple[tuple[str, str], ...]:
        """What each answer says of its request."""
        own = ((MENDER_REQUEST_ID, request_id),) if self is Family.MENDER else ()
        return (("X-Request-Id", request_id), *own)


BAD_REQUEST, FORBIDDEN, NOT_FOUND, METHOD_NOT_ALLOWED, INTERNAL_ERROR, UNAVAILABLE = 400, 403, 404, 405, 500, 503
_VAULT = {
    401: FORBIDDEN, 403: FORBIDDEN, 404: NOT_FOUND, 405: METHOD_NOT_ALLOWED, 429: FORBIDDEN, 500: INTERNAL_ERROR,
}  # fmt: skip
_SIGNSERVER = {404: NOT_FOUND, 405: METHOD_NOT_ALLOWED, 500: INTERNAL_ERROR}
_PREFIXES = {MENDER_PREFIX: Family.MENDER, VAULT_PREFIX: Family.VAULT, SIGNSERVER_PREFIX: Family.SIGNSERVER}


def family_of(path: str) -> Family:
    """By how the path begins, whether it leads anywhere or not."""
    for prefix, family in _PREFIXES.items():
        if path.startswith(prefix):
            return family
    return Family.NATIVE
