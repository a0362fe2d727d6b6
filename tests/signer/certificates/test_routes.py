"""The routes of certificates and published keys, over real services and a real token."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from signer.application import BodyLimit, RequestLimits
from signer.domain.credentials import Credentials
from signer.domain.identity import Identity, Role
from signer.domain.keys import UNBOUNDED, VersionState
from signer.spool import Spool
from signer.web.app import create_app
from tests.signer.certificates.workshop import TIMEOUT, Workshop
from verifier import Limits

PEM = "application/x-pem-file"
JSON_BYTES = 64 * 1024
PUBLIC_KEYS = "/v1/keys/firmware/public-keys"
CERTIFICATE = "/v1/keys/firmware/versions/1/certificate"
CSR = "/v1/keys/firmware/versions/1/csr"


class ByName:
    """Whoever says the name of a role has it."""

    def remembered(self, credentials: Credentials) -> Identity | None:
        return None

    def authenticate(self, credentials: Credentials) -> Identity:
        return Identity(name="somebody", role=Role(credentials.authorization or ""))


@pytest.fixture
def client(shop: Workshop, tmp_path: Path) -> Iterator[FlaskClient]:
    """An administrator's client; the key ``firmware`` has one version."""
    shop.create()
    limits = RequestLimits(
        artifact=BodyLimit(octets=1024, setting="limits.artifact_bytes"),
        json=BodyLimit(octets=JSON_BYTES, setting="limits.json_bytes"),
        batch=BodyLimit(octets=1024, setting="limits.batch_bytes"),
        device=BodyLimit(octets=JSON_BYTES, setting="devices.request_bytes"),
        head_bytes=1024,
        read_timeout=TIMEOUT,
        verifier=Limits(),
    )
    app = create_app(replace(shop.application, authenticator=ByName(), spool=Spool(tmp_path), limits=limits))
    with app.test_client() as opened:
        opened.environ_base["HTTP_AUTHORIZATION"] = Role.ADMINISTRATOR.value
        yield opened


