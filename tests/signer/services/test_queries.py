"""Reading keys and events: who may not read learns nothing, not even whether a key exists."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from signer.domain.identity import Identity
from signer.errors import AccessDenied, KeyNotFound, VersionNotFound
from signer.services.queries import QueryService
from tests.support.house import AUDITOR, KEY, READER, SIGNER, House

STRANGER = Identity(name="stranger", role="owner")
QUESTIONS: dict[str, Callable[[QueryService, Identity, str], object]] = {
    "all keys": lambda queries, who, _: queries.keys(who),
    "one key": lambda queries, who, name: queries.key(who, name),
    "a public key": lambda queries, who, name: queries.public_key(who, name, 1),
    "events": lambda queries, who, name: queries.events(who, after=0, limit=10, key=name),
}


REFUSED = {"all keys": AccessDenied, "one key": KeyNotFound, "a public key": KeyNotFound, "events": AccessDenied}


@pytest.mark.parametrize("name", [KEY, "nothing"])
@pytest.mark.parametrize("sentence", QUESTIONS)
def test_who_may_not_read_is_told_nothing(house: House, sentence: str, name: str) -> None:
    house.create()
    with pytest.raises(REFUSED[sentence]):
        QUESTIONS[sentence](house.application.queries, STRANGER, name)


@pytest.mark.parametrize("sentence", QUESTIONS)
def test_an_auditor_is_answered(house: House, sentence: str) -> None:
    house.create()
    assert QUESTIONS[sentence](house.application.queries, AUDITOR, KEY)


@pytest.mark.parametrize("who", [READER, SIGNER], ids=lambda who: who.role.value)
@pytest.mark.parametrize("sentence", QUESTIONS)
def test_events_are_for_those_who_may_read_the_log(house: House, sentence: str, who: Identity) -> None:
    house.create()
    if sentence == "events":
        with pytest.raises(AccessDenied):
            QUESTIONS[sentence](house.application.queries, who, KEY)
    else:
        assert QUESTIONS[sentence](house.application.queries, who, KEY)


def test_what_is_not_there_is_not_found(house: House) -> None:
    house.create()
    queries = house.application.queries
    with pytest.raises(KeyNotFound):
        queries.key(READER, "nothing")
    with pytest.raises(VersionNotFound):
        queries.public_key(READER, KEY, 2)
