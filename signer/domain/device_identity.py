"""What a device says that it is, in the one form by which it is known again.

The form is that of Mender's server, so that its devices keep their place: the text of ``id_data`` is an object, written
with sorted members, without blanks, numbers as 64-bit floats and with the escapes of Go's ``encoding/json``. SHA-256 of
it, as UTF-8, is the device's key. Refused, other than there: members that come twice, ``null`` anywhere, an object
without members, and what is longer or deeper than any device's.
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from signer.domain.strict_json import NotStrictJson, strict_object
from signer.errors import DeviceIdentityInvalid

MAX_TEXT = 8192
MAX_DEPTH = 8
# Go writes numbers outside of this range with an exponent.
PLAIN_FROM, PLAIN_BELOW = 1e-6, 1e21
_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ESCAPED = re.compile('["\\\\<>&\u2028\u2029\x00-\x1f]')


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceIdentity:
    """An identity in its one form.

    Attributes:
        text: the canonical JSON object.
        sha256: of ``text`` in UTF-8, lowercase hex.
    """

    text: str
    sha256: str

    @classmethod
    def of_text(cls, unverified: str) -> DeviceIdentity:
        """From the text of ``id_data``; raises ``DeviceIdentityInvalid``."""
        if len(unverified) > MAX_TEXT:
            raise DeviceIdentityInvalid(problem=f"is longer than {MAX_TEXT} characters")
        try:
            members = strict_object(unverified, parse_int=float)
        except NotStrictJson:
            raise DeviceIdentityInvalid(problem="is not one JSON object with each member once") from None
        return cls._of_members(members)

    @classmethod
    def _of_members(cls, members: dict[str, Any]) -> DeviceIdentity:
        if not members:
            raise DeviceIdentityInvalid(problem="has no members")
        text = _written(members, MAX_DEPTH)
        try:
            encoded = text.encode("utf-8")
        except UnicodeEncodeError:
            raise DeviceIdentityInvalid(problem="holds half a character") from None
        return cls(text=text, sha256=hashlib.sha256(encoded).hexdigest())


def _written(value: Any, depth: int) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _text(value)
        case float():
            return _number(value)
        case None:
            raise DeviceIdentityInvalid(problem="holds null")
        case _ if depth == 0:
            raise DeviceIdentityInvalid(problem=f"has more than {MAX_DEPTH} levels")
        case list():
            return f"[{','.join(_written(each, depth - 1) for each in value)}]"
        case _:
            members = (f"{_text(name)}:{_written(value[name], depth - 1)}" for name in sorted(value))
            return f"{{{','.join(members)}}}"


def _text(value: str) -> str:
    return f'"{_ESCAPED.sub(_escape, value)}"'


def _escape(found: re.Match[str]) -> str:
    char = found[0]
    return _SHORT.get(char) or f"\\u{ord(char):04x}"


def _number(value: float) -> str:
    # The shortest digits that give the same float, as Go and Python both choose them.
    if not math.isfinite(value):
        raise DeviceIdentityInvalid(problem="holds a number that is too large")
    if value == 0 or PLAIN_FROM <= abs(value) < PLAIN_BELOW:
        plain = f"{Decimal(repr(value)):f}"
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    sign, digits, _ = Decimal(repr(value)).normalize().as_tuple()
    exponent = math.floor(Decimal(repr(abs(value))).adjusted())
    fraction = "".join(map(str, digits[1:]))
    # Two digits of a positive exponent, and of a negative one as many as it has.
    power = f"+{exponent:02d}" if exponent > 0 else str(exponent)
    return f"{'-' if sign else ''}{digits[0]}{'.' if fraction else ''}{fraction}e{power}"
