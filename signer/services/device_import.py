"""Devices of another Mender server, taken over as they are there.

1. The whole list is read and compared with what is on record before anything is written. One entry that is not
   understood, or contradicts that, refuses the list, unless its entries are to be left out.
2. It is written in batches, each a transaction of its own that compares once more. What was cut off goes on with the
   same list: devices that are on record are left alone, so what was taken twice was taken once.
3. Memory: some 300 bytes for each device of the list, which tell that none stands there twice.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from signer.domain.device_lists import ListedDevice, ListProblem, Outcome
from signer.domain.devices import AuthStatus
from signer.errors.imports import ListChanged, ListNotTaken
from signer.services.device_import_ports import DeviceImportRecords, DeviceList, Entry
from signer.services.ports import Clock

# Whoever wants to sign waits for one of these transactions at most.
BATCH = 100
# Of a digest: nobody makes two alike.
MARK_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """An entry that is not imported, and why. ``device``: its id, where that is understood."""

    number: int
    reason: Outcome | ListProblem
    device: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportCounts:
    """How many entries a list has, and what became of them, or would."""

    entries: int
    by_reason: Mapping[Outcome | ListProblem, int]
    list_sha256: str

    def of(self, reason: Outcome | ListProblem) -> int:
        """How many of these."""
        return self.by_reason.get(reason, 0)

    @property
    def refused(self) -> int:
        """How many are not understood, or contradict what is on record."""
        return sum(number for reason, number in self.by_reason.items() if isinstance(reason, ListProblem))


# Of these there is nothing to say.
SILENT = frozenset({Outcome.IMPORTED, Outcome.KNOWN})
Remarks = Callable[[Remark], None]


class DeviceImport:
    """For one thread."""

    def __init__(self, *, records: DeviceImportRecords, clock: Clock, batch: int = BATCH) -> None:
        self._records = records
        self._clock = clock
        self._batch = batch

    def review(self, devices: DeviceList, remarks: Remarks, *, skip_faulty: bool) -> ImportCounts:
        """What would become of the list; nothing is written.

        Raises ``ListUnreadable``, ``ListNotTaken`` unless ``skip_faulty``, or ``DeviceLimitReached``.
        """
        counts: Counter[Outcome | ListProblem] = Counter()
        total, first, accepted = 0, 0, 0
        for entry, reason in self._reasons(devices, self._records.placed):
            total += 1
            counts[reason] += 1
            if isinstance(reason, ListProblem):
                first = first or entry.number
            if reason not in SILENT:
                remarks(_remark(entry, reason))
            accepted += reason is Outcome.IMPORTED and _is_accepted(entry)
        found = ImportCounts(entries=total, by_reason=counts, list_sha256=devices.sha256)
        if found.refused and not skip_faulty:
            raise ListNotTaken(entries=total, refused=found.refused, first=first)
        self._records.require_room(accepted)
        return found

    def take(self, devices: DeviceList, reviewed: ImportCounts, *, actor: str) -> ImportCounts:
        """Import what was reviewed; the counts of what became of it.

        Raises ``ListChanged`` where the file is another one by now: what was understood of it is on record then.
        """
        counts: Counter[Outcome | ListProblem] = Counter()

        def write(listed: list[ListedDevice]) -> list[Outcome | ListProblem]:
            return self._records.take(listed, actor=actor, list_sha256=reviewed.list_sha256)

        for _, reason in self._reasons(devices, write):
            counts[reason] += 1
        if devices.sha256 != reviewed.list_sha256:
            raise ListChanged
        return ImportCounts(entries=counts.total(), by_reason=counts, list_sha256=devices.sha256)

    def _reasons(
        self, devices: DeviceList, decide: Callable[[list[ListedDevice]], list[Outcome | ListProblem]]
    ) -> Iterator[tuple[Entry, Outcome | ListProblem]]:
        """Each entry with what becomes of it, in batches of which the database is asked together."""
        entries = _each_once(devices.entries(now=self._clock()))
        while some := list(islice(entries, self._batch)):
            asked = [each.device for each in some if each.device is not None and each.device.left is None]
            decided = iter(decide(asked) if asked else ())
            for entry in some:
                yield entry, entry.problem or _left(entry) or next(decided)


def _each_once(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The entries, those with an identity, a device or a key's set that stood there before as refused."""
    seen: set[bytes] = set()
    for entry in entries:
        marks = set() if entry.device is None else _marks(entry.device)
        if seen.isdisjoint(marks):
            seen |= marks
            yield entry
        else:
            yield Entry(number=entry.number, problem=ListProblem.TWICE, device_id=_device_id(entry))


def _marks(listed: ListedDevice) -> set[bytes]:
    device = listed.device
    names = ("i" + device.identity.sha256, "d" + device.id, *("s" + each.id for each in device.sets))
    return {hashlib.sha256(name.encode()).digest()[:MARK_BYTES] for name in names}


def _left(entry: Entry) -> Outcome | None:
    return None if entry.device is None else entry.device.left


def _is_accepted(entry: Entry) -> bool:
    return entry.device is not None and any(each.status is AuthStatus.ACCEPTED for each in entry.device.device.sets)


def _device_id(entry: Entry) -> str | None:
    return entry.device_id if entry.device is None else entry.device.device.id


def _remark(entry: Entry, reason: Outcome | ListProblem) -> Remark:
    return Remark(number=entry.number, reason=reason, device=_device_id(entry))
