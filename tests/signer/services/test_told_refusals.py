"""Who is refused by policy stands on record; what is no refusal of a caller does not."""

from __future__ import annotations

from typing import cast

import pytest

from signer.domain.refusals import RefusedCall
from signer.domain.requests import Signature
from signer.errors import AccessDenied, KeyNotFound, NoActiveVersion
from signer.services.signing_calls import SigningCall
from tests.support.house import ADMIN, KEY, READER, REQUEST, SIGNER, House
from tests.support.in_process import DirectRecorder


def told(house: House) -> list[RefusedCall]:
    return cast("DirectRecorder", house.parts.recorder).refused


def test_who_may_not_sign_is_told_once_for_each_call(house: House) -> None:
    house.create()
    (result,) = house.sign_many([SigningCall(identity=READER, key=KEY, request=REQUEST, request_id="abc")])
    assert isinstance(result, AccessDenied)
    assert told(house) == [
        RefusedCall(
            identity=READER.name,
            key=KEY,
            reason=result.reason,
            request_id="abc",
            manifest_sha256=REQUEST.manifest.sha256,
        )
    ]


def test_who_may_not_even_ask_is_told(house: House) -> None:
    house.create()
    with pytest.raises(AccessDenied) as refused:
        house.authorise(READER)
    assert told(house) == [RefusedCall(identity=READER.name, key=KEY, reason=refused.value.reason)]


def test_what_is_about_a_key_is_not(house: House) -> None:
    house.create()
    house.lifecycle.disable(ADMIN, KEY, 1)
    for key, error in (("nothing", KeyNotFound), (KEY, NoActiveVersion)):
        with pytest.raises(error):
            house.sign(SIGNER, key)
    assert told(house) == []


def test_a_call_that_is_told_of_nothing_ends_no_other(house: House) -> None:
    house.create()
    calls = [SigningCall(identity=SIGNER, key=key, request=REQUEST, request_id="abc") for key in ("nothing", KEY)]
    assert [type(each) for each in house.sign_many(calls)] == [KeyNotFound, Signature]
    assert told(house) == []
