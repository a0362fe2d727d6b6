"""The members of an artifact and their order: one table; what is not in it is refused."""

from __future__ import annotations

import enum
import re

from verifier.compression import Compression
from verifier.errors import (
    AugmentedArtifact,
    MemberMissing,
    MemberUnexpected,
    SeveralPayloads,
    UnsupportedCompression,
)


class MemberKind(enum.Enum):
    """What a member is; the value is its name, before the suffix of a compression."""

    VERSION = "version"
    MANIFEST = "manifest"
    SIGNATURE = "manifest.sig"
    HEADER = "header.tar"
    DATA = "data/0000.tar"
    END = "the end of the artifact"


# After a member of the first kind (None: at the start) comes a member of one of the second.
_NEXT: dict[MemberKind | None, tuple[MemberKind, ...]] = {
    None: (MemberKind.VERSION,),
    MemberKind.VERSION: (MemberKind.MANIFEST,),
    MemberKind.MANIFEST: (MemberKind.SIGNATURE, MemberKind.HEADER),
    MemberKind.SIGNATURE: (MemberKind.HEADER,),
    MemberKind.HEADER: (MemberKind.DATA,),
    MemberKind.DATA: (MemberKind.END,),
}

_COMPRESSIBLE = (MemberKind.HEADER, MemberKind.DATA)
_MEMBERS = {
    kind.value + compression.value: (kind, compression)
    for kind in (MemberKind.VERSION, MemberKind.MANIFEST, MemberKind.SIGNATURE, *_COMPRESSIBLE)
    for compression in (Compression if kind in _COMPRESSIBLE else (Compression.NONE,))
}
# Only refusals look at these, so they are compiled then.
_AUGMENTED = r"manifest-augment(\.sig)?|header-augment\.tar(\.[a-z0-9]+)?"
_OTHER_PAYLOAD = r"data/[0-9]{4}\.tar(\.[a-z0-9]+)?"


class Order:
    """Follows the members of one artifact."""

    def __init__(self) -> None:
        self._last: MemberKind | None = None

    def member(self, name: str) -> tuple[MemberKind, Compression]:
        """What the next member is, by its name; raises when it may not come here."""
        kinds = _NEXT[self._last]
        found = _MEMBERS.get(name)
        if found is not None and found[0] in kinds:
            self._last = found[0]
            return found
        if re.fullmatch(_AUGMENTED, name):
            raise AugmentedArtifact(member=name)
        if self._last is MemberKind.DATA and re.fullmatch(_OTHER_PAYLOAD, name):
            raise SeveralPayloads(count=2)
        if any(kind in _COMPRESSIBLE and name.startswith(f"{kind.value}.") for kind in kinds):
            raise UnsupportedCompression(member=name)
        raise MemberUnexpected(name=name, expected=tuple(kind.value for kind in kinds))

    def end(self) -> None:
        """Say that the archive ended; raises when a member is missing."""
        kinds = _NEXT[self._last]
        if MemberKind.END not in kinds:
            raise MemberMissing(expected=tuple(kind.value for kind in kinds))
