"""A CA of devices in the token: what it issues and renews, and what it refuses, each by name."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from signer.domain.client_choices import IdentityField
from signer.domain.events import EventType
from signer.domain.keys import Purpose, VersionState
from signer.errors import SignerError
from signer.services.device_ca import MOST_CERTIFICATES
from signer.services.device_ca_ports import CertificateQuery
from tests.signer.certificates.device_scene import (
    FLEET,
    QUARTER,
    YEAR,
    Enrolled,
    Scene,
    identity,
    new_pair,
    request_of,
    subject,
)
from tests.signer.certificates.workshop import Workshop
from tests.support.client_cas import new_ca
from tests.support.device_side import SomeDevice, known_key

SECOND = timedelta(seconds=1)
DEVICE = SomeDevice()


@pytest.fixture
def scene(shop: Workshop) -> Scene:
    made = Scene(shop=shop)
    made.with_key()
    return made


def code_of(call: Callable[[], object]) -> str:
    try:
        call()
    except SignerError as refused:
        return refused.code
    return ""


def events(scene: Scene) -> list[EventType]:
    return [each.event.type for each in scene.shop.store.events(after=0, limit=1000, key=None)]


def test_of_a_request_the_key_alone_is_taken(scene: Scene) -> None:
    greedy = request_of(
        DEVICE.key,
        name=subject("admin", "SN-0001"),
        extensions=[
            x509.BasicConstraints(ca=True, path_length=None),
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
            x509.SubjectAlternativeName([x509.DNSName("updates.example.com")]),
        ],
    )
    record = scene.cas.issue("fleet", greedy, DEVICE.identity, actor="user:ops")
    made = x509.load_der_x509_certificate(record.certificate)
    assert made.subject == subject("SN-0042")
    assert made.public_key() == DEVICE.key.public_key()
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert list(made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]
    with pytest.raises(x509.ExtensionNotFound):
        made.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert made.serial_number.bit_length() > 100
    assert made.not_valid_after_utc == record.not_after == scene.shop.clock().replace(microsecond=0) + YEAR
    # Put back for clocks that are behind, but never before the CA's own.
    assert made.not_valid_before_utc <= scene.shop.clock()


def test_what_is_issued_is_on_record_and_told_without_the_name(scene: Scene) -> None:
    record = scene.issue(DEVICE)
    (listed,) = scene.records.certificates(CertificateQuery())
    assert (listed.record, listed.revoked_at) == (record, None)
    (told,) = [
        each.event
        for each in scene.shop.store.events(after=0, limit=1000, key=None)
        if each.event.type is EventType.DEVICE_CERTIFICATE_ISSUED
    ]
    assert (told.actor, told.key, told.version) == ("user:ops", "device-ca", 1)
    assert (told.after["serial"], told.after["fingerprint"]) == (record.serial, DEVICE.public_key.sha256)
    assert "SN-0042" not in str(told.after)


FIELDS = {
    IdentityField.CN: "SN-0042",
    IdentityField.SERIAL_NUMBER: "SN-0042",
    IdentityField.SAN_DNS: "SN-0042",
    IdentityField.SAN_URI: "urn:dev:SN-0042",
}


@pytest.mark.parametrize("field", FIELDS)
def test_the_name_stands_where_it_is_looked_for(shop: Workshop, field: IdentityField) -> None:
    scene = Scene(shop=shop, ca=replace(FLEET, field=field))
    scene.with_key()
    device = SomeDevice(serial=FIELDS[field])
    proved = scene.proved(scene.issue(device).certificate)
    assert (proved.value, proved.key_sha256) == (FIELDS[field], device.public_key.sha256)
    assert scene.office.outcome(device, shown=proved) == "token"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    code: str
    ca: str = "fleet"
    request: Callable[[], bytes] = lambda: request_of(DEVICE.key)
    identity: str = '{"serial":"SN-0042"}'
    before: Callable[[Scene], object] = lambda _: None


def forged() -> bytes:
    """A request in whose signature one bit is another."""
    der = bytearray(x509.load_pem_x509_csr(request_of(known_key("rsa-2048"))).public_bytes(Encoding.DER))
    der[-1] ^= 1
    body = base64.b64encode(bytes(der))
    return b"-----BEGIN CERTIFICATE REQUEST-----\n" + body + b"\n-----END CERTIFICATE REQUEST-----\n"


def small() -> bytes:
    return request_of(rsa.generate_private_key(65537, 1024))


INVALID = "certificate-request-invalid"
REFUSED = {
    "a CA that there is not": Asked(ca="nobody", code="client-ca-not-found"),
    "a CA that issues elsewhere": Asked(ca="elsewhere", code="device-ca-not-issuing"),
    "nothing": Asked(request=lambda: b"", code=INVALID),
    "a certificate": Asked(
        request=lambda: b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----", code=INVALID
    ),
    "two requests": Asked(request=lambda: request_of(DEVICE.key) * 2, code=INVALID),
    "a request with text before it": Asked(request=lambda: b"Subject:\n" + request_of(DEVICE.key), code=INVALID),
    "half a request": Asked(request=lambda: request_of(DEVICE.key)[:200], code=INVALID),
    "a request that is no DER": Asked(
        request=lambda: b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n", code=INVALID
    ),
    "a request of many bytes": Asked(request=lambda: request_of(DEVICE.key) + b"\n" * 20_000, code=INVALID),
    "a request that another key has signed": Asked(request=forged, code=INVALID),
    "a key that is too small": Asked(request=small, code="device-key-invalid"),
    "an identity without the member": Asked(identity='{"mac":"02:00"}', code="device-name-unfit"),
    "a member that is a number": Asked(identity='{"serial":42}', code="device-name-unfit"),
    "a name with a NUL": Asked(identity='{"serial":"SN\\u0000"}', code="device-name-unfit"),
    "an empty name": Asked(identity='{"serial":""}', code="device-name-unfit"),
    "a name with a blank at its end": Asked(identity='{"serial":"SN "}', code="device-name-unfit"),
    "a name beyond ASCII": Asked(identity='{"serial":"SN-ä"}', code="device-name-unfit"),
    "a name of 65 characters": Asked(identity=f'{{"serial":"{"x" * 65}"}}', code="device-name-unfit"),
    "a CA without an active version": Asked(
        before=lambda scene: scene.shop.put(scene.shop.store.key("device-ca"), VersionState.DISABLED),
        code="device-ca-inactive",
    ),
    "a CA whose file is another's": Asked(
        before=lambda scene: setattr(scene, "believed", new_ca("stranger").pem), code="device-ca-not-trusted"
    ),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_it_is_not_issued(scene: Scene, sentence: str) -> None:
    row = REFUSED[sentence]
    row.before(scene)
    asked = row.request()
    assert code_of(lambda: scene.cas.issue(row.ca, asked, identity(row.identity), actor="user:ops")) == row.code
    assert scene.records.certificates(CertificateQuery()) == ()
    assert EventType.DEVICE_CERTIFICATE_ISSUED not in events(scene)


def test_a_key_of_another_purpose_issues_nothing(shop: Workshop) -> None:
    scene = Scene(shop=shop)
    scene.shop.create("device-ca", purpose=Purpose.SERVER_CA)
    scene.believe(1)
    assert code_of(lambda: scene.issue(DEVICE)) == "message-not-allowed"


def test_a_key_that_was_taken_away_is_certified_no_more(scene: Scene) -> None:
    device = scene.office.accepted()
    scene.office.decide(device, "rejected")
    assert code_of(lambda: scene.issue(device)) == "device-key-taken"


def test_as_many_hold_as_may(scene: Scene) -> None:
    made = [scene.issue(DEVICE) for _ in range(MOST_CERTIFICATES)]
    assert code_of(lambda: scene.issue(DEVICE)) == "device-certificates-exhausted"
    scene.revocations.revoke("fleet", made[0].serial, reason="lost", actor="tests")
    scene.issue(DEVICE)
    assert code_of(lambda: scene.issue(DEVICE)) == "device-certificates-exhausted"
    assert scene.issue(SomeDevice(serial="another")).serial


class TestRenewal:
    """With the certificate that is about to end, beside the token."""

    def test_it_is_renewed_in_its_last_quarter(self, scene: Scene) -> None:
        who = scene.enrolled()
        scene.later(YEAR - QUARTER - timedelta(minutes=1))
        assert code_of(lambda: scene.renew(who)) == "device-certificate-not-due"
        scene.later(timedelta(minutes=2))
        record = scene.renew(who)
        assert (record.renews, record.key_sha256) == (who.record.serial, who.device.public_key.sha256)
        assert record.not_after > who.record.not_after
        assert record.actor == f"device:{scene.office.known(who.device).id}"
        assert scene.office.outcome(who.device, shown=scene.proved(record.certificate)) == "token"
        # The one before holds until its end.
        assert scene.office.outcome(who.device, shown=who.shown) == "token"

    def test_who_did_not_hear_the_answer_gets_it_again(self, scene: Scene) -> None:
        who = due(scene)
        first = scene.renew(who)
        assert [scene.renew(who) for _ in range(MOST_CERTIFICATES)] == [first] * MOST_CERTIFICATES

    def test_a_new_key_takes_the_place_of_the_one_before_by_its_first_request(self, scene: Scene) -> None:
        who, next_key = due(scene), new_pair()
        record = scene.renew(who, key=next_key)
        assert scene.office.outcome(who.device, shown=who.shown) == "token"
        after = SomeDevice(serial=who.device.serial, key=next_key)
        assert scene.office.outcome(after, shown=scene.proved(record.certificate)) == "token"
        assert scene.office.statuses(after) == ["rejected", "accepted"]
        assert code_of(lambda: scene.renew(who)) == "device-refused"
        assert scene.office.outcome(who.device, shown=who.shown) == "rejected"

    def test_a_key_from_before_does_not_come_back(self, scene: Scene) -> None:
        who, next_key = due(scene), new_pair()
        record = scene.renew(who, key=next_key)
        after = SomeDevice(serial=who.device.serial, key=next_key)
        shown = scene.proved(record.certificate)
        scene.office.ask(after, shown=shown)
        now = Enrolled(device=after, record=record, shown=shown, token=scene.office.token(after, "k" * 36))
        scene.later(YEAR - QUARTER + SECOND)
        assert code_of(lambda: scene.renew(now, key=who.device.key)) == "device-key-taken"

    def test_without_a_certificate(self, scene: Scene) -> None:
        who = due(scene)
        assert code_of(lambda: scene.renew(who.but(shown=None))) == "device-certificate-missing"

    def test_with_the_certificate_of_another_device(self, scene: Scene) -> None:
        who = due(scene)
        other = scene.proved(scene.issue(SomeDevice(serial="SN-2")).certificate)
        assert code_of(lambda: scene.renew(who.but(shown=other))) == "device-certificate-of-another-device"

    def test_with_a_token_that_was_taken_away(self, scene: Scene) -> None:
        who = due(scene)
        scene.office.administration.revoke_token(who.token.jti, actor="tests")
        assert code_of(lambda: scene.renew(who)) == "device-refused"

    def test_of_a_device_that_was_decommissioned(self, scene: Scene) -> None:
        who = due(scene)
        scene.office.administration.decommission(scene.office.known(who.device).id, actor="tests")
        assert code_of(lambda: scene.renew(who)) == "device-refused"

    def test_the_ca_rotates_meanwhile(self, scene: Scene) -> None:
        who = due(scene)
        scene.rotate()
        assert code_of(lambda: scene.renew(who)) == "device-ca-not-trusted"
        scene.believe(1, 2)
        record = scene.renew(who)
        assert scene.proved(record.certificate).ca == "fleet"
        assert scene.office.outcome(who.device, shown=scene.proved(record.certificate)) == "token"


def due(scene: Scene) -> Enrolled:
    """A device whose certificate may be renewed."""
    who = scene.enrolled()
    scene.later(YEAR - QUARTER + SECOND)
    return who.but(token=scene.office.token(who.device, "d" * 36))


@pytest.mark.parametrize("kind", ["rsa-2048", "p-384", "ed25519"])
def test_keys_of_devices_are_certified_whatever_their_kind(scene: Scene, kind: str) -> None:
    device = SomeDevice(serial=kind, key=known_key(kind))
    assert scene.office.outcome(device, shown=scene.proved(scene.issue(device).certificate)) == "token"
