"""Keys from outside: they sign or verify like others, are never half there, and stop nothing that works."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from hsm import KeyMaterial
from hsm.algorithms import Algorithm
from hsm.errors import DeadlineExceeded, ImportUnsupported, KeyHalvesDiffer, TokenFull, TokenUnavailable
from signer.bootstrap import build_key_imports
from signer.domain.events import EventType as E
from signer.domain.identity import Identity
from signer.domain.keys import Origin, Purpose, Validity, VersionState
from signer.errors import (
    AccessDenied,
    AlgorithmNotAllowed,
    CreationUnfinished,
    InvalidName,
    NextVersionExists,
    NoActiveVersion,
    PairInUse,
    SignerError,
    StepNotAllowed,
    TokenNotConfigured,
)
from signer.errors.key_files import ImportNotAllowed, KeyFileRejected
from signer.services.key_imports import ImportRequest, KeyImports
from tests.support.clock import ManualClock
from tests.support.house import ADMIN, KEY, READER, SIGNER, House, new_request, settings
from tests.support.key_files import key_material, private_key, spki
from tests.support.memory_tokens import MemoryTokens

P256, RSA, ED = Algorithm.ECDSA_P256, Algorithm.RSA_2048, Algorithm.ED25519
FLEET = key_material(P256, 7)
OTHER = key_material(P256, 8)


def imports(house: House) -> KeyImports:
    """What takes keys in, over this worker's parts."""
    names = tuple(health.name for health in house.tokens.health())
    chosen = settings("sqlite:///unused", Path.cwd(), names)
    return build_key_imports(chosen, house.parts, house.application)


def take(house: House, pair: KeyMaterial = FLEET, name: str = KEY, *, who: Identity = ADMIN, **wanted: object) -> None:
    imports(house).pair(who, ImportRequest(unverified_name=name, **wanted), pair)  # type: ignore[arg-type]


def take_public(house: House, given: bytes = OTHER.spki, name: str = KEY, **wanted: object) -> None:
    imports(house).public_key(ADMIN, ImportRequest(unverified_name=name, **wanted), given)  # type: ignore[arg-type]


