"""A member of a tar archive, as its header block and what comes before it describe it."""

from __future__ import annotations

from typing import NamedTuple

BLOCK = 512
"""Bytes; everything in an archive begins at a multiple of it."""


class Member(NamedTuple):
    """A file in an archive; offsets in bytes from the archive's start."""

    name: str
    size: int
    mode: int
    typeflag: str
    """One character; ``0`` for a regular file."""
    start_offset: int
    """Of its first header block, extensions included."""
    data_offset: int

    @property
    def end_offset(self) -> int:
        """Just after the padding."""
        return self.data_offset + self.size + -self.size % BLOCK
