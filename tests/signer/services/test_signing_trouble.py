"""Signatures while something fails: counts stay true, a wrong key is quarantined, nobody is served twice."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

import pytest
from sqlalchemy import text

from hsm.errors import DeadlineExceeded, TokenBusy, TokenError, TokenUnavailable
from hsm.errors import KeyNotFound as KeyNotInToken
from signer.domain.events import EventType as E
from signer.domain.keys import Validity
from signer.domain.keys import VersionState as S
from signer.domain.requests import Signature, SigningRequest
from signer.errors import (
    DatabaseUnavailable,
    ServiceBusy,
    SignerError,
    VersionQuarantined,
)
from tests.support.crowd import in_threads
from tests.support.house import KEY, SIGNER, House, new_request
from tests.support.memory_tokens import MemoryTokens, verify

from .conftest import OpenHouse
from .steps import assert_nobody_asks_the_token, exchange, sign

FAILURES: dict[str, TokenError] = {
    "it is gone": TokenUnavailable(token="one"),
    "it is busy": TokenBusy(token="one"),
    "it hangs": DeadlineExceeded(token="one"),
    "it lost the key": KeyNotInToken(token="one"),
}


class TestTokenTrouble:
    @pytest.mark.parametrize("sentence", FAILURES)
    def test_nothing_is_counted(self, house: House, tokens: MemoryTokens, sentence: str) -> None:
        error = FAILURES[sentence]
        house.create(validity=Validity(signature_limit=1))
        with tokens.failing("sign", error):
            for _ in range(3):
                with pytest.raises(type(error)):
                    sign(house)
        assert (house.version().signature_count, house.version().state) == (0, S.ACTIVE)
        assert sign(house).version == 1

    def test_an_error_that_nobody_foresaw_counts_nothing(self, house: House, tokens: MemoryTokens) -> None:
        house.create()

        def crash() -> None:
            raise MemoryError

        with tokens.at("sign", crash), pytest.raises(MemoryError):
            sign(house)
        assert house.version().signature_count == 0

    @pytest.mark.parametrize("shown", [True, False], ids=["shown", "found out by its signature"])
    def test_another_key_in_the_token_ends_in_quarantine(self, house: House, tokens: MemoryTokens, shown: bool) -> None:
        key = house.create()
        house.authorise(SIGNER)
        before = house.last_event
        exchange(tokens, key.version(1).cka_id, shown=shown)
        with pytest.raises(VersionQuarantined) as refusal:
            sign(house)
        assert refusal.value.facts == {"key": KEY, "version": 1}
        assert (house.version().state, house.version().signature_count) == (S.QUARANTINED, 0)
        (event,) = (item.event for item in house.events(after=before))
        assert (event.type, event.actor, event.version) == (E.VERSION_QUARANTINED, "artifact-signer", 1)
        assert (event.before, event.after) == ({"state": "active"}, {"state": "quarantined"})
        with assert_nobody_asks_the_token(tokens), pytest.raises(VersionQuarantined):
            sign(house)

    def test_what_was_quarantined_is_still_published(self, house: House, tokens: MemoryTokens) -> None:
        key = house.create()
        exchange(tokens, key.version(1).cka_id)
        with pytest.raises(VersionQuarantined):
            sign(house)
        assert [version.number for version in house.store.key(KEY).trusted] == [1]

    def test_the_other_workers_stop_too(self, open_worker: OpenHouse, tokens: MemoryTokens) -> None:
        first, second = open_worker(tokens), open_worker(tokens)
        key = first.create()
        for worker in (first, second):
            sign(worker)
        exchange(tokens, key.version(1).cka_id)
        with pytest.raises(VersionQuarantined):
            sign(first)
        with assert_nobody_asks_the_token(tokens), pytest.raises(VersionQuarantined):
            sign(second)

    def test_many_who_see_it_leave_one_event(self, house: House, tokens: MemoryTokens) -> None:
        key = house.create()
        sign(house)
        exchange(tokens, key.version(1).cka_id)

        def attempt(_: int) -> str:
            try:
                sign(house)
            except VersionQuarantined as error:
                return error.code
            return "signed"

        assert Counter(in_threads(8, attempt)) == {"version-quarantined": 8}
        assert house.event_types().count(E.VERSION_QUARANTINED) == 1
        assert house.version().signature_count == 1

    def test_no_signature_leaves_where_the_quarantine_cannot_be_recorded(
        self, house: House, tokens: MemoryTokens, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        key = house.create()
        exchange(tokens, key.version(1).cka_id)
        with monkeypatch.context() as patched:
            patched.setattr(house.store, "change", _unavailable)
            with pytest.raises(DatabaseUnavailable):
                sign(house)
        with pytest.raises(VersionQuarantined):
            sign(house)
        assert house.version().state is S.QUARANTINED


def _unavailable(*_: object) -> None:
    raise DatabaseUnavailable


def test_no_database_no_signature(house: House, tokens: MemoryTokens) -> None:
    house.create()
    sign(house)
    with house.database.writing() as connection:
        connection.execute(text("ALTER TABLE key_versions RENAME TO gone"))
    with pytest.raises(DatabaseUnavailable):
        sign(house)


class TestManyAtOnce:
    def test_the_limit_holds_while_the_token_fails_now_and_then(self, house: House, tokens: MemoryTokens) -> None:
        house.create(validity=Validity(signature_limit=40))
        calls: list[None] = []

        def fail_sometimes() -> None:
            calls.append(None)
            if len(calls) % 3 == 0:
                raise TokenBusy(token="one")

        def work(_: int) -> Counter[str]:
            outcomes: Counter[str] = Counter()
            for _ in range(10):
                try:
                    sign(house)
                    outcomes["signed"] += 1
                except (SignerError, TokenError) as error:
                    outcomes[error.code] += 1
            return outcomes

        with tokens.at("sign", fail_sometimes):
            total = sum(in_threads(8, work), Counter[str]())
        assert house.version().signature_count == total["signed"] <= 40
        assert total.keys() <= {"signed", "token-busy", "signature-limit-reached"}

    @staticmethod
    def _insistently(worker: House, request: SigningRequest) -> Signature:
        """As a client that is told to try again."""
        while True:
            with suppress(ServiceBusy):
                return sign(worker, request=request)

    def test_a_rotation_in_the_midst_of_signatures_loses_none(
        self, open_worker: OpenHouse, tokens: MemoryTokens
    ) -> None:
        workers = [open_worker(tokens) for _ in range(3)]
        workers[0].create()
        workers[0].prepare()

        def work(number: int) -> list[tuple[Signature, bytes]]:
            if number == 0:
                for _ in range(3):
                    workers[2].rotate()
                    workers[2].prepare()
                return []
            requests = [new_request() for _ in range(15)]
            return [(self._insistently(workers[number % 2], request), request.manifest.raw) for request in requests]

        made = [each for some in in_threads(5, work) for each in some]
        spkis = {version.number: version.spki for version in workers[0].store.key(KEY).versions}
        for signature, message in made:
            verify(spkis[signature.version] or b"", signature.raw, message)
        counted = Counter(signature.version for signature, _ in made)
        assert len(made) == 60
        assert {version.number: version.signature_count for version in workers[0].store.key(KEY).versions} == {
            number: counted[number] for number in spkis
        }