class TestPair:
    def test_the_first_version_signs_at_once_and_says_for_life_where_it_came_from(
        self, house: House, tokens: MemoryTokens, clock: ManualClock
    ) -> None:
        validity = Validity(not_after=clock.now + timedelta(days=30), signature_limit=9)
        take(house, validity=validity)
        version = house.version()
        (pair,) = tokens.pairs()
        assert (version.state, version.origin, version.validity) == (VersionState.ACTIVE, Origin.IMPORTED, validity)
        assert (version.spki, version.cka_id, version.tokens) == (FLEET.spki, pair.key_id, ("one",))
        assert house.sign(SIGNER, KEY, new_request()).version == 1
        house.prepare()
        house.rotate()
        house.lifecycle.disable(ADMIN, KEY, 1)
        house.lifecycle.destroy(ADMIN, KEY, 1, confirmation=KEY)
        assert (house.version().state, house.version().origin) == (VersionState.DESTROYED, Origin.IMPORTED)

    def test_the_log_tells_of_it_and_of_nothing_private(self, house: House) -> None:
        take(house)
        version = house.version()
        started, done, certified = (item.event for item in house.events())
        assert [started.type, done.type, certified.type] == [E.CREATION_STARTED, E.KEY_IMPORTED, E.CERTIFICATE_ISSUED]
        fingerprint = hashlib.sha256(FLEET.spki).hexdigest()
        assert started.after == {
            "origin": "imported", "cka_id": version.cka_id.hex(), "tokens": ["one"], "fingerprint": fingerprint,
        }  # fmt: skip
        assert done.after["fingerprint"] == fingerprint
        assert done.after["public_key"] == base64.b64encode(FLEET.spki).decode()
        leaves = b"".join(house.parts.log_reader.leaves(0, house.parts.log_reader.head().size))
        scalar = private_key(P256, 7).private_numbers().private_value.to_bytes(32, "big")  # type: ignore[union-attr]
        for form in (scalar.hex().encode(), base64.b64encode(scalar)[:40], base64.b64encode(FLEET.private)[:60]):
            assert form not in leaves

    def test_it_is_on_record_before_a_token_is_given_anything(self, house: House, tokens: MemoryTokens) -> None:
        seen: list[VersionState] = []
        with tokens.at("import_pair", lambda: seen.extend(house.states())):
            take(house)
        assert seen == [VersionState.PENDING]

    def test_a_further_pair_is_the_next_version_and_signs_when_the_key_is_rotated(self, house: House) -> None:
        house.create()
        take(house)
        assert house.states() == [VersionState.ACTIVE, VersionState.NEXT]
        assert house.sign(SIGNER, KEY, new_request()).version == 1
        house.rotate()
        assert house.sign(SIGNER, KEY, new_request()).version == 2

    def test_every_token_of_the_key_gets_it(self, pair_house: House, two_tokens: MemoryTokens) -> None:
        take(pair_house)
        assert pair_house.version().tokens == ("one", "two")
        assert [len(two_tokens.pairs(name)) for name in ("one", "two")] == [1, 1]

    @pytest.mark.parametrize("purpose", [Purpose.USER_TOKEN, Purpose.DEVICE_TOKEN])
    def test_keys_of_tokens_may_be_ed25519(self, house: House, purpose: Purpose) -> None:
        take(house, key_material(ED), purpose=purpose)
        assert house.version().state is VersionState.ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A call that is refused before anything is recorded, after what ``before`` did."""

    call: Callable[[House], None]
    error: type[SignerError]
    before: Callable[[House], object] = lambda _house: None


REFUSED = {
    "another's name": Refused(call=lambda house: take(house, name="no/name"), error=InvalidName),
    "a caller who may not": Refused(call=lambda house: take(house, who=READER), error=AccessDenied),
    "an unknown token": Refused(call=lambda house: take(house, tokens=("none",)), error=TokenNotConfigured),
    "Ed25519 for artifacts": Refused(call=lambda house: take(house, key_material(ED)), error=AlgorithmNotAllowed),
    "a key of the log": Refused(call=lambda house: take(house, purpose=Purpose.LOG), error=ImportNotAllowed),
    "a CA": Refused(call=lambda house: take(house, purpose=Purpose.DEVICE_CA), error=ImportNotAllowed),
    "a public key of the log": Refused(
        call=lambda house: take_public(house, purpose=Purpose.LOG), error=ImportNotAllowed
    ),
    "another kind than the key is": Refused(
        before=lambda house: house.create(), call=lambda house: take(house, key_material(RSA)), error=ImportNotAllowed
    ),
    "another purpose than the key has": Refused(
        before=lambda house: house.create(),
        call=lambda house: take(house, purpose=Purpose.USER_TOKEN),
        error=ImportNotAllowed,
    ),
    "a pair that is a version already": Refused(before=take, call=lambda house: take(house, name="x"), error=PairInUse),
    "a public key of such a pair": Refused(
        before=take, call=lambda house: take_public(house, FLEET.spki, "x"), error=PairInUse
    ),
    "a further version while one waits": Refused(
        before=lambda house: (house.create(), house.prepare()), call=take, error=NextVersionExists
    ),
    "a public key of an unknown kind": Refused(call=lambda house: take_public(house, P384), error=KeyFileRejected),
}
P384 = base64.b64decode(
    "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEqofKIr6LBTeOscce8yCtdG4dO2KLp5uYWfdB4IJUKjhVAvJdv1UpbDpUXjhydgq3"
    "NhfeSpYmLG9dnpi/kpLcKfj0Hb0omhR86doxE7XwuMAKYLHOHX6BnXpDHXyQ6g5f"
)


@pytest.mark.parametrize("row", REFUSED)
def test_what_is_refused_leaves_no_trace(house: House, tokens: MemoryTokens, row: str) -> None:
    refused = REFUSED[row]
    refused.before(house)
    keys, pairs, last = house.store.all_keys(), tokens.pairs(), house.last_event
    with pytest.raises(refused.error):
        refused.call(house)
    assert (house.store.all_keys(), tokens.pairs(), house.last_event) == (keys, pairs, last)


FAILURES = (ImportUnsupported, TokenFull, KeyHalvesDiffer, TokenUnavailable)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("failure", FAILURES, ids=lambda kind: kind.code)
def test_what_one_token_refuses_no_token_keeps(
    pair_house: House, two_tokens: MemoryTokens, failure: type[TokenFull], after: bool
) -> None:
    with two_tokens.failing("import_pair", failure(token="two"), after=after), pytest.raises(failure):
        take(pair_house)
    assert [len(two_tokens.pairs(name)) for name in ("one", "two")] == [0, 0]
    assert pair_house.event_types()[-1] is E.CREATION_ABANDONED
    take(pair_house)  # the name is free again
    assert pair_house.version().state is VersionState.ACTIVE


def test_a_token_that_cannot_be_asked_to_forget_leaves_it_pending(house: House, tokens: MemoryTokens) -> None:
    with (
        tokens.failing("import_pair", TokenUnavailable(token="one"), after=True),
        tokens.failing("destroy", TokenUnavailable(token="one")),
        pytest.raises(CreationUnfinished),
    ):
        take(house)
    assert house.states() == [VersionState.PENDING]


def test_a_token_that_was_too_slow_leaves_it_pending_and_untouched(house: House, tokens: MemoryTokens) -> None:
    with tokens.failing("import_pair", DeadlineExceeded(token="one")), pytest.raises(CreationUnfinished):
        take(house)
    assert house.states() == [VersionState.PENDING]
    with pytest.raises(NoActiveVersion):
        house.sign(SIGNER, KEY, new_request())


class TestPublicKey:
    def test_it_is_trusted_and_never_signs(self, house: House, tokens: MemoryTokens) -> None:
        take_public(house)
        version = house.version()
        assert (version.state, version.origin, version.tokens) == (VersionState.PREVIOUS, Origin.PUBLIC_KEY, ())
        assert version in house.store.key(KEY).trusted
        assert not tokens.pairs()
        with pytest.raises(NoActiveVersion):
            house.sign(SIGNER, KEY, new_request())
        assert house.event_types()[-1] is E.PUBLIC_KEY_IMPORTED

    def test_no_step_makes_it_sign(self, house: House) -> None:
        take_public(house)
        with pytest.raises(StepNotAllowed):
            house.lifecycle.enable(ADMIN, KEY, 1)
        house.lifecycle.disable(ADMIN, KEY, 1)
        house.lifecycle.enable(ADMIN, KEY, 1)
        assert house.version().state is VersionState.PREVIOUS

    def test_the_version_that_signs_signs_on(self, house: House) -> None:
        house.create()
        take_public(house)
        assert house.states() == [VersionState.ACTIVE, VersionState.PREVIOUS]
        assert house.sign(SIGNER, KEY, new_request()).version == 1

    def test_the_next_version_of_such_a_key_is_born_in_the_token(self, house: House) -> None:
        take_public(house)
        house.prepare()
        house.rotate()
        assert house.sign(SIGNER, KEY, new_request()).version == 2

    def test_it_can_be_retired_and_destroyed(self, house: House) -> None:
        take_public(house)
        house.lifecycle.retire(ADMIN, KEY, 1)
        house.lifecycle.disable(ADMIN, KEY, 1)
        house.lifecycle.destroy(ADMIN, KEY, 1, confirmation=KEY)
        assert house.version().state is VersionState.DESTROYED

    def test_the_public_key_of_an_rsa_pair_makes_a_key_of_its_kind(self, house: House) -> None:
        take_public(house, spki(private_key(RSA)))
        assert house.store.key(KEY).algorithm is RSA
