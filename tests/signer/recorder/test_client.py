"""A worker's way to the recorder: one message for what is asked together, and the same records again after a loss."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from signer.domain.records import Recorded
from signer.errors import RecorderUnavailable
from signer.recorder.addresses import listening, socket_path
from signer.recorder.client import RecorderClient
from signer.recorder.protocol import FrameReader, Posted, frame, packed_answer, parsed_message
from tests.support.books import entry
from tests.support.clock import START

Answering = Callable[[list[Posted], asyncio.StreamWriter], Awaitable[None]]


def answer(posted: Posted) -> list[Any]:
    return packed_answer(
        posted.entry.record_id, Recorded(signature=posted.entry.signature, index=0, at=START, repeated=False)
    )


class Recorder:
    """A recorder's side in the test's own loop; ``messages`` is what came, a list for each message."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        self.listener = listening(path)
        self.messages: list[list[Posted]] = []
        self.connections: list[asyncio.StreamWriter] = []
        self.answering: Answering = self.answer_all
        self.server: asyncio.Server | None = None

    async def start(self) -> None:
        """Begin to take connections."""
        self.server = await asyncio.start_unix_server(self.serve, sock=self.listener.dup())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections.append(writer)
        frames = FrameReader()
        while data := await reader.read(1 << 16):
            for body in frames.feed(data):
                message = parsed_message(body)
                assert isinstance(message, list)
                self.messages.append(message)
                await self.answering(message, writer)
        writer.close()

    async def answer_all(self, message: list[Posted], writer: asyncio.StreamWriter) -> None:
        """Answer at once."""
        writer.write(frame({"outcomes": [answer(posted) for posted in message]}))

    async def keep_silent(self, _message: list[Posted], _writer: asyncio.StreamWriter) -> None:
        """Answer nothing."""

    async def hang_up(self, _message: list[Posted], writer: asyncio.StreamWriter) -> None:
        """Close the connection instead, once; then answer."""
        self.answering = self.answer_all
        writer.close()

    async def close(self) -> None:
        """Stop; clients have to be closed before."""
        if self.server is not None:
            self.server.close()
            await self.server.wait_closed()
        for writer in self.connections:
            writer.close()
            await asyncio.sleep(0)
        self.listener.close()


def run(tmp_path: Path, scene: Callable[[Recorder, RecorderClient], Awaitable[None]], *, start: bool = True) -> None:
    """Play a scene with a recorder and a client in one loop."""

    async def play() -> None:
        recorder = Recorder(socket_path(tmp_path))
        client = RecorderClient(socket_path(tmp_path))
        if start:
            await recorder.start()
        try:
            await scene(recorder, client)
        finally:
            client.close()
            await asyncio.sleep(0.01)
            await recorder.close()

    asyncio.run(play())


def soon(seconds: float = 20.0) -> float:
    return time.monotonic() + seconds


class TestAsking:
    def test_what_is_asked_in_one_turn_goes_out_in_one_message(self, tmp_path: Path) -> None:
        async def scene(recorder: Recorder, client: RecorderClient) -> None:
            await client.record_many([entry(1)], deadline=soon())
            await asyncio.gather(*(client.record_many([entry(1), entry(1)], deadline=soon()) for _ in range(10)))
            assert [len(message) for message in recorder.messages] == [1, 20]
            assert len(recorder.connections) == 1

        run(tmp_path, scene)

    def test_each_caller_gets_its_own_answers_in_order(self, tmp_path: Path) -> None:
        async def scene(recorder: Recorder, client: RecorderClient) -> None:
            async def backwards(message: list[Posted], writer: asyncio.StreamWriter) -> None:
                for posted in reversed(message):
                    writer.write(frame({"outcomes": [answer(posted)]}))

            recorder.answering = backwards
            batches = [[entry(1, f"{caller} {number}") for number in range(5)] for caller in range(4)]
            answers = await asyncio.gather(*(client.record_many(batch, deadline=soon()) for batch in batches))
            for batch, given in zip(batches, answers, strict=True):
                assert [each.signature for each in given] == [each.signature for each in batch]  # type: ignore[union-attr]

        run(tmp_path, scene)

    def test_more_than_a_message_may_have_goes_out_in_several(self, tmp_path: Path) -> None:
        async def scene(recorder: Recorder, client: RecorderClient) -> None:
            answers = await client.record_many([entry(1, n) for n in range(600)], deadline=soon())
            assert len(answers) == 600
            assert [len(message) for message in recorder.messages] == [256, 256, 88]

        run(tmp_path, scene)

    def test_nothing_is_asked_for_nothing(self, tmp_path: Path) -> None:
        async def scene(recorder: Recorder, client: RecorderClient) -> None:
            assert await client.record_many([], deadline=soon()) == []
            assert recorder.messages == []

        run(tmp_path, scene)


