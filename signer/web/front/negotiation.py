"""Which of two forms a client would rather have."""

from __future__ import annotations

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

# What clients send all the time needs no parser.
_KNOWN = {None: False, "*/*": False, "application/json": False, "text/plain": True}
_OFFERED = ["application/json", "text/plain"]


def wants_text(accept: str | None) -> bool:
    """Whether text is preferred to JSON; what names neither gets JSON."""
    known = _KNOWN.get(accept)
    if known is not None:
        return known
    preferred = parse_accept_header(accept, MIMEAccept).best_match(_OFFERED, default=_OFFERED[0])
    return preferred == "text/plain"
