"""Processor time by stage: what was measured stands for the rest, and what a coroutine waits for is not its own."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Callable, Generator

import pytest

from signer.services.stages import EVERY, FIRST, Stages, Stopwatch


class Processor:
    """A clock that is moved by work, and by each look at it by ``look`` seconds."""

    def __init__(self, look: float = 0.0) -> None:
        self.now = 100.0
        self.looks = 0
        self._look = look

    def __call__(self) -> float:
        self.looks += 1
        self.now += self._look
        return self.now

    def work(self, seconds: float) -> None:
        """Take processor time."""
        self.now += seconds

    def fail_after(self, seconds: float) -> None:
        """Take processor time for nothing."""
        self.now += seconds
        raise KeyError


class TestBlocks:
    @pytest.mark.parametrize(
        ("blocks", "measured", "told"),
        [
            (1, 1, 1),
            (FIRST, FIRST, FIRST),
            (FIRST + EVERY - 1, FIRST, FIRST),
            (FIRST + EVERY, FIRST + 1, FIRST + EVERY),
            (FIRST + 10 * EVERY, FIRST + 10, FIRST + 10 * EVERY),
        ],
    )
    def test_one_in_so_many_is_measured_and_stands_for_those_before_it(
        self, blocks: int, measured: int, told: int
    ) -> None:
        processor = Processor()
        watch = Stopwatch(processor)
        for _ in range(blocks):
            with watch:
                processor.work(0.25)
            processor.work(7.0)
        assert watch.seconds == pytest.approx(0.25 * told)
        assert processor.looks == 2 * measured

    def test_nothing_was_done(self) -> None:
        assert Stopwatch(Processor()).seconds == 0.0

    def test_a_block_that_fails_has_taken_its_time(self) -> None:
        processor = Processor()
        watch = Stopwatch(processor)
        with pytest.raises(KeyError), watch:
            processor.fail_after(2.0)
        assert watch.seconds == 2.0

    def test_looking_at_the_clock_is_not_counted(self) -> None:
        processor = Processor(look=0.5)
        stages = Stages(processor)
        with stages.parse:
            processor.work(0.125)
        with stages.decide:
            pass
        found = stages.seconds()
        assert (found["parse"], found["decide"]) == (0.125, 0.0)


class TestCoroutines:
    def play(self, scene: Callable[[Processor, Stopwatch], Awaitable[object]]) -> tuple[object, float]:
        processor = Processor()
        watch = Stopwatch(processor)

        async def played() -> object:
            return await scene(processor, watch)

        return asyncio.run(played()), watch.seconds

    def test_what_runs_while_it_waits_is_not_its_own(self) -> None:
        async def scene(processor: Processor, watch: Stopwatch) -> object:
            others = asyncio.get_running_loop().call_soon

            async def work() -> str:
                processor.work(1.0)
                others(processor.work, 50.0)
                await asyncio.sleep(0)
                return "done"

            return await watch.over(work())

        answer, seconds = self.play(scene)
        assert answer == "done"
        assert seconds == 1.0

    def test_what_it_raises_is_raised(self) -> None:
        async def scene(_processor: Processor, watch: Stopwatch) -> object:
            async def fail() -> None:
                await asyncio.sleep(0)
                raise KeyError

            with pytest.raises(KeyError):
                await watch.over(fail())
            return None

        self.play(scene)

    def test_what_it_waits_for_answers_and_fails_as_without(self) -> None:
        async def scene(_processor: Processor, watch: Stopwatch) -> object:
            loop = asyncio.get_running_loop()
            answer, failure = loop.create_future(), loop.create_future()
            loop.call_soon(answer.set_result, "answer")
            loop.call_later(0.01, failure.set_exception, KeyError())

            async def ask() -> object:
                found = await answer
                with pytest.raises(KeyError):
                    await failure
                return found

            return await watch.over(ask())

        assert self.play(scene)[0] == "answer"

    @pytest.mark.parametrize("seconds", [60, 0])
    def test_a_cancellation_reaches_it_and_may_be_answered(self, seconds: int) -> None:
        async def scene(_processor: Processor, watch: Stopwatch) -> object:
            told = []

            async def wait() -> None:
                try:
                    await asyncio.sleep(seconds)
                    await asyncio.sleep(seconds)
                except asyncio.CancelledError:
                    told.append("cancelled")
                    await asyncio.sleep(0)
                    told.append("tidied up")
                    raise

            async def over() -> None:
                await watch.over(wait())

            task = asyncio.create_task(over())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return told

        assert self.play(scene)[0] == ["cancelled", "tidied up"]

    def test_what_is_sent_reaches_it(self) -> None:
        @types.coroutine
        def ask(question: str) -> Generator[str, str, str]:
            return (yield question)

        async def both() -> list[str]:
            return [await ask("first"), await ask("second")]

        steps = Stopwatch(Processor()).over(both()).__await__()
        assert next(steps) == "first"
        assert steps.send("one") == "second"
        with pytest.raises(StopIteration) as ended:
            steps.send("two")
        assert ended.value.value == ["one", "two"]


class TestStages:
    def test_they_and_the_front_make_up_the_thread_s_time(self) -> None:
        processor = Processor()
        stages = Stages(processor)
        begun = processor.now
        with stages.token:
            processor.work(1.0)
        with stages.verify:
            processor.work(2.0)
        for watch in (stages.parse, stages.decide, stages.record):
            with watch:
                processor.work(4.0)
        processor.work(8.0)
        assert stages.seconds() == {
            "front": begun + 8.0,
            "parse": 4.0,
            "decide": 4.0,
            "token": 1.0,
            "verify": 2.0,
            "record": 4.0,
        }
