"""The header of a gzip member (RFC 1952 section 2.3), as far as clients differ about it.

Go clients read a name or a comment into 512 bytes, its end included, and compute the header's own checksum without
the optional fields: they refuse what is longer, and that checksum beside any of them.
"""

from __future__ import annotations

from verifier._decoder import DecoderFieldRefusedError

_FIXED_BYTES = 10
_FLAGS = 3
_FHCRC, _FEXTRA, _FNAME, _FCOMMENT = 0x02, 0x04, 0x08, 0x10
_TEXT_BYTES = 512
LARGEST_HEADER_BYTES = _FIXED_BYTES + 2 + 0xFFFF + 2 * _TEXT_BYTES


def is_complete(data: memoryview) -> bool:
    """Whether the header, which ``data`` starts with, is all there; raises ``DecoderFieldRefusedError``."""
    if len(data) < _FIXED_BYTES:
        return False
    begun = bytes(data[:LARGEST_HEADER_BYTES])
    flags = begun[_FLAGS]
    if flags & _FHCRC and flags & (_FEXTRA | _FNAME | _FCOMMENT):
        raise DecoderFieldRefusedError("header checksum")
    end = _FIXED_BYTES
    if flags & _FEXTRA:
        if len(begun) < end + 2:
            return False
        end += 2 + int.from_bytes(begun[end : end + 2], "little")
    for flag, field in ((_FNAME, "name"), (_FCOMMENT, "comment")):
        if flags & flag:
            nul = begun.find(b"\0", end, end + _TEXT_BYTES)
            if nul < 0 and len(begun) >= end + _TEXT_BYTES:
                raise DecoderFieldRefusedError(field)
            if nul < 0:
                return False
            end = nul + 1
    return len(begun) >= end
