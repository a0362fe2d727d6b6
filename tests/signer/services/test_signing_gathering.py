"""Single calls that come in one turn of the event loop go together, and nobody waits for another one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from hsm import SignRequest
from hsm.errors import TokenBusy, TokenUnavailable
from signer.domain.identity import Identity, Role
from signer.domain.records import Outcome, SignatureEntry
from signer.domain.requests import Signature
from signer.errors import AccessDenied, KeyNotFound, NoActiveVersion, ServiceBusy, SignerError, VersionHasNoPair
from signer.services import signing_gathering
from signer.services.signing_calls import SigningCall
from signer.services.signing_steps import SigningSteps
from tests.support.house import ADMIN, KEY, READER, SIGNER, House, new_request
from tests.support.memory_tokens import MemoryTokens
from tests.support.records import event, new_key, new_version

from .steps import sign

SOON = 10.0
Settled = Callable[[int, bytes | Exception], None]
Asking = Callable[[Sequence[SignRequest], Settled, Callable[[int], bool]], None]


def call(who: Identity = SIGNER, key: str = KEY, **options: Any) -> SigningCall:
    return SigningCall(identity=who, key=key, **({"request": new_request()} | options))


@pytest.fixture
def warm(house: House) -> House:
    """A worker that remembers all that decides of its key."""
    house.create()
    sign(house)
    return house


def begun(house: House, calls: Sequence[SigningCall]) -> list[asyncio.Task[Signature]]:
    """Each call in a task of its own, all in one turn of the loop."""
    return [asyncio.ensure_future(house.signing.sign(each)) for each in calls]


def together(house: House, calls: Sequence[SigningCall]) -> list[Signature | BaseException]:
    async def ask() -> list[Signature | BaseException]:
        return await asyncio.gather(*begun(house, calls), return_exceptions=True)

    return house.loop.run(ask())


@contextmanager
def token(house: House, step: Asking) -> Iterator[None]:
    """``step`` in the place of what has the token sign."""

    def ask_each(
        requests: Sequence[SignRequest], *, timeout: float, wanted: Callable[[int], bool], settled: Settled
    ) -> None:
        step(requests, settled, wanted)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(house.parts.token_signer, "ask_each", ask_each)
        yield


@contextmanager
def recorder(
    house: House, step: Callable[[Sequence[SignatureEntry], Callable[[], Coroutine[Any, Any, Any]]], Any]
) -> Iterator[None]:
    """``step`` before what the recorder does."""
    real = house.parts.recorder.record_many

    async def record_many(entries: Sequence[SignatureEntry], *, deadline: float) -> list[Outcome | SignerError]:
        outcomes: list[Outcome | SignerError] = await step(entries, lambda: real(entries, deadline=deadline))
        return outcomes

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(house.parts.recorder, "record_many", record_many)
        yield


def signature_of(house: House, request: SignRequest) -> bytes:
    return house.tokens.sign(request.key, request.message, tokens=request.tokens)


def at_once(house: House) -> Asking:
    """A token that has signed everything in the turn in which it was asked."""

    def sign_all(requests: Sequence[SignRequest], settled: Settled, _: object) -> None:
        for number, request in enumerate(requests):
            settled(number, signature_of(house, request))

    return sign_all


class TestTogether:
    def test_one_look_one_message_and_one_record(self, warm: House, monkeypatch: pytest.MonkeyPatch) -> None:
        looked, asked, recorded = list[int](), list[int](), list[int]()
        find, signing = warm.parts.on_record.find, at_once(warm)

        async def counted(places: Any) -> Any:
            looked.append(len(places))
            return await find(places)

        def sign_all(requests: Sequence[SignRequest], *rest: Any) -> None:
            asked.append(len(requests))
            signing(requests, *rest)

        async def record(entries: Sequence[SignatureEntry], go_on: Any) -> Any:
            recorded.append(len(entries))
            return await go_on()

        monkeypatch.setattr(warm.parts.on_record, "find", counted)
        with token(warm, sign_all), recorder(warm, record):
            outcomes = together(warm, [call() for _ in range(10)])
        assert all(isinstance(each, Signature) for each in outcomes)
        assert (looked, asked, recorded) == ([10], [10], [10])

    def test_each_has_the_signature_of_its_own_manifest(self, warm: House) -> None:
        calls = [call() for _ in range(5)]
        outcomes = together(warm, calls)
        again = [warm.sign(SIGNER, request=each.request) for each in calls]  # type: ignore[arg-type]
        assert outcomes == again

    def test_the_same_manifest_twice_is_signed_and_counted_once(self, warm: House) -> None:
        request, other = new_request(), Identity(name="api-token:other", role=Role.SIGNER)
        before, asked, signing = warm.version().signature_count, list[int](), at_once(warm)

        def sign_all(requests: Sequence[SignRequest], *rest: Any) -> None:
            asked.append(len(requests))
            signing(requests, *rest)

        with token(warm, sign_all):
            outcomes = together(warm, [call(request=request), call(request=request), call(other, request=request)])
        first, second, third = (each for each in outcomes if isinstance(each, Signature))
        assert first == second
        assert first.raw == third.raw
        assert (asked, warm.version().signature_count) == ([1], before + 1)

    def test_what_is_on_record_needs_no_token(self, warm: House) -> None:
        request = new_request()
        first = sign(warm, request=request)

        def nobody(*_: object) -> None:
            pytest.fail("the token was asked")

        with token(warm, nobody):
            assert together(warm, [call(request=request)] * 3) == [first] * 3

    def test_its_stages_are_accounted_for(self, warm: House) -> None:
        stages = warm.parts.stages
        before = stages.decide.seconds, stages.record.seconds
        together(warm, [call() for _ in range(20)])
        assert stages.decide.seconds > before[0]
        assert stages.record.seconds > before[1]


class TestNobodyWaitsForAnother:
    """One call of a group is held up, or fails; what the others get, and when, is as if they had come alone."""

    def test_while_the_token_holds_one_back(self, warm: House) -> None:
        async def ask() -> None:
            held: list[Callable[[], None]] = []

            def all_but_the_first(requests: Sequence[SignRequest], settled: Settled, _: object) -> None:
                held.append(lambda: settled(0, signature_of(warm, requests[0])))
                for number, request in enumerate(requests[1:], 1):
                    settled(number, signature_of(warm, request))

            with token(warm, all_but_the_first):
                first, *others = begun(warm, [call() for _ in range(4)])
                await asyncio.wait_for(asyncio.gather(*others), SOON)
            assert not first.done()
            held[0]()
            assert isinstance(await first, Signature)

        warm.loop.run(ask())

    def test_each_is_recorded_when_it_has_come(self, warm: House) -> None:
        recorded: list[int] = []

        async def record(entries: Sequence[SignatureEntry], go_on: Any) -> Any:
            recorded.append(len(entries))
            return await go_on()

        async def ask() -> None:
            def one_by_one(requests: Sequence[SignRequest], settled: Settled, _: object) -> None:
                def sign_next(number: int) -> None:
                    settled(number, signature_of(warm, requests[number]))
                    if number + 1 < len(requests):
                        asyncio.get_running_loop().call_later(0.01, sign_next, number + 1)

                sign_next(0)

            with token(warm, one_by_one), recorder(warm, record):
                await asyncio.gather(*begun(warm, [call() for _ in range(4)]))

        warm.loop.run(ask())
        assert recorded == [1] * 4

    def test_while_the_rules_of_one_are_read_anew(self, warm: House, monkeypatch: pytest.MonkeyPatch) -> None:
        read, may_read = warm.store.key_at, threading.Event()

        def slowly(name: str) -> Any:
            assert may_read.wait(SOON)
            return read(name)

        async def ask() -> None:
            monkeypatch.setattr(warm.store, "key_at", slowly)
            unknown, *others = begun(warm, [call(key="nothing"), call(), call()])
            await asyncio.wait_for(asyncio.gather(*others), SOON)
            assert not unknown.done()
            may_read.set()
            with pytest.raises(KeyNotFound):
                await unknown

        warm.loop.run(ask())

    def test_while_one_is_quarantined(self, warm: House, monkeypatch: pytest.MonkeyPatch) -> None:
        """What follows a failure takes a thread and the database; a failure of one is no other's."""
        failing, may_go_on = TokenBusy(token="one"), asyncio.Event()

        async def slowly(_: object, _job: object, error: Exception) -> Exception:
            await may_go_on.wait()
            return error

        def refuse_the_first(requests: Sequence[SignRequest], settled: Settled, _: object) -> None:
            settled(0, failing)
            for number, request in enumerate(requests[1:], 1):
                settled(number, signature_of(warm, request))

        async def ask() -> None:
            monkeypatch.setattr(SigningSteps, "failed", slowly)
            with token(warm, refuse_the_first):
                first, *others = begun(warm, [call() for _ in range(3)])
                await asyncio.wait_for(asyncio.gather(*others), SOON)
            assert not first.done()
            may_go_on.set()
            with pytest.raises(TokenBusy):
                await first

        warm.loop.run(ask())

    def test_each_has_its_own_refusal(self, warm: House) -> None:
        outcomes = together(warm, [call(READER), call(), call(key="nothing"), call(ADMIN)])
        assert [type(each) for each in outcomes] == [AccessDenied, Signature, KeyNotFound, Signature]
        assert [each.identity for each in warm.parts.recorder.refused] == [READER.name]  # type: ignore[attr-defined]

    def test_a_version_that_cannot_be_asked_is_its_callers_affair(
        self, warm: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        warm.create("other")
        sign(warm, name="other")
        sign(warm)
        real = signing_gathering.signing_key

        def signing_key(key: Any, version: Any) -> Any:
            if key.name == "other":
                raise VersionHasNoPair(key=key.name, version=version.number)
            return real(key, version)

        monkeypatch.setattr(signing_gathering, "signing_key", signing_key)
        assert all(isinstance(each, Signature) for each in together(warm, [call(), call(key="other"), call()]))

    def test_what_was_decided_too_early_is_decided_again_and_signed_once(
        self, warm: House, tokens: MemoryTokens
    ) -> None:
        asked: list[None] = []
        changed: list[None] = []

        async def change_first(entries: Sequence[SignatureEntry], go_on: Any) -> Any:
            if not changed:
                changed.append(None)
                await asyncio.to_thread(warm.store.add_key, new_key("other"), new_version(), event())
            return await go_on()

        with recorder(warm, change_first), tokens.at("sign", lambda: asked.append(None)):
            outcomes = together(warm, [call() for _ in range(3)])
        assert all(isinstance(each, Signature) for each in outcomes)
        assert len(asked) == 3

    def test_what_is_found_out_with_the_look_at_the_record_counts(self, warm: House) -> None:
        """Another worker has switched the version off: the revision that comes with the look says so."""
        warm.lifecycle.disable(ADMIN, KEY, 1)

        def nobody(*_: object) -> None:
            pytest.fail("the token was asked")

        with token(warm, nobody):
            outcomes = together(warm, [call(), call()])
        assert [type(each) for each in outcomes] == [NoActiveVersion] * 2


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

    @pytest.mark.parametrize("where", ["deciding", "looking", "asking", "recording"])
    def test_ends_all_that_wait(self, warm: House, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
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
        outcomes = together(warm, [call() for _ in range(3)])
        assert [(type(each), str(each)) for each in outcomes] == [(RuntimeError, where)] * 3
        assert len(observed) == 3

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
