"""Digests that are signed: by whom and with which keys, what is on record of them, and heads that were shown before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from sqlalchemy import update

from signer.domain.identity import Identity
from signer.domain.requests import Signature, SigningRequest
from signer.errors import AccessDenied, ApprovalRequired, CredentialsRejected, KeyNotFound, SignerError
from signer.errors.blind import BlindSignOff, HeadRequired, HeadsExhausted, VersionNotActive
from signer.services.digest_signing import DigestOrder
from signer.services.lifecycle import NewKeyRequest
from signer.services.registered_heads import KEPT_FOR
from signer.storage.approval_tables import registered_heads
from tests.artifacts import ArtifactBuilder
from tests.signer.domain.access.cases import rule
from tests.signer.services.test_rules import apply
from tests.support.clock import ManualClock
from tests.support.guarded_house import ADMIN as GUARDED_ADMIN
from tests.support.guarded_house import BUILD as GUARDED_BUILD
from tests.support.guarded_house import RULES, guard, head_request
from tests.support.house import ADMIN, KEY, MANIFEST, REQUEST, SIGNER, House
from tests.support.in_process import DirectRecorder, KnownIdentities
from tests.support.memory_tokens import verify

BUILD, OTHER = Identity(name="ci:github/1"), Identity(name="ci:github/2")
DIGEST = hashlib.sha256(MANIFEST.raw).digest()
BOTH = '["sign", "sign-blind"]'
FW = f'["{KEY}"]'
EVERYBODY = '["ci:github/1", "ci:github/2"]'


def create(house: House, *, blind_sign: bool = True, name: str = KEY) -> None:
    house.lifecycle.create(
        ADMIN,
        NewKeyRequest(unverified_name=name, unverified_algorithm="ecdsa-p256", blind_sign=blind_sign),
    )


def outcome(
    house: House, digest: bytes = DIGEST, *, who: Identity = ADMIN, key: str = KEY, **order: Any
) -> Signature | Exception:
    async def asked() -> Signature | Exception:
        digests = house.application.digests.signing
        revision = await digests.authorise(who, key)
        ((_, result),) = await digests.sign(
            DigestOrder(
                identity=who,
                key=key,
                digests=(digest,),
                dialect="vault",
                access_revision=revision,
                request_id="r",
                **order,
            )
        )
        return result

    return house.loop.run(asked())


def signed(house: House, digest: bytes = DIGEST, **order: Any) -> Signature:
    result = outcome(house, digest, **order)
    if isinstance(result, Exception):
        raise result
    return result


def register(house: House, seen: SigningRequest, *, who: Identity = BUILD, key: str = KEY) -> Any:
    heads = house.application.digests.heads
    return house.loop.run(heads.register(who, key, seen, request_id="r"))


def release(name: str) -> Any:
    return head_request(ArtifactBuilder(name=name))


def digest_of(seen: Any) -> bytes:
    return bytes.fromhex(seen.manifest.sha256)


def leaves(house: House) -> list[dict[str, Any]]:
    found = house.parts.log_reader.leaves(0, house.parts.log_reader.head().size)
    return [each for each in map(json.loads, found) if each["type"].startswith("signature")]


def refusals(house: House) -> list[str]:
    recorder = house.parts.recorder
    assert isinstance(recorder, DirectRecorder)
    return [each.reason for each in recorder.refused]


class TestAlone:
    def test_a_digest_is_signed_as_its_manifest_would_be(self, house: House) -> None:
        create(house)
        signature = signed(house)
        spki = house.version().spki
        assert spki is not None
        verify(spki, signature.raw, MANIFEST.raw)

    def test_the_record_says_that_nothing_was_seen(self, house: House) -> None:
        create(house)
        signed(house)
        (leaf,) = leaves(house)
        assert (leaf["checked"], leaf["dialect"], leaf["manifest_sha256"]) == ("blind", "vault", DIGEST.hex())
        assert not {"artifact", "header_sha256", "devices"} & leaf.keys()

    def test_the_same_again_is_the_same_and_counts_once(self, house: House) -> None:
        create(house)
        assert signed(house).raw == signed(house).raw
        assert house.version().signature_count == 1
        assert len(leaves(house)) == 1

    def test_what_was_shown_before_is_repeated_for_who_shows_nothing(self, house: House) -> None:
        create(house)
        first = house.sign(ADMIN)
        assert signed(house).raw == first.raw
        assert [each["checked"] for each in leaves(house)] == ["manifest"]

    def test_a_blind_request_does_not_spoil_a_release(self, house: House) -> None:
        create(house)
        seen = release("release-1")
        first = signed(house, digest_of(seen))
        again = house.sign(ADMIN, request=seen)
        assert again.raw == first.raw
        assert [(each["checked"], each.get("artifact")) for each in leaves(house)] == [
            ("blind", None),
            ("head", "release-1"),
        ]

    def test_a_key_signs_none_unless_it_was_made_to(self, house: House) -> None:
        create(house, blind_sign=False)
        assert isinstance(outcome(house), BlindSignOff)
        assert refusals(house) == [f"the key {KEY} signs no digests"]
        assert leaves(house) == []

    def test_switched_off_it_signs_none_and_repeats_none(self, house: House) -> None:
        create(house)
        signed(house)
        house.application.digests.switch.turn(ADMIN, KEY, allowed=False)
        assert isinstance(outcome(house), BlindSignOff)

    def test_who_may_sign_what_they_show_may_not_sign_digests(self, house: House) -> None:
        create(house)
        with pytest.raises(AccessDenied):
            outcome(house, who=SIGNER)

    def test_a_credential_that_was_taken_away_meanwhile_gets_none(self, house: House) -> None:
        create(house)
        identities = house.parts.identities
        assert isinstance(identities, KnownIdentities)

        async def asked() -> Signature | Exception:
            digests = house.application.digests.signing
            revision = await digests.authorise(ADMIN, KEY)
            identities.revoked.add(ADMIN.name)
            order = DigestOrder(
                identity=ADMIN,
                key=KEY,
                digests=(DIGEST,),
                dialect="vault",
                access_revision=revision - 1,
                request_id="r",
            )
            ((_, result),) = await digests.sign(order)
            return result

        assert isinstance(house.loop.run(asked()), CredentialsRejected)

    def test_a_version_that_does_not_sign_names_the_one_that_does(self, house: House) -> None:
        create(house)
        assert signed(house, version=1).version == 1
        house.prepare()
        house.rotate()
        for version in (1, 3):
            refused = outcome(house, version=version)
            assert isinstance(refused, VersionNotActive)
            assert (refused.version, refused.active) == (version, 2)
        assert signed(house, version=2).version == 2

    def test_no_key_no_signature(self, house: House) -> None:
        with pytest.raises(KeyNotFound):
            outcome(house)


class TestOfRegisteredHeads:
    @pytest.fixture(autouse=True)
    def _rules(self, house: House) -> None:
        create(house)
        create(house, name="other")
        apply(
            house,
            rule(
                'checked = "head", artifact_name = ["release-*"]',
                actions=BOTH,
                principals=EVERYBODY,
                keys=f'["{KEY}", "other"]',
            ),
        )

    def test_a_digest_that_names_one_is_signed_as_the_head(self, house: House) -> None:
        seen = release("release-1")
        register(house, seen)
        signature = signed(house, digest_of(seen), who=BUILD)
        spki = house.version().spki
        assert spki is not None
        verify(spki, signature.raw, seen.manifest.raw)
        (leaf,) = leaves(house)
        assert (leaf["checked"], leaf["artifact"], leaf["dialect"]) == ("head", "release-1", "vault")

    def test_it_is_not_used_up(self, house: House) -> None:
        seen = release("release-1")
        register(house, seen)
        assert signed(house, digest_of(seen), who=BUILD).raw == signed(house, digest_of(seen), who=BUILD).raw

    def test_a_digest_of_what_nobody_showed_is_refused(self, house: House) -> None:
        refused = outcome(house, who=BUILD)
        assert isinstance(refused, AccessDenied)
        assert "blind only was" in refused.reason

    NOT_NAMED: ClassVar[dict[str, Callable[[House, ManualClock, Any], dict[str, Any]]]] = {
        "somebody else's": lambda house, clock, seen: {"who": OTHER},
        "one of another key": lambda house, clock, seen: {"key": "other"},
        "one that is over": lambda house, clock, seen: (clock.advance(seconds=600), {})[1],
        "one whose bytes were exchanged": lambda house, clock, seen: exchanged(house, release("release-2").head),
        "one whose bytes are none": lambda house, clock, seen: exchanged(house, b"nothing"),
        "one that was cut": lambda house, clock, seen: exchanged(house, seen.head[:-512]),
    }

    @pytest.mark.parametrize("sentence", NOT_NAMED)
    def test_no_digest_names(self, house: House, clock: ManualClock, sentence: str) -> None:
        seen = release("release-1")
        until = register(house, seen)
        assert until == clock.now + KEPT_FOR
        other = self.NOT_NAMED[sentence](house, clock, seen)
        assert isinstance(outcome(house, digest_of(seen), **{"who": BUILD, **other}), AccessDenied)

    def test_what_the_rules_do_not_allow_is_not_registered(self, house: House) -> None:
        with pytest.raises(AccessDenied, match="debug-1"):
            register(house, release("debug-1"))
        assert len(refusals(house)) == 1

    def test_rules_that_changed_meanwhile_are_asked_again(self, house: House) -> None:
        seen = release("release-1")
        register(house, seen)
        apply(house, rule('checked = "head", artifact_name = ["final-*"]', actions=BOTH, keys=FW))
        assert isinstance(outcome(house, digest_of(seen), who=BUILD), AccessDenied)

    def test_a_manifest_alone_is_none(self, house: House) -> None:
        with pytest.raises(HeadRequired):
            register(house, REQUEST)

    def test_a_whole_artifact_is_one(self, house: House) -> None:
        seen = head_request(ArtifactBuilder(name="release-3"), whole=True)
        register(house, seen)
        assert signed(house, digest_of(seen), who=BUILD).version == 1

    def test_a_key_that_signs_no_digests_takes_none(self, house: House) -> None:
        house.store.set_blind_sign(house.store.key(KEY), house.events()[0].event, allowed=False)
        with pytest.raises(BlindSignOff):
            register(house, release("release-1"))

    def test_there_may_be_so_many_and_no_more(self, house: House, clock: ManualClock) -> None:
        for number in range(64):
            register(house, release(f"release-{number}"))
        with pytest.raises(HeadsExhausted) as refused:
            register(house, release("release-64"))
        assert refused.value.retry_after == KEPT_FOR.total_seconds()
        register(house, release("release-1"))
        register(house, release("release-64"), who=OTHER)
        clock.advance(seconds=600)
        register(house, release("release-64"))


def exchanged(house: House, content: bytes) -> dict[str, Any]:
    with house.database.writing() as connection:
        connection.execute(update(registered_heads).values(content=content))
    return {}


def with_blind(keys: str) -> str:
    """The rules of the guarded house, of which the one about these keys is about digests too."""
    before, after = (f"actions = {actions}\nkeys = {keys}" for actions in ('["sign"]', BOTH))
    assert before in RULES
    return RULES.replace(before, after)


class TestOfAGuardedKey:
    """What no digest gets past: approvals that the key asks for."""

    BLIND_RULE = RULES.replace(
        'actions = ["sign"]\nkeys = ["firmware", "fw-*"]', f'actions = {BOTH}\nkeys = ["firmware", "fw-*"]'
    )

    def _guarded(self, house: House, rules: str) -> Any:
        guarded = guard(house)
        who = Identity(name=GUARDED_ADMIN)
        with pytest.raises(ApprovalRequired) as waiting:
            house.application.digests.switch.turn(who, "firmware", allowed=True)
        guarded.approve(waiting.value.approval)
        house.application.digests.switch.turn(who, "firmware", allowed=True)
        try:
            guarded.apply(rules)
        except ApprovalRequired as error:
            guarded.approve(error.approval)
            guarded.apply(rules)
        return guarded

    def test_a_rule_without_them_gives_none(self, house: House) -> None:
        careless = RULES.replace(
            'actions = ["sign"]\nkeys = ["firmware", "open"]', f'actions = {BOTH}\nkeys = ["firmware", "open"]'
        )
        self._guarded(house, careless)
        with pytest.raises(AccessDenied, match="approvals"):
            outcome(house, who=GUARDED_BUILD, key="firmware")

    def test_a_head_that_was_shown_waits_as_it_would_itself(self, house: House) -> None:
        guarded = self._guarded(house, self.BLIND_RULE)
        seen = head_request()
        register(house, seen, who=GUARDED_BUILD)
        waiting = outcome(house, digest_of(seen), who=GUARDED_BUILD)
        assert isinstance(waiting, ApprovalRequired)
        assert guarded.show(waiting.approval).proposal.subject.sha256 == seen.manifest.sha256
        guarded.approve(waiting.approval)
        assert signed(house, digest_of(seen), who=GUARDED_BUILD).version == 1
        assert guarded.sign(GUARDED_BUILD, seen).version == 1

    def test_a_digest_alone_is_signed_for_nobody(self, house: House) -> None:
        self._guarded(house, self.BLIND_RULE)
        refused = outcome(house, who=GUARDED_BUILD, key="firmware")
        assert isinstance(refused, SignerError)
        assert refused.code == "access-denied"


def test_the_time_of_a_head_is_short() -> None:
    assert timedelta(minutes=10) == KEPT_FOR
