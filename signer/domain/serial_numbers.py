"""Serial numbers of certificates, as people copy them out of other programs."""

from __future__ import annotations

import re

from signer.errors import SerialNumberInvalid

# RFC 5280 section 4.1.2.2 has 20 octets; some CAs have more.
MAX_DIGITS = 64
_WRITTEN = re.compile(r"(?:0x)?([0-9a-f]{1,2}(?::[0-9a-f]{2})+|[0-9a-f]+)")


def checked_serial(unverified: str) -> str:
    """Lowercase hex without leading zeros, from hex digits with or without colons; raises ``SerialNumberInvalid``."""
    written = _WRITTEN.fullmatch(unverified.strip().lower())
    serial = written[1].replace(":", "").lstrip("0") if written else ""
    if not 0 < len(serial) <= MAX_DIGITS:
        raise SerialNumberInvalid
    return serial
