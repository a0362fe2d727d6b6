"""What taking over devices of another server needs of whoever keeps devices, and of whoever reads lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from signer.domain.device_lists import ListedDevice, ListProblem, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What stands at one place of a list. ``number``: from 1; ``device``: what was understood, or None.

    ``problem``: why it was not; ``device_id``: its id, as far as that was.
    """

    number: int
    device: ListedDevice | None = None
    problem: ListProblem | None = None
    device_id: str | None = None


class DeviceList(Protocol):
    """A list that can be read more than once."""

    def entries(self, *, now: datetime) -> Iterator[Entry]:
        """All, in their order; raises ``ListUnreadable`` as soon as the list is none."""

    @property
    def sha256(self) -> str:
        """Of what was read last, to its end; lowercase hex."""


class DeviceImportRecords(Protocol):
    """Devices on record. Raises what databases raise, too."""

    def placed(self, listed: Sequence[ListedDevice]) -> list[Outcome | ListProblem]:
        """What would become of each; nothing is written."""

    def take(self, listed: Sequence[ListedDevice], *, actor: str, list_sha256: str) -> list[Outcome | ListProblem]:
        """What became of each: one transaction, with a leaf for each key. Raises ``DeviceLimitReached``."""

    def require_room(self, number: int) -> None:
        """So many more devices may be accepted; raises ``DeviceLimitReached``."""
