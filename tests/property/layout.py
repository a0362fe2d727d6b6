"""Where things lie in an artifact's file, from what its builder says it wrote."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

from tests.artifacts.tarwriter import BLOCK, END_OF_ARCHIVE, Member, content_size


class Part(Enum):
    """What a stretch of a tar archive is."""

    HEADER = auto()
    CONTENT = auto()
    PADDING = auto()
    END = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Bytes `start` to `stop` of the file: a part of the member `member`."""

    member: str
    part: Part
    start: int
    stop: int

    @property
    def offsets(self) -> range:
        """The offsets of its bytes."""
        return range(self.start, self.stop)


def regions(members: Iterable[Member], start: int = 0) -> Iterator[Region]:
    """The regions of an archive of plain members that begins at offset `start`."""
    for member in members:
        content = start + BLOCK
        padding = content + content_size(member.content)
        after = content + -(-content_size(member.content) // BLOCK) * BLOCK
        yield Region(member=member.name, part=Part.HEADER, start=start, stop=content)
        yield Region(member=member.name, part=Part.CONTENT, start=content, stop=padding)
        yield Region(member=member.name, part=Part.PADDING, start=padding, stop=after)
        start = after
    yield Region(member="", part=Part.END, start=start, stop=start + len(END_OF_ARCHIVE))
