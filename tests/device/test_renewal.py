"""A certificate for a key is asked for with the one that is shown, and kept only where it is that key's."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from device.certificates import issued_name
from device.client import DeviceClient
from device.errors import (
    AnswerInvalid,
    ClientCertificateRefused,
    RequestRefused,
    TokenRefused,
)
from device.http import Response
from device.keys import DeviceKey, KeyKind, made
from device.renewal import CERTIFICATES, signing_request
from device.requests import Request
from tests.device.certificates import issued, self_signed
from tests.device.scene import LOST_ANSWER, MemoryService, MemoryStore, Time, a_device

CA = self_signed("ca.example", ca=True)


@dataclass
class IssuingService(MemoryService):
    """With a CA. ``due``: whether it is time; ``other``: certificates are of another key."""

    due: bool = True
    other: bool = False
    store: MemoryStore = field(default_factory=MemoryStore)
    first: str = ""

    def require_shown(self, key: DeviceKey) -> None:
        if key.fingerprint != self.first and issued_name(key.fingerprint) not in self.store.files:
            raise ClientCertificateRefused(fingerprint=key.fingerprint, problem="none")

    def _answer(self, request: Request) -> Response:
        if request.path != CERTIFICATES:
            return super()._answer(request)
        if request.headers["Authorization"].removeprefix("Bearer ") not in self.tokens:
            return Response(status=401, headers={}, body=b"")
        if not self.due:
            body = json.dumps({"code": "device-certificate-not-due"}).encode()
            return Response(status=409, headers={}, body=body)
        asked = x509.load_pem_x509_csr(request.body)
        assert asked.is_signature_valid
        public = CA.key.public_key() if self.other else asked.public_key()
        certificate = issued("device", public, CA.key, issuer="ca.example", ends=timedelta(days=30))
        return Response(status=200, headers={}, body=certificate.public_bytes(Encoding.PEM))


@pytest.fixture
def service() -> IssuingService:
    return IssuingService(time=Time())


@pytest.fixture
def device(service: IssuingService) -> DeviceClient:
    client = a_device(service.store, service, service.time)
    service.first = client.bootstrap().fingerprint
    client.token()
    return client


def test_the_next_certificate_is_kept_for_its_key(device: DeviceClient, service: IssuingService) -> None:
    renewed = device.renew_certificate()
    kept = x509.load_pem_x509_certificate(service.store.files[issued_name(service.first)])
    assert renewed.not_after == kept.not_valid_after_utc


def test_before_it_is_due_nothing_happens(device: DeviceClient, service: IssuingService) -> None:
    service.due = False
    assert device.renew_certificate().not_after is None
    assert issued_name(service.first) not in service.store.files


def test_a_token_that_is_refused_is_renewed_once(device: DeviceClient, service: IssuingService) -> None:
    service.tokens.clear()
    assert device.renew_certificate().not_after is not None
    service.faults.extend([401, None, 401])
    with pytest.raises(TokenRefused):
        device.renew_certificate()


def test_an_answer_that_was_lost_is_asked_for_again(device: DeviceClient, service: IssuingService) -> None:
    service.faults.append(LOST_ANSWER)
    assert device.renew_certificate().not_after is not None


@pytest.mark.parametrize("status", [400, 403, 404, 409])
def test_a_refusal_is_told(device: DeviceClient, service: IssuingService, status: int) -> None:
    service.faults.append(status)
    with pytest.raises(RequestRefused):
        device.renew_certificate()
    assert issued_name(service.first) not in service.store.files


@pytest.mark.parametrize("bad", ["of another key", "none"])
def test_what_is_no_certificate_of_the_key_is_not_kept(device: DeviceClient, service: IssuingService, bad: str) -> None:
    if bad == "none":
        service.faults.append(200)
    service.other = True
    with pytest.raises(AnswerInvalid):
        device.renew_certificate()
    assert issued_name(service.first) not in service.store.files


def test_who_shows_none_asks_nobody(device: DeviceClient, service: IssuingService) -> None:
    service.first = ""
    asked = len(service.seen)
    with pytest.raises(ClientCertificateRefused):
        device.renew_certificate()
    assert len(service.seen) == asked


def test_a_change_of_the_key_begins_with_its_certificate(device: DeviceClient, service: IssuingService) -> None:
    rotated = device.rotate_key()
    assert rotated.fingerprint != service.first
    assert issued_name(rotated.fingerprint) in service.store.files
    service.first = ""
    assert device.request("GET", "/x").status == 200


def test_a_change_before_it_is_due_leaves_the_present_key(device: DeviceClient, service: IssuingService) -> None:
    service.due = False
    with pytest.raises(RequestRefused) as refused:
        device.rotate_key()
    assert refused.value.problem == "device-certificate-not-due"
    assert device.key().fingerprint == service.first
    service.due = True
    assert device.rotate_key().resumed


@pytest.mark.parametrize("kind", KeyKind)
def test_each_kind_of_key_signs_its_request(kind: KeyKind) -> None:
    key = DeviceKey.of_pem("key.pem", made(kind))
    request = x509.load_pem_x509_csr(signing_request(key))
    assert request.is_signature_valid