def refused(response: TestResponse, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    assert response.json is not None
    assert response.json["code"] == code


def test_public_keys_are_json_with_states(client: FlaskClient, shop: Workshop) -> None:
    shop.lifecycle.prepare(Identity(name="a", role=Role.ADMINISTRATOR), "firmware", validity=UNBOUNDED)
    document = client.get(PUBLIC_KEYS).json
    assert document is not None
    key = shop.store.key("firmware")
    assert {name: document[name] for name in ("key", "purpose", "algorithm")} == {
        "key": "firmware",
        "purpose": "artifact",
        "algorithm": "ecdsa-p256",
    }
    entries = document["public_keys"]
    assert [(entry["version"], entry["state"]) for entry in entries] == [(1, "active"), (2, "next")]
    assert [entry["fingerprint"] for entry in entries] == [version.fingerprint for version in key.versions]
    assert [entry["not_after"] for entry in entries] == [None, None]
    assert all(load_pem_public_key(entry["public_key"].encode()) for entry in entries)


def test_public_keys_are_a_pem_bundle_for_who_asks(client: FlaskClient) -> None:
    document = client.get(PUBLIC_KEYS).json
    bundle = client.get(PUBLIC_KEYS, headers={"Accept": PEM})
    assert document is not None
    assert bundle.content_type == PEM
    assert bundle.text == "".join(entry["public_key"] for entry in document["public_keys"])


def test_no_public_key_is_not_an_empty_list(client: FlaskClient, shop: Workshop) -> None:
    shop.put(shop.store.key("firmware"), VersionState.RETIRED)
    for accept in ("application/json", PEM):
        refused(client.get(PUBLIC_KEYS, headers={"Accept": accept}), 409, "no-trusted-version")


def test_a_certificate_is_shown_made_requested_and_imported(client: FlaskClient) -> None:
    first = client.get(CERTIFICATE)
    assert (first.status_code, first.content_type) == (200, PEM)
    made = client.post(CERTIFICATE, json={"subject": "CN=x", "san": ["dns:a.example", "ip:::1"], "days": 3})
    assert (made.status_code, made.content_type) == (201, PEM)
    assert x509.load_pem_x509_certificate(made.data).subject.rfc4514_string() == "CN=x"
    assert client.get(CERTIFICATE).data == made.data != first.data
    request = client.post(CSR, json={"subject": "CN=y"})
    assert (request.status_code, request.content_type) == (200, PEM)
    assert x509.load_pem_x509_csr(request.data).is_signature_valid
    imported = client.put(CERTIFICATE, data=first.data)
    assert imported.status_code == 200
    assert client.get(CERTIFICATE).data == imported.data == first.data


def test_a_certificate_is_json_for_who_asks(client: FlaskClient) -> None:
    parameters = {"subject": "CN=x", "san": ["dns:a.example", "ip:::1"], "days": 3}
    document = client.post(CERTIFICATE, json=parameters, headers={"Accept": "application/json"}).json
    assert document is not None
    leaf = x509.load_pem_x509_certificate(document["certificate"].encode())
    assert document["subject"] == document["issuer"] == "CN=x"
    assert document["san"] == parameters["san"]
    assert document["self_signed"] is True
    assert document["chain"] == ""
    assert int(document["serial"], 16) == leaf.serial_number
    assert document["not_after"] == leaf.not_valid_after_utc.isoformat().replace("+00:00", "Z")
    request = client.post(CSR, headers={"Accept": "application/json"}).json
    assert request is not None
    assert request["subject"] == "CN=firmware"
    assert x509.load_pem_x509_csr(request["request"].encode()).is_signature_valid


BODIES = {
    "an unknown member": {"subjekt": "CN=x"},
    "a subject that is no text": {"subject": 7},
    "names that are no list": {"san": "dns:a.example"},
    "days as text": {"days": "5"},
    "days as a yes": {"days": True},
    "half a day": {"days": 0.5},
}


@pytest.mark.parametrize("sentence", BODIES)
def test_a_body_is_refused(client: FlaskClient, sentence: str) -> None:
    refused(client.post(CERTIFICATE, json=BODIES[sentence]), 400, "invalid-request")


def test_days_are_the_ca_s_to_decide(client: FlaskClient) -> None:
    refused(client.post(CSR, json={"days": 5}), 400, "invalid-request")


REJECTED = {
    "a negative number of days": {"days": -1},
    "more days than a machine counts": {"days": 10**30},
    "a control character": {"subject": "CN=\u0007"},
    "an unknown kind of name": {"san": ["dirname:CN=x"]},
}


@pytest.mark.parametrize("sentence", REJECTED)
def test_parameters_are_rejected(client: FlaskClient, sentence: str) -> None:
    refused(client.post(CERTIFICATE, json=REJECTED[sentence]), 400, "certificate-rejected")


def test_a_lone_surrogate_is_refused_as_such(client: FlaskClient) -> None:
    body = json.dumps({"subject": "CN=\ud800"}).encode()
    response = client.post(CERTIFICATE, data=body)
    assert response.status_code == 400


IMPORTS = {
    "nothing": (b"", 400, "certificate-rejected"),
    "garbage": (b"\xff" * 1000, 400, "certificate-rejected"),
}


@pytest.mark.parametrize("sentence", IMPORTS)
def test_an_import_is_refused(client: FlaskClient, sentence: str) -> None:
    content, status, code = IMPORTS[sentence]
    before = client.get(CERTIFICATE).data
    refused(client.put(CERTIFICATE, data=content), status, code)
    assert client.get(CERTIFICATE).data == before


MISSING = {
    "a key": ("/v1/keys/other", "key-not-found"),
    "a version": ("/v1/keys/firmware/versions/2", "version-not-found"),
}


@pytest.mark.parametrize("sentence", MISSING)
def test_what_is_not_there_is_said_by_name(client: FlaskClient, sentence: str) -> None:
    path, code = MISSING[sentence]
    if "versions" not in path:
        refused(client.get(f"{path}/public-keys"), 404, code)
        path += "/versions/1"
    refused(client.get(f"{path}/certificate"), 404, code)
    refused(client.post(f"{path}/certificate", json={}), 404, code)
    refused(client.put(f"{path}/certificate", data=b""), 404, code)
    refused(client.post(f"{path}/csr", json={}), 404, code)


def test_a_state_that_forbids_it_says_what_is_possible(client: FlaskClient, shop: Workshop) -> None:
    shop.put(shop.store.key("firmware"), VersionState.DISABLED)
    response = client.post(CSR, json={})
    refused(response, 409, "step-not-allowed")
    assert response.json is not None
    assert response.json["facts"]["allowed"] == ["enable", "destroy"]
    assert client.get(CERTIFICATE).status_code == 200, "what is on record may still be read"


@pytest.mark.parametrize("role", [Role.READER, Role.SIGNER])
def test_who_may_only_read_changes_nothing(client: FlaskClient, role: Role) -> None:
    client.environ_base["HTTP_AUTHORIZATION"] = role.value
    assert client.get(PUBLIC_KEYS).status_code == 200
    assert client.get(CERTIFICATE).status_code == 200
    refused(client.post(CERTIFICATE, json={}), 403, "access-denied")
    refused(client.put(CERTIFICATE, data=b""), 403, "access-denied")
    refused(client.post(CSR, json={}), 403, "access-denied")
