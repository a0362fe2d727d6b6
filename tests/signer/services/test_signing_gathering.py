"""Single calls that come in one turn of the event loop go together, and nobody waits for another one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from hsm import SignRequest
from hsm.errors import TokenBusy
from signer.domain.identity import Identity, Role
from signer.domain.keys import Validity
from signer.domain.records import SignatureEntry
from signer.domain.requests import Signature, signed_sha256
from signer.errors import (
    AccessDenied,
    CredentialsRejected,
    KeyNotFound,
    NoActiveVersion,
    ServiceBusy,
    SignatureLimitReached,
    VersionHasNoPair,
)
from signer.errors.recalls import ManifestRecalled
from signer.services import signing_gathering
from signer.services.artifact_signing import ROUNDS
from signer.services.known_records import MAX_AGE
from signer.services.signing_steps import SigningSteps
from tests.support.clock import ManualClock
from tests.support.house import ADMIN, KEY, READER, SIGNER, House, new_request
from tests.support.in_process import KnownIdentities
from tests.support.memory_tokens import MemoryTokens
from tests.support.records import event, new_key, new_version

from .gathered import SOON, Settled, at_once, begun, call, nobody, recorder, signature_of, together, token
from .steps import sign


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

        with token(warm, nobody):
            assert together(warm, [call(request=request)] * 3) == [first] * 3

    @pytest.mark.parametrize("count", [1, 20])
    def test_its_stages_are_accounted_for(self, warm: House, count: int) -> None:
        stages = warm.parts.stages
        before = stages.decide.seconds, stages.record.seconds
        together(warm, [call() for _ in range(count)])
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

    def test_a_limit_that_is_known_to_be_reached_costs_the_token_nothing(self, house: House) -> None:
        house.create(validity=Validity(signature_limit=1))
        sign(house)
        with pytest.raises(SignatureLimitReached):
            sign(house)
        with token(house, nobody):
            outcomes = together(house, [call(), call()])
        assert [type(each) for each in outcomes] == [SignatureLimitReached] * 2

    def test_what_was_recalled_is_not_signed(self, warm: House, monkeypatch: pytest.MonkeyPatch) -> None:
        request = new_request()
        monkeypatch.setattr(warm.parts.recalls, "manifests", lambda: frozenset({signed_sha256(request)}))
        warm.store.add_key(new_key("other"), new_version(), event())
        sign(warm)
        with token(warm, nobody):
            (outcome,) = together(warm, [call(request=request)])
        assert isinstance(outcome, ManifestRecalled)

    @pytest.mark.parametrize("times", [ROUNDS - 1, ROUNDS])
    def test_the_round_in_a_group_is_one_of_all_rounds(self, warm: House, times: int) -> None:
        changed: list[None] = []

        async def change(entries: Sequence[SignatureEntry], go_on: Any) -> Any:
            if len(changed) < times:
                changed.append(None)
                name = f"other-{len(changed)}"
                await asyncio.to_thread(warm.store.add_key, new_key(name), new_version(), event())
            return await go_on()

        with recorder(warm, change):
            (outcome,) = together(warm, [call()])
        assert isinstance(outcome, Signature if times < ROUNDS else ServiceBusy)

    def test_whose_credential_was_taken_away_gets_nothing(self, warm: House) -> None:
        """What is remembered is newer than the revision under which the caller was proved to be who they say."""
        identities, revision = warm.parts.identities, warm.authorise(SIGNER)
        assert isinstance(identities, KnownIdentities)
        warm.store.add_key(new_key("other"), new_version(), event())
        sign(warm)
        identities.revoked.add(SIGNER.name)
        outcomes = together(warm, [call(access_revision=revision), call(ADMIN)])
        assert [type(each) for each in outcomes] == [CredentialsRejected, Signature]

    def test_what_is_found_out_with_the_look_at_the_record_counts(self, warm: House) -> None:
        """Another worker has switched the version off: the revision that comes with the look says so."""
        warm.lifecycle.disable(ADMIN, KEY, 1)

        with token(warm, nobody):
            outcomes = together(warm, [call(), call()])
        assert [type(each) for each in outcomes] == [NoActiveVersion] * 2


def test_what_is_remembered_lets_nobody_ask_for_longer_than_it_may(
    warm: House, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[None] = []
    real = warm.parts.on_record.access_revision

    async def counted() -> int:
        asked.append(None)
        return await real()

    monkeypatch.setattr(warm.parts.on_record, "access_revision", counted)
    warm.authorise(SIGNER)
    assert asked == []
    clock.advance(seconds=MAX_AGE + 0.1)
    warm.authorise(SIGNER)
    assert len(asked) == 1
