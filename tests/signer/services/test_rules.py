"""Signing by the rules in force, from the request to the record: what is let through, told, and put on record."""

from __future__ import annotations

import itertools
from typing import cast

import pytest

from signer.domain.identity import Identity
from signer.domain.keys import VersionState
from signer.domain.policy_events import applied_event
from signer.domain.refusals import RefusedCall
from signer.domain.requests import Signature, SigningRequest
from signer.errors import AccessDenied, KeyNotFound, NoActiveVersion, SignerError, VersionStepTooLarge, VersionTooOld
from signer.services.access_ports import NewPolicy
from signer.services.signing_calls import SigningCall
from signer.storage.policy_store import SqlPolicyStore, text_digest
from tests.signer.domain.access.cases import head_seen, manifest_seen, rule
from tests.support.house import ADMIN, KEY, MANIFEST, House
from tests.support.in_process import DirectRecorder
from tests.support.records import event, swap

BUILD = Identity(name="ci:github/1")
HEAD = 'checked = "head", '
FW = f'["{KEY}"]'
_files = itertools.count()


def apply(house: House, *rules: str) -> None:
    """Put these rules in force."""
    store = SqlPolicyStore(database=house.database, clock=house.parts.clock)
    text = "version = 1\n" + "".join(rules)
    new = NewPolicy(
        text=text,
        sha256=text_digest(text),
        expected=store.current().revision,
        actor="test",
        reason="test",
        break_glass=False,
    )
    event = applied_event(
        revision=new.expected + 1, text=text, sha256=new.sha256, rules=1, actor="test", reason="test", break_glass=False
    )
    store.apply(new, event)


def release(name: str, *, devices: tuple[str, ...] = ("beaglebone",)) -> SigningRequest:
    """A head of a manifest of its own."""
    return head_seen(f"f{next(_files)}", artifact_name=name, device_types=devices)


def signed(house: House, request: SigningRequest, *, key: str = KEY, who: Identity = BUILD) -> Signature | Exception:
    (result,) = house.sign_many([SigningCall(identity=who, key=key, request=request, request_id="r")])
    return result


def told(house: House) -> list[RefusedCall]:
    return cast("DirectRecorder", house.parts.recorder).refused


@pytest.fixture
def shop(house: House) -> House:
    house.create()
    apply(house, rule(HEAD + 'artifact_name = ["release-*"], device_types = ["beaglebone"]', keys=FW))
    return house


def test_what_the_rules_allow_is_signed(shop: House) -> None:
    assert isinstance(signed(shop, release("release-1")), Signature)
    assert told(shop) == []


REFUSED = {
    "another name": release("debug-1"),
    "one device too many": release("release-1", devices=("beaglebone", "prod")),
    "a manifest alone": manifest_seen("other"),
    "the manifest that everybody signs": manifest_seen(),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_they_do_not_is_refused_and_on_record(shop: House, sentence: str) -> None:
    request = REFUSED[sentence]
    result = signed(shop, request)
    assert isinstance(result, AccessDenied)
    assert result.rule == "fw-build"
    (call,) = told(shop)
    assert (call.reason, call.manifest_sha256) == (result.reason, request.manifest.sha256)


def test_a_change_of_the_rules_holds_for_the_next_signature(shop: House) -> None:
    assert isinstance(signed(shop, release("release-1")), Signature)
    apply(shop, rule(HEAD + 'artifact_name = ["hotfix-*"]', keys=FW))
    assert isinstance(signed(shop, release("release-2")), AccessDenied)
    assert isinstance(signed(shop, release("hotfix-1")), Signature)


def test_what_is_on_record_is_not_given_to_who_may_not_have_it(shop: House) -> None:
    request = release("release-1")
    assert isinstance(signed(shop, request), Signature)
    apply(shop, rule(HEAD + 'artifact_name = ["hotfix-*"]', keys=FW))
    assert isinstance(signed(shop, request), AccessDenied)


def test_a_denial_by_rules_that_have_passed_is_not_told_of_what_a_key_refuses(shop: House) -> None:
    """The worker remembers the rules of before; by those that are in force the key alone is what is wrong."""
    assert isinstance(signed(shop, release("hotfix-1")), AccessDenied)
    before = list(told(shop))
    apply(shop, rule(HEAD + 'artifact_name = ["hotfix-*"]', keys=FW))
    key = shop.store.key(KEY)
    shop.store.change(key, [swap(key.versions[0], VersionState.DISABLED)], [event(key=KEY)])
    assert isinstance(signed(shop, release("hotfix-2")), NoActiveVersion)
    assert told(shop) == before


class TestStrangers:
    """They learn nothing: not of keys, and not of what is on record."""

    @pytest.mark.parametrize("key", [KEY, "nothing"])
    def test_every_key_is_none(self, shop: House, key: str) -> None:
        stranger = Identity(name="ci:github/2")
        assert isinstance(signed(shop, release("release-1"), key=key, who=stranger), KeyNotFound)
        with pytest.raises(KeyNotFound) as refused:
            shop.authorise(stranger, key)
        assert refused.value.facts == {"key": key}
        assert [call.key for call in told(shop)] == [key, key]

    def test_no_record_tells_of_a_name_that_no_key_could_have(self, shop: House) -> None:
        with pytest.raises(KeyNotFound):
            shop.authorise(Identity(name="ci:github/2"), "x" * 5000)
        assert told(shop) == []


class TestVersions:
    """What is older than what the key signed is refused, for each device type."""

    RULE = rule(
        HEAD + 'version = { from = "artifact_name", prefix = "release-", order = "numeric", max_step = 10 }', keys=FW
    )

    @pytest.fixture
    def fleet(self, house: House) -> House:
        house.create()
        apply(house, self.RULE)
        return house

    def outcomes(self, house: House, *names: str) -> list[type]:
        return [type(signed(house, release(name))) for name in names]

    def test_it_goes_forward_or_stays(self, fleet: House) -> None:
        names = ("release-5", "release-7", "release-7", "release-017")
        assert self.outcomes(fleet, *names) == [Signature] * 4

    def test_it_does_not_go_back(self, fleet: House) -> None:
        assert self.outcomes(fleet, "release-7", "release-6", "release-5") == [Signature, VersionTooOld, VersionTooOld]
        assert len(told(fleet)) == 2

    def test_it_does_not_leap(self, fleet: House) -> None:
        names = ("release-7", "release-999999", "release-18", "release-17")
        expected = [Signature, VersionStepTooLarge, VersionStepTooLarge, Signature]
        assert self.outcomes(fleet, *names) == expected

    def test_another_device_type_has_a_floor_of_its_own(self, fleet: House) -> None:
        assert isinstance(signed(fleet, release("release-7")), Signature)
        assert isinstance(signed(fleet, release("release-3", devices=("pi",))), Signature)
        both = signed(fleet, release("release-5", devices=("pi", "beaglebone")))
        assert isinstance(both, VersionTooOld)
        assert (both.device_type, both.floor) == ("beaglebone", "7")

    def test_an_older_one_is_not_given_out_again(self, fleet: House) -> None:
        old = release("release-5")
        assert isinstance(signed(fleet, old), Signature)
        assert isinstance(signed(fleet, release("release-6")), Signature)
        assert isinstance(signed(fleet, old), VersionTooOld)


def test_a_rule_for_others_lets_nobody_else_sign(house: House) -> None:
    house.create()
    apply(house, rule(keys=FW))
    results = [signed(house, manifest_seen(), who=who) for who in (ADMIN, Identity(name="ci:github/11"))]
    assert all(isinstance(result, SignerError) for result in results)
    assert MANIFEST.sha256
