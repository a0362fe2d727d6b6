"""A worker's way to the recorder, on the worker's event loop, without a thread.

1. What is asked in one turn of the loop goes out in one message.
2. A connection that is lost is made again, and everything that has no answer yet is sent again, under the same ids:
   the recorder knows what it has recorded.
3. Whoever has no answer at the deadline gets ``RecorderUnavailable``: it may be on record, so nothing is given out.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from signer.domain.records import SignatureEntry
from signer.domain.refusals import RefusedCall
from signer.domain.token_records import Entry
from signer.errors import RecorderUnavailable
from signer.recorder.addresses import connected
from signer.recorder.protocol import (
    MAX_ENTRIES,
    Answer,
    FrameError,
    FrameReader,
    frame,
    packed_entry,
    packed_refusal,
    parsed_answers,
)
from signer.recorder.tokens import packed_token

FIRST_DELAY = 0.01
LONGEST_DELAY = 0.5
UNWATCHED = nullcontext()
KINDS = RECORD, TOKENS = ("record", "tokens")


class _Question:
    """An entry that waits for its answer."""

    __slots__ = ("answer", "kind", "packed")

    def __init__(self, kind: str, packed: list[Any], answer: asyncio.Future[Answer]) -> None:
        self.kind = kind
        self.packed = packed
        self.answer = answer


class RecorderClient:
    """``services.ports.Recorder`` over the recorder's socket. For one event loop; not for threads."""

    def __init__(self, path: Path, *, working: AbstractContextManager[object] = UNWATCHED) -> None:
        """``working`` is entered again and again, around work for messages."""
        self._path = path
        self._working = working
        self._questions: dict[bytes, _Question] = {}
        self._unsent: list[_Question] = []
        self._refused: deque[RefusedCall] = deque(maxlen=MAX_ENTRIES)
        self._transport: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._delay = FIRST_DELAY
        self._flush_planned = False
        self._closed = False

    async def record_many(self, entries: Sequence[Entry], *, deadline: float) -> list[Answer]:
        """What became of each entry, in order, at the latest at ``deadline``."""
        loop = asyncio.get_running_loop()
        questions = [self._ask(loop, entry, deadline) for entry in entries]
        timer = loop.call_at(deadline, _give_up, questions)
        try:
            return [await question.answer for question in questions]
        finally:
            timer.cancel()
            for entry in entries:
                self._questions.pop(entry.record_id, None)

    def refuse(self, call: RefusedCall) -> None:
        """Have this refusal put on record. Without a connection, the newest of them wait for the next one."""
        self._refused.append(call)
        if not self._flush_planned:
            self._flush_planned = True
            asyncio.get_running_loop().call_soon(self._flush)

    def close(self) -> None:
        """Close the connection; who still waits gets ``RecorderUnavailable``."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
        if self._transport is not None:
            self._transport.close()
        _give_up(list(self._questions.values()))

    def _ask(self, loop: asyncio.AbstractEventLoop, entry: Entry, deadline: float) -> _Question:
        if isinstance(entry, SignatureEntry):
            question = _Question(RECORD, packed_entry(entry, deadline), loop.create_future())
        else:
            question = _Question(TOKENS, packed_token(entry, deadline), loop.create_future())
        self._questions[entry.record_id] = question
        self._unsent.append(question)
        if not self._flush_planned:
            self._flush_planned = True
            loop.call_soon(self._flush)
        return question

    def _flush(self) -> None:
        """Send what was asked in this turn of the loop."""
        self._flush_planned = False
        with self._working:
            self._hand_over()

    def _hand_over(self) -> None:
        if self._closed:
            _give_up(self._unsent)
        elif self._transport is None:
            # All of it goes out as soon as there is a connection.
            self._connect()
        else:
            self._send(self._transport, self._unsent)
            self._send_refused(self._transport)
        self._unsent = []

    def _send(self, transport: asyncio.Transport, questions: Sequence[_Question]) -> None:
        for kind in KINDS:
            waiting = [each.packed for each in questions if each.kind == kind and not each.answer.done()]
            for start in range(0, len(waiting), MAX_ENTRIES):
                transport.write(frame({kind: waiting[start : start + MAX_ENTRIES]}))

    def _send_refused(self, transport: asyncio.Transport) -> None:
        if self._refused:
            transport.write(frame({"refused": [packed_refusal(call) for call in self._refused]}))
            self._refused.clear()

    def _connect(self) -> None:
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.get_running_loop().create_task(self._connect_until_done())

    async def _connect_until_done(self) -> None:
        while (self._questions or self._refused) and not self._closed:
            try:
                made = connected(self._path)
            except OSError:
                await asyncio.sleep(self._delay)
                self._delay = min(2 * self._delay, LONGEST_DELAY)
                continue
            loop = asyncio.get_running_loop()
            self._transport, _ = await loop.create_unix_connection(lambda: _Connection(self), sock=made)
            self._send(self._transport, list(self._questions.values()))
            self._send_refused(self._transport)
            return

    def _received(self, unverified_frames: Iterable[bytes]) -> None:
        with self._working:
            for body in unverified_frames:
                self._answered(body)

    def _answered(self, unverified_frame: bytes) -> None:
        answers = parsed_answers(unverified_frame)
        if not isinstance(answers, list):
            raise FrameError
        self._delay = FIRST_DELAY
        for record_id, answer in answers:
            question = self._questions.get(record_id)
            if question is not None and not question.answer.done():
                question.answer.set_result(answer)

    def _lost(self) -> None:
        self._transport = None
        if self._questions and not self._closed:
            self._connect()


class _Connection(asyncio.Protocol):
    """One connection, for as long as it lasts."""

    def __init__(self, client: RecorderClient) -> None:
        self._client = client
        self._reader = FrameReader()
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As the base."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """As the base; what cannot be understood ends the connection."""
        try:
            self._client._received(self._reader.feed(data))
        except FrameError:
            if self._transport is not None:
                self._transport.close()

    def connection_lost(self, _error: Exception | None) -> None:
        """As the base."""
        self._client._lost()


def _give_up(questions: Sequence[_Question]) -> None:
    for question in questions:
        if not question.answer.done():
            question.answer.set_result(RecorderUnavailable())