class TestDeadlines:
    def test_without_an_answer_it_is_unavailable_and_forgotten(self, tmp_path: Path) -> None:
        async def scene(recorder: Recorder, client: RecorderClient) -> None:
            recorder.answering = recorder.keep_silent
            started = time.monotonic()
            answers = await client.record_many([entry(1), entry(1)], deadline=soon(0.1))
            assert [type(each) for each in answers] == [RecorderUnavailable] * 2
            assert 0.05 < time.monotonic() - started < 5.0
            assert client._questions == {}

        run(tmp_path, scene)

    def test_without_a_recorder_it_is_unavailable(self, tmp_path: Path) -> None:
        async def scene(_recorder: Recorder, _client: RecorderClient) -> None:
            nowhere = RecorderClient(tmp_path / "nowhere" / "socket")
            (answered,) = await nowhere.record_many([entry(1)], deadline=soon(0.1))
            assert isinstance(answered, RecorderUnavailable)
            nowhere.close()

        run(tmp_path, scene)

    def test_one_deadline_is_not_another_s(self, tmp_path: Path) -> None:
        async def scene(recorder: Recorder, client: RecorderClient) -> None:
            recorder.answering = recorder.keep_silent
            hurried, patient = entry(1, "hurried"), entry(1, "patient")
            waiting = asyncio.ensure_future(client.record_many([patient], deadline=soon()))
            (late,) = await client.record_many([hurried], deadline=soon(0.05))
            assert isinstance(late, RecorderUnavailable)
            assert not waiting.done()
            recorder.connections[0].write(frame({"outcomes": [answer(Posted(patient, 0.0))]}))
            assert isinstance((await waiting)[0], Recorded)

        run(tmp_path, scene)

    def test_the_deadline_goes_with_the_entry(self, tmp_path: Path) -> None:
        async def scene(recorder: Recorder, client: RecorderClient) -> None:
            deadline = soon()
            await client.record_many([entry(1)], deadline=deadline)
            assert recorder.messages[0][0].deadline == deadline

        run(tmp_path, scene)


class TestLosses:
    def test_the_same_records_are_sent_again_under_the_same_ids(self, tmp_path: Path) -> None:
        async def scene(recorder: Recorder, client: RecorderClient) -> None:
            recorder.answering = recorder.hang_up
            sent = [entry(1, number) for number in range(3)]
            answers = await client.record_many(sent, deadline=soon())
            assert {type(each) for each in answers} == {Recorded}
            assert [[posted.entry for posted in message] for message in recorder.messages] == [sent, sent]
            assert len(recorder.connections) == 2

        run(tmp_path, scene)

    def test_what_was_answered_is_not_sent_again(self, tmp_path: Path) -> None:
        async def scene(recorder: Recorder, client: RecorderClient) -> None:
            first, second = entry(1, "first"), entry(1, "second")

            async def half(message: list[Posted], writer: asyncio.StreamWriter) -> None:
                writer.write(frame({"outcomes": [answer(message[0])]}))
                await writer.drain()
                await recorder.hang_up(message, writer)

            recorder.answering = half
            await client.record_many([first, second], deadline=soon())
            assert [posted.entry for posted in recorder.messages[1]] == [second]

        run(tmp_path, scene)

    def test_a_recorder_that_is_not_there_yet_is_waited_for(self, tmp_path: Path) -> None:
        async def scene(recorder: Recorder, client: RecorderClient) -> None:
            waiting = asyncio.ensure_future(client.record_many([entry(1)], deadline=soon()))
            await asyncio.sleep(0.05)
            await recorder.start()
            assert isinstance((await waiting)[0], Recorded)

        run(tmp_path, scene, start=False)

    def test_an_answer_that_cannot_be_understood_ends_the_connection(self, tmp_path: Path) -> None:
        async def scene(recorder: Recorder, client: RecorderClient) -> None:
            async def nonsense(_message: list[Posted], writer: asyncio.StreamWriter) -> None:
                recorder.answering = recorder.answer_all
                writer.write(frame({"outcomes": "all of them"}))

            recorder.answering = nonsense
            assert isinstance((await client.record_many([entry(1)], deadline=soon()))[0], Recorded)
            assert len(recorder.connections) == 2

        run(tmp_path, scene)

    def test_who_waits_when_it_is_closed_is_told(self, tmp_path: Path) -> None:
        async def scene(recorder: Recorder, client: RecorderClient) -> None:
            recorder.answering = recorder.keep_silent
            waiting = asyncio.ensure_future(client.record_many([entry(1)], deadline=soon()))
            await asyncio.sleep(0.01)
            client.close()
            assert isinstance((await waiting)[0], RecorderUnavailable)
            assert isinstance((await client.record_many([entry(1)], deadline=soon()))[0], RecorderUnavailable)

        run(tmp_path, scene)


def test_a_path_of_any_length_will_do(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(10):
        deep /= "a-folder-with-a-long-name"
    deep.mkdir(parents=True)

    async def scene(_recorder: Recorder, client: RecorderClient) -> None:
        assert isinstance((await client.record_many([entry(1)], deadline=soon()))[0], Recorded)

    run(deep, scene)


@pytest.mark.parametrize("size", [1, 40])
def test_a_message_is_whole_however_it_is_cut(tmp_path: Path, size: int) -> None:
    async def scene(recorder: Recorder, client: RecorderClient) -> None:
        async def crumbs(message: list[Posted], writer: asyncio.StreamWriter) -> None:
            data = frame({"outcomes": [answer(posted) for posted in message]})
            for start in range(0, len(data), size):
                writer.write(data[start : start + size])
                await writer.drain()

        recorder.answering = crumbs
        assert isinstance((await client.record_many([entry(1)], deadline=soon()))[0], Recorded)

    run(tmp_path, scene)
