"""Heads: the beginning of an artifact in one buffer, which is enough to know what it is and to sign it."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from verifier._record import Record
from verifier.errors import Truncated
from verifier.events import ArtifactFinished, Event, HeaderRead, ManifestRead, SignatureRead
from verifier.header import Header
from verifier.limits import Limits
from verifier.manifest import Manifest
from verifier.reader import OUTER_ARCHIVE, ArtifactReader

_DEFAULTS = Limits()


class Head(Record):
    """What the beginning of an artifact says. Every digest up to the header's holds; offsets count bytes of the buffer.

    The signature was not checked.
    """

    manifest: Manifest
    header: Header
    signature: SignatureRead | None
    """The signature that is there already, and its place."""
    manifest_end: int
    """Just after the manifest's padding: where ``manifest.sig`` goes."""
    header_end: int
    """Just after the header's padding: where a head may end."""
    is_whole_artifact: bool
    """Whether the buffer holds the artifact to its end, and all of it was checked."""

    @property
    def signed_already(self) -> bool:
        """Whether there is a ``manifest.sig``."""
        return self.signature is not None


def read_head(
    buffer: bytes | bytearray | memoryview,
    *,
    limits: Limits | None = None,
    on_script: Callable[[str, bytes], None] | None = None,
) -> Head:
    """Read a head, or more of an artifact than that, with the checks and the errors of ``ArtifactReader``.

    Raises a ``VerificationError``: ``Truncated`` where ``buffer`` ends before the header does. What follows the header
    is read as well, as far as it goes. ``on_script``: as ``ArtifactReader`` has it.
    """
    buffer = memoryview(buffer).cast("B")
    reader = ArtifactReader(limits=limits or _DEFAULTS, payload_data=False, on_script=on_script)
    events = reader.feed(buffer)
    last = events[-1] if events else None
    if isinstance(last, HeaderRead) and last.end_offset == len(buffer):
        return _head(events)  # nothing follows the header, so there is nothing to end
    try:
        events += reader.finish()
    except Truncated as error:
        if error.part != OUTER_ARCHIVE or not any(isinstance(event, HeaderRead) for event in events):
            raise
    return _head(events)


def _head(events: list[Event]) -> Head:
    seen = {type(event): event for event in events}
    manifest = cast("ManifestRead", seen[ManifestRead])
    header = cast("HeaderRead", seen[HeaderRead])
    return Head(
        manifest=manifest.manifest,
        header=header.header,
        signature=cast("SignatureRead | None", seen.get(SignatureRead)),
        manifest_end=manifest.end_offset,
        header_end=header.end_offset,
        is_whole_artifact=ArtifactFinished in seen,
    )
