"""What keys may sign: a closed set of messages, each by the keys of its purposes and no others."""

from __future__ import annotations

import itertools
import re
from typing import get_args

import pytest

from signer.domain.keys import Purpose
from signer.domain.messages import (
    PURPOSES,
    SELF_SIGNED,
    ArtifactManifest,
    BlindDigest,
    CertificateContent,
    CertificateRequestContent,
    Checkpoint,
    ContentMessage,
    DeviceCertificateContent,
    DeviceTokenClaims,
    Message,
    RevocationListContent,
    SelfCheck,
    ServerCertificateContent,
    UserTokenClaims,
    signable,
    signable_digest,
)
from signer.domain.requests import Checked
from signer.errors import MessageNotAllowed
from tests.support.house import MANIFEST
from tests.support.issued_tokens import DEVICE_CLAIMS, HEADER, USER_CLAIMS
from verifier import Limits, Manifest, VerificationError
from verifier.log import EMPTY_ROOT
from verifier.log import Checkpoint as CheckpointText

MESSAGES: dict[str, ContentMessage] = {
    "the manifest of an artifact": ArtifactManifest(MANIFEST),
    "the head of the log": Checkpoint(
        CheckpointText(origin="artifact-signer/0123456789abcdef", size=0, root=EMPTY_ROOT)
    ),
    "a certificate": CertificateContent(b"0..."),
    "a certificate request": CertificateRequestContent(b"0..."),
    "a server's certificate": ServerCertificateContent(b"0..."),
    "a device's certificate": DeviceCertificateContent(b"0..."),
    "a list of revoked certificates": RevocationListContent(b"0..."),
    "a user's token": UserTokenClaims(header=HEADER, claims=USER_CLAIMS),
    "a device's token": DeviceTokenClaims(header=HEADER, claims=DEVICE_CLAIMS),
    **{f"the self-check of {occasion}": occasion for occasion in SelfCheck},
}
CLOSED_PURPOSES = {
    "the manifest of an artifact": {Purpose.ARTIFACT},
    "the head of the log": {Purpose.LOG},
    "a server's certificate": {Purpose.SERVER_CA},
    "a device's certificate": {Purpose.DEVICE_CA},
    "a list of revoked certificates": {Purpose.SERVER_CA, Purpose.DEVICE_CA},
    "a user's token": {Purpose.USER_TOKEN},
    "a device's token": {Purpose.DEVICE_TOKEN},
}


@pytest.mark.parametrize(("sentence", "purpose"), [*itertools.product(MESSAGES, Purpose)])
def test_a_message_is_signed_by_keys_of_its_purposes_only(sentence: str, purpose: Purpose) -> None:
    message = MESSAGES[sentence]
    if purpose not in CLOSED_PURPOSES.get(sentence, Purpose):
        with pytest.raises(MessageNotAllowed) as refused:
            signable(message, purpose)
        assert refused.value.purpose == purpose.value
    else:
        assert signable(message, purpose) == message.content


@pytest.mark.parametrize("purpose", Purpose)
def test_a_digest_is_signed_by_keys_of_artifacts_only(purpose: Purpose) -> None:
    message = BlindDigest(bytes(32))
    if purpose is Purpose.ARTIFACT:
        assert signable_digest(message, purpose) == bytes(32)
        return
    with pytest.raises(MessageNotAllowed):
        signable_digest(message, purpose)


def test_what_the_table_does_not_know_is_signed_by_nobody() -> None:
    class Stranger:
        content = b"anything"

    for purpose in Purpose:
        with pytest.raises(MessageNotAllowed):
            signable(Stranger(), purpose)  # type: ignore[arg-type]


def test_every_message_has_its_row() -> None:
    assert set(PURPOSES) == set(get_args(Message))


# What each outside form begins with, or consists of.
FORMS = {
    "a JWT": re.compile(rb"[A-Za-z0-9_-]*\.[A-Za-z0-9_.-]*"),
    "a note": re.compile(rb"[^\x00-\x09\x0b-\x1f]*"),
    "a certificate, or a request for one": re.compile(rb"\x30.*", re.DOTALL),
}


@pytest.mark.parametrize("occasion", SelfCheck)
class TestSelfSignedMessages:
    def test_it_begins_with_the_one_prefix(self, occasion: SelfCheck) -> None:
        assert occasion.content.startswith(SELF_SIGNED)

    def test_it_can_be_no_manifest(self, occasion: SelfCheck) -> None:
        with pytest.raises(VerificationError):
            Manifest.parse(occasion.content, limits=Limits())

    @pytest.mark.parametrize("form", FORMS)
    def test_it_can_be_nothing_that_others_read(self, occasion: SelfCheck, form: str) -> None:
        assert not FORMS[form].fullmatch(occasion.content)


def test_what_was_seen_is_ordered() -> None:
    assert sorted(Checked) == [Checked.BLIND, Checked.MANIFEST, Checked.HEAD, Checked.ARTIFACT]
    assert Checked.HEAD >= Checked.HEAD > Checked.MANIFEST
