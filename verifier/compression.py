"""How the members of an artifact may be compressed."""

from __future__ import annotations

import enum


class Compression(enum.Enum):
    """How a member is compressed; the value is its suffix."""

    NONE = ""
    GZIP = ".gz"
    XZ = ".xz"
    ZSTD = ".zst"

    @property
    def label(self) -> str:
        """The name for people and JSON: ``none``, ``gzip``, ``xz`` or ``zstd``."""
        return self.name.lower()
