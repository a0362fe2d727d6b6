"""Groups of single calls: who does not wait any more, how long they have, and what nobody foresaw."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from hsm import SignRequest
from hsm.errors import TokenUnavailable
from signer.domain.requests import Signature
from signer.errors import ServiceBusy
from signer.services.signing_steps import SigningSteps
from tests.support.house import House, new_request

from .gathered import SOON, Settled, at_once, begun, call, recorder, signature_of, together, token


class TestWhoDoesNotWait:
    def test_goes_alone_and_is_not_recorded(self, warm: House) -> None:
        before = warm.version().signature_count

        async def ask() -> None:
            held: list[Callable[[], None]] = []

            def later(requests: Sequence[SignRequest], settled: Settled, wanted: Callable[[int], bool]) -> None:
                def go_on() -> None:
                    assert [wanted(number) for number in range(3)] == [False, True, True]
                    at_once(warm)(requests, settled, wanted)

                held.append(go_on)

            with token(warm, later):
                gone, *others = begun(warm, [call() for _ in range(3)])
                while not held:
                    await asyncio.sleep(0)
                gone.cancel()
                await asyncio.sleep(0)
                held[0]()
                await asyncio.gather(*others)
            with pytest.raises(asyncio.CancelledError):
                await gone

        warm.loop.run(ask())
        assert warm.version().signature_count == before + 2

    def test_leaves_what_was_sent_to_the_recorder_on_record(self, warm: House) -> None:
        before = warm.version().signature_count

        async def ask() -> None:
            sent, may_record = asyncio.Event(), asyncio.Event()

            async def record(_: object, go_on: Any) -> Any:
                sent.set()
                await may_record.wait()
                return await go_on()

            with token(warm, at_once(warm)), recorder(warm, record):
                gone, other = begun(warm, [call(), call()])
                await sent.wait()
                gone.cancel()
                await asyncio.sleep(0)
                may_record.set()
                assert isinstance(await other, Signature)
            assert gone.cancelled()

        warm.loop.run(ask())
        assert warm.version().signature_count == before + 2

    def test_leaves_the_signature_to_who_asked_for_the_same(self, warm: House) -> None:
        request = new_request()

        async def ask() -> None:
            held: list[Callable[[], None]] = []

            def later(requests: Sequence[SignRequest], settled: Settled, wanted: Callable[[int], bool]) -> None:
                assert len(requests) == 1
                held.append(lambda: wanted(0) and settled(0, signature_of(warm, requests[0])))  # type: ignore[func-returns-value]

            with token(warm, later):
                gone, other = begun(warm, [call(request=request), call(request=request)])
                while not held:
                    await asyncio.sleep(0)
                gone.cancel()
                await asyncio.sleep(0)
                held[0]()
                assert isinstance(await asyncio.wait_for(other, SOON), Signature)

        warm.loop.run(ask())


class TestTime:
    def test_a_call_has_no_more_of_it_than_alone(self, warm: House, monkeypatch: pytest.MonkeyPatch) -> None:
        deadlines: list[float] = []
        record_many = warm.parts.recorder.record_many

        async def noted(entries: Any, *, deadline: float) -> Any:
            deadlines.append(deadline)
            return await record_many(entries, deadline=deadline)

        monkeypatch.setattr(warm.parts.recorder, "record_many", noted)

        async def ask() -> float:
            begun_at = asyncio.get_running_loop().time()
            tasks = begun(warm, [call(), call()])
            await asyncio.sleep(0)  # they have joined
            threading.Event().wait(0.05)  # the loop does something else
            await asyncio.gather(*tasks)
            return begun_at

        latest = warm.loop.run(ask()) + 15.0
        assert deadlines
        assert max(deadlines) < latest + 0.04


class TestTheUnforeseen:
    """Whatever happens to a group, each of its callers is told, and none hangs."""

    @pytest.mark.parametrize("count", [1, 3])
    @pytest.mark.parametrize("where", ["deciding", "looking", "asking", "recording"])
    def test_ends_all_that_wait(self, warm: House, where: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
        def fault(*_: object, **__: object) -> Any:
            raise RuntimeError(where)

        async def async_fault(*_: object, **__: object) -> Any:
            raise RuntimeError(where)

        places: dict[str, tuple[object, str, Any]] = {
            "deciding": (SigningSteps, "decide_at_once", fault),
            "looking": (warm.parts.on_record, "find", async_fault),
            "asking": (warm.parts.token_signer, "ask_each", fault),
            "recording": (warm.parts.recorder, "record_many", async_fault),
        }
        owner, name, instead = places[where]
        monkeypatch.setattr(owner, name, instead)
        observed: list[BaseException] = []
        monkeypatch.setattr(warm.signing, "_observe", observed.append)
        outcomes = together(warm, [call() for _ in range(count)])
        assert [(type(each), str(each)) for each in outcomes] == [(RuntimeError, where)] * count
        assert len(observed) == count

    def test_a_group_that_is_broken_off_leaves_nobody_behind(self, warm: House) -> None:
        async def ask() -> list[Signature | BaseException]:
            def break_off(*_: object) -> None:
                for task in warm.signing._gathering._tasks:
                    task.cancel()
                raise asyncio.CancelledError

            with token(warm, break_off):
                return await asyncio.wait_for(
                    asyncio.gather(*begun(warm, [call(), call()]), return_exceptions=True), SOON
                )

        assert [type(each) for each in warm.loop.run(ask())] == [ServiceBusy] * 2

    def test_the_tokens_own_outcome_is_told(self, warm: House) -> None:
        def gone(requests: Sequence[SignRequest], settled: Settled, _: object) -> None:
            for number in range(len(requests)):
                settled(number, TokenUnavailable(token="one"))

        with token(warm, gone):
            outcomes = together(warm, [call(), call()])
        assert [type(each) for each in outcomes] == [TokenUnavailable] * 2
