"""A reader of artifacts: bytes in, events out. It decides everything but whose signature it is.

Checked, in the order of the bytes:

1. the outer archive (``_tar``) and the order of its members (``_order``);
2. ``version``: version 3 (``version``), and the digest that the manifest lists;
3. ``manifest``: canonical (``manifest``);
4. the header: its digest before anything else, then its contents (``header``);
5. the payload: every listed file once with its digest, and nothing that is not listed (``_payload_member``);
6. nothing after the end but zeros.
"""

from __future__ import annotations

from collections.abc import Callable

from verifier._members import Gate, Members
from verifier._order import MemberKind
from verifier._tar import MemberEnd, TarReader
from verifier._tar_member import Member
from verifier.compression import Compression
from verifier.errors import EmptyInput, LimitExceeded, VerificationError
from verifier.events import ArtifactFinished, Event, PayloadData
from verifier.findings import Finding
from verifier.limits import Limits

OUTER_ARCHIVE = "artifact"
"""The outermost archive's name in errors."""


class ArtifactReader:
    """Reads one artifact that is fed to it in chunks of any size.

    Events come in the order of the bytes, and the same ones however the bytes are cut, but for how much one
    ``PayloadData`` holds. An error is raised by the first call that has no event to hand out, and by every
    call after it.

    ``payload_data=False`` leaves out ``PayloadData``; ``on_payload`` takes them as they come, instead of in
    the returned lists, so that memory stays flat however far one chunk expands. ``gate`` is asked before the
    header is looked at. With ``hash_in_thread``, chunks must not change after they were fed. ``on_script``
    gets the name and the content of each state script, before the header that has them comes as an event.
    """

    _member: Member

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        payload_data: bool = True,
        on_payload: Callable[[PayloadData], None] | None = None,
        gate: Gate | None = None,
        hash_in_thread: bool = False,
        on_script: Callable[[str, bytes], None] | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self._events: list[Event] = []
        self._tar = TarReader(part=OUTER_ARCHIVE, limits=self._limits)
        self._members = Members(
            limits=self._limits,
            emit=self._emit,
            emit_data=on_payload or (self._emit if payload_data else None),
            hash_in_thread=hash_in_thread,
            gate=gate,
            on_script=on_script,
        )
        self._bytes_fed = 0
        self._finished = False
        self._error: BaseException | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is valid but worth knowing, so far, each once."""
        return tuple(self._members.findings)

    @property
    def payload_compression(self) -> Compression | None:
        """How the data member is compressed; ``None`` while there is none."""
        return self._members.compressions.get(MemberKind.DATA)

    def feed(self, chunk: bytes | bytearray | memoryview) -> list[Event]:
        """Take the next bytes; return the events they complete. Raises a ``VerificationError``."""
        if self._finished and self._error is None:
            raise RuntimeError("feed() after finish()")
        return self._step(lambda: self._take(memoryview(chunk).cast("B")))

    def finish(self) -> list[Event]:
        """Say that no more bytes come; return the last events. Raises a ``VerificationError``."""
        if self._finished and self._error is None:
            raise RuntimeError("finish() called twice")
        self._finished = True
        return self._step(self._end)

    def close(self) -> None:
        """End the worker thread, if there is one; needed only where neither an error nor ``finish`` came."""
        self._members.close()

    def _step(self, work: Callable[[], None]) -> list[Event]:
        if self._error is None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - raised below, and again by later calls
                self._error = error
                self.close()
                # A verdict waits until what came before it is handed out. What is none, such as Ctrl-C, does not: the
                # next call may never come, where the caller waits for more bytes first.
                if not isinstance(error, VerificationError):
                    self._events = []
        events, self._events = self._events, []
        if self._error is not None and not events:
            raise self._error
        return events

    def _emit(self, event: Event) -> None:
        self._events.append(event)

    def _take(self, chunk: memoryview) -> None:
        allowed = self._limits.artifact_bytes
        allowance = len(chunk) if allowed is None else allowed - self._bytes_fed
        self._bytes_fed += len(chunk)
        taken = chunk if allowed is None else chunk[:allowance]
        at = self._tar.offset
        for member, contents, padded_with_zeros in self._tar.plain_members(taken):
            self._member = member
            self._members.starts(member)
            self._members.data(contents)
            self._members.ends(member, padded_with_zeros=padded_with_zeros)
        for item in self._tar.feed(taken[self._tar.offset - at :]):
            if isinstance(item, memoryview):
                self._members.data(item)
            elif isinstance(item, Member):
                self._member = item
                self._members.starts(item)
            elif isinstance(item, MemberEnd):
                self._members.ends(self._member, padded_with_zeros=item.padded_with_zeros)
            else:
                self._members.archive_ends()
        if allowed is not None and len(chunk) > allowance:
            raise LimitExceeded(part=OUTER_ARCHIVE, limit="artifact_bytes", allowed=allowed)

    def _end(self) -> None:
        if not self._bytes_fed:
            raise EmptyInput
        self._tar.finish()
        self._events.append(ArtifactFinished(size=self._bytes_fed))
        self.close()
