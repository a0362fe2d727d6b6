"""Signing past approvals, from the request to the record: by whom the rule names, for a reason, and said aloud."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from signer.domain.identity import Identity
from signer.domain.requests import Signature, SigningRequest
from signer.errors import AccessDenied, ApprovalUnreachable, KeyNotFound
from signer.services.signing_calls import SigningCall
from signer.storage.log_reader import SqlLogReader
from tests.signer.domain.access.cases import rule
from tests.support.house import KEY, House
from verifier.log import SignatureLeaf

from .test_rules import FW, HEAD, apply, release, told

REASON = "the line stands still"
GROUP = frozenset({"release"})
ADA = Identity(name="api-token:ada", person="ada", groups=GROUP)
BOB = Identity(name="api-token:bob", person="bob", groups=GROUP)
PIPELINE = Identity(name="ci:github/1", person="ada", groups=GROUP)
NOBODY = Identity(name="api-token:nobody", groups=GROUP)
STRANGER = Identity(name="api-token:stranger", person="ada")
GUARDED = rule(
    HEAD + 'artifact_name = ["release-*"]',
    principals='["group:release"]',
    keys=FW,
    approvals='[{ group = "qa", count = 2 }]',
    emergency='["person:ada"]',
)
Shop = Callable[..., Signature | Exception]


@pytest.fixture
def shop(house: House) -> House:
    house.create()
    apply(house, GUARDED)
    return house


def signed(
    house: House, request: SigningRequest, *, who: Identity = ADA, key: str = KEY, emergency: str | None = REASON
) -> Signature | Exception:
    call = SigningCall(identity=who, key=key, request=request, request_id="r", emergency=emergency)
    (result,) = house.sign_many([call])
    return result


def leaf_of(house: House, signature: Signature | Exception) -> SignatureLeaf:
    assert isinstance(signature, Signature)
    (leaf,) = SqlLogReader(database=house.database).leaves(signature.index, signature.index + 1)
    return SignatureLeaf.parse(leaf)


def test_who_is_named_has_it_signed_and_the_leaf_says_so(shop: House) -> None:
    assert shop.authorise(ADA, emergency=True)
    signature = signed(shop, release("release-1"))
    leaf = leaf_of(shop, signature)
    assert (leaf.emergency, leaf.person, leaf.reason, leaf.actor) == (True, "ada", REASON, ADA.name)
    assert isinstance(signature, Signature)
    assert signature.emergency


def test_it_is_said_aloud(shop: House, caplog: pytest.LogCaptureFixture) -> None:
    request = release("release-1")
    with caplog.at_level(logging.INFO, logger="artifact-signer.emergency"):
        signed(shop, request)
    (line,) = [each for each in caplog.records if each.name == "artifact-signer.emergency"]
    assert line.levelno == logging.CRITICAL
    assert "ada signed in an emergency" in line.getMessage()
    assert request.manifest.sha256 in line.getMessage()
    assert (line.reason, line.identity, line.request_id) == (REASON, ADA.name, "r")  # type: ignore[attr-defined]


def test_an_ordinary_signature_says_nothing_of_emergencies(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.create()
    apply(house, rule(principals='["group:release"]', keys=FW))
    signature = signed(house, release("release-1"), emergency=None)
    assert "emergency" not in leaf_of(house, signature).members
    assert not [each for each in caplog.records if each.name == "artifact-signer.emergency"]


REFUSED: dict[str, tuple[Identity, SigningRequest, str]] = {
    "somebody else of the group": (BOB, release("release-1"), "emergency"),
    "a pipeline that was assigned to the person": (PIPELINE, release("release-1"), "emergency"),
    "a credential that is nobody's": (NOBODY, release("release-1"), "emergency"),
    "what could not be approved": (ADA, release("debug-1"), "artifact_name"),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_refuses_and_puts_it_on_record(shop: House, sentence: str, caplog: pytest.LogCaptureFixture) -> None:
    who, request, condition = REFUSED[sentence]
    result = signed(shop, request, who=who)
    assert isinstance(result, AccessDenied)
    assert result.condition == condition
    (call,) = told(shop)
    assert (call.identity, call.manifest_sha256) == (who.name, request.manifest.sha256)
    assert not [each for each in caplog.records if each.name == "artifact-signer.emergency"]


@pytest.mark.parametrize("who", [BOB, PIPELINE, NOBODY], ids=lambda who: who.name)
def test_refuses_before_a_body_is_read(shop: House, who: Identity) -> None:
    with pytest.raises(AccessDenied):
        shop.authorise(who, emergency=True)


@pytest.mark.parametrize("key", [KEY, "nothing"])
def test_strangers_learn_nothing(shop: House, key: str) -> None:
    assert isinstance(signed(shop, release("release-1"), who=STRANGER, key=key), KeyNotFound)
    with pytest.raises(KeyNotFound):
        shop.authorise(STRANGER, key, emergency=True)


def test_what_was_signed_in_an_emergency_still_needs_approval(shop: House) -> None:
    request = release("release-1")
    assert isinstance(signed(shop, request), Signature)
    for who in (ADA, BOB):
        assert isinstance(signed(shop, request, who=who, emergency=None), ApprovalUnreachable)
    assert isinstance(signed(shop, request, who=BOB), AccessDenied)


def test_a_key_without_approvals_signs_in_no_emergency(house: House) -> None:
    house.create()
    apply(house, rule(principals='["group:release"]', keys=FW))
    result = signed(house, release("release-1"))
    assert isinstance(result, AccessDenied)
    assert result.condition == "emergency"


def test_a_name_that_was_taken_out_passes_nothing(shop: House) -> None:
    assert isinstance(signed(shop, release("release-1")), Signature)
    apply(shop, GUARDED.replace("person:ada", "person:bob"))
    assert isinstance(signed(shop, release("release-2")), AccessDenied)


def test_limits_count(house: House) -> None:
    house.create()
    apply(house, GUARDED + "limits = { per_day = 1 }\n")
    assert isinstance(signed(house, release("release-1")), Signature)
    refused = signed(house, release("release-2"))
    assert getattr(refused, "code", None) == "rate-limited"
