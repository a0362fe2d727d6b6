"""Which certificate is that of a device, and by what each other one is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from signer.domain.client_certificates import ClientCa
from signer.domain.client_choices import IdentityField
from signer.domain.device_certificates import bound_certificate
from signer.errors import SignerError
from tests.support.client_cas import PRESENT, Issued, new_ca
from tests.support.device_certificates import certificate_of, device_ca, proved, serial_number
from tests.support.device_side import KINDS, SomeDevice, known_key, new_key

FLEET, OTHER = new_ca("fleet"), new_ca("fleet")
DEVICE = SomeDevice(serial="SN-0042")
HOST = x509.DNSName
BY_CN, BY_DNS = device_ca(FLEET), device_ca(FLEET, field=IdentityField.SAN_DNS)
BY_NUMBER = device_ca(FLEET, field=IdentityField.SERIAL_NUMBER)
KEY_ALONE = device_ca(FLEET, field=None, attribute=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    made: Callable[[], Issued]
    code: str = ""
    ca: ClientCa = BY_CN


def certificate(**wanted: object) -> Callable[[], Issued]:
    return lambda: certificate_of(DEVICE, FLEET, **wanted)  # type: ignore[arg-type]


ROWS = {
    "its CN is the serial of the identity": Row(made=certificate()),
    "its attribute serialNumber is": Row(made=certificate(subject=serial_number("SN-0042")), ca=BY_NUMBER),
    "its one host name is": Row(made=certificate(alternatives=[HOST("SN-0042")]), ca=BY_DNS),
    "names do not count, the key does": Row(made=certificate(names=("anything",)), ca=KEY_ALONE),
    "of the right CA with another key": Row(made=certificate(key=new_key()), code="device-certificate-key-differs"),
    "of the right key with another CA of the same name": Row(
        made=lambda: certificate_of(DEVICE, OTHER), code="client-certificate-issuer-unknown"
    ),
    "of the CA itself": Row(made=lambda: FLEET.issuer, code="client-certificate-of-ca"),
    "of a CA below it": Row(made=certificate(ca=True), code="client-certificate-of-ca"),
    "expired": Row(made=certificate(ends=PRESENT - timedelta(seconds=1)), code="client-certificate-expired"),
    "not valid yet": Row(
        made=certificate(begins=PRESENT + timedelta(hours=1)), code="client-certificate-not-yet-valid"
    ),
    "a NUL in its name": Row(made=certificate(names=("SN-0042\0.evil",)), code="client-certificate-name-invalid"),
    "two CNs, the right one first": Row(
        made=certificate(names=("SN-0042", "SN-0043")), code="client-certificate-name-ambiguous"
    ),
    "two CNs, the right one last": Row(
        made=certificate(names=("SN-0043", "SN-0042")), code="client-certificate-name-ambiguous"
    ),
    "the same CN twice": Row(made=certificate(names=("SN-0042", "SN-0042")), code="client-certificate-name-ambiguous"),
    "no CN": Row(made=certificate(names=()), code="client-certificate-name-missing"),
    "no SAN where one is demanded": Row(made=certificate(), ca=BY_DNS, code="client-certificate-name-missing"),
    "two attributes serialNumber": Row(
        made=certificate(subject=serial_number("SN-0042", "SN-0043")),
        ca=BY_NUMBER,
        code="client-certificate-name-ambiguous",
    ),
    "of another device": Row(made=certificate(names=("SN-0043",)), code="device-certificate-identity-differs"),
    "its name in another case": Row(made=certificate(names=("sn-0042",)), code="device-certificate-identity-differs"),
    "named after a member that the identity does not have": Row(
        made=certificate(), ca=device_ca(FLEET, attribute="imei"), code="device-certificate-identity-differs"
    ),
    "for servers": Row(made=certificate(uses=None), code="client-certificate-rejected"),
}


@pytest.mark.parametrize("sentence", ROWS)
def test_a_certificate_is_that_of_the_device_or_refused_by_name(sentence: str) -> None:
    row = ROWS[sentence]
    assert outcome(row.made(), row.ca) == row.code


def outcome(issued: Issued, ca: ClientCa, device: SomeDevice = DEVICE) -> str:
    try:
        certificate = proved(issued, ca).valid_at(PRESENT)
        bound = bound_certificate(certificate, device.identity, device.public_key)
    except SignerError as refused:
        return refused.code
    assert (bound.ca, bound.serial) == ("fleet", issued.serial)
    assert bound.names_device == (ca.attribute is not None)
    return ""


@pytest.mark.parametrize("kind", KINDS)
def test_keys_of_every_kind_are_compared_by_value(kind: str) -> None:
    device = SomeDevice(key=known_key(kind))
    if not isinstance(device.key, ec.EllipticCurvePrivateKey):
        device.key = known_key(kind)
    assert outcome(certificate_of(device, FLEET), BY_CN, device) == ""


NO_TEXT = ('{"serial":42}', '{"serial":["SN-0042"]}', '{"serial":true}', '{"serial":{"serial":"42"}}')


@pytest.mark.parametrize("identity", NO_TEXT)
def test_a_member_that_is_no_text_is_no_name(identity: str) -> None:
    from signer.domain.device_identity import DeviceIdentity

    certificate = proved(certificate_of(DEVICE, FLEET, names=("42",)), BY_CN)
    with pytest.raises(SignerError) as refused:
        bound_certificate(certificate, DeviceIdentity.of_text(identity), DEVICE.public_key)
    assert refused.value.code == "device-certificate-identity-differs"
