"""Vault's transit engine as its clients speak it: golden requests, what is refused and how, and where it is found."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from signer.domain.identity import Role
from signer.services.lifecycle import NewKeyRequest
from signer.storage.api_token_store import SqlApiTokenStore
from signer.web.app import create_app
from signer.web.dialect_paths import DialectPaths
from signer.web.front.application import Front
from signer.web.front.bridge import Bridge
from signer.web.front.metrics import Metrics
from signer.web.front.rooms import Rooms
from tests.artifacts import ArtifactBuilder
from tests.support.api_tokens import issue_api_token
from tests.support.asking import Reply, ask
from tests.support.clock import START, ManualClock
from tests.support.databases import migrate
from tests.support.house import ADMIN, MANIFEST, House, open_house
from tests.support.memory_tokens import MemoryTokens

DIGEST = hashlib.sha256(MANIFEST.raw).digest()
INPUT = base64.b64encode(DIGEST).decode()
EMPTY = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
# Byte for byte as `mender-artifact --vault-transit-key` 3.8.0 sends them, without a Content-Type.
GOLDEN_EC = b'{"input":"%s","key_version":1,"marshaling_algorithm":"jws","prehashed":true}' % INPUT.encode()
GOLDEN_RSA = b'{"input":"%s","key_version":1,"prehashed":true,"signature_algorithm":"pkcs1v15"}' % INPUT.encode()
SIGNSERVER = (
    b'{"data":"%s","encoding":"BASE64","metaData":{"CLIENTSIDE_HASHDIGESTALGORITHM":"SHA-256",'
    b'"USING_CLIENTSUPPLIED_HASH":"true"}}'
)
PROCESS = "/signserver/rest/v1/workers/ec/process"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A service with keys ``ec`` and ``rsa`` that sign digests, and ``seeing`` that does not."""

    house: House
    front: Front
    tokens: Mapping[Role, str]

    def vault(
        self,
        method: str,
        path: str,
        body: bytes | dict[str, Any] = b"",
        *,
        role: Role | None = Role.ADMINISTRATOR,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """As Vault's clients ask."""
        shown = {} if role is None else {"X-Vault-Token": self.tokens[role]}
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = {"X-Vault-Request": "true", **shown, **(headers or {})}
        return ask(self.front, method, path, headers=fields, body=raw)

    def process(self, body: bytes, *, role: Role | None = Role.ADMINISTRATOR, path: str = PROCESS) -> Reply:
        """As SignServer's clients ask, but for their certificate."""
        shown = {} if role is None else {"Authorization": f"Bearer {self.tokens[role]}"}
        return ask(self.front, "POST", path, headers=shown, body=body)


def front_of(house: House, rooms: Rooms, **settings: Any) -> Front:
    return Front(
        house.application,
        timeout=60.0,
        rooms=rooms,
        bridge=Bridge(create_app(house.application)),
        metrics=Metrics(house.parts.stages),
        dialects=DialectPaths(**settings),
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder: Path = tmp_path_factory.mktemp("vault")
    url = f"sqlite:///{folder}/test.sqlite"
    migrate(url)
    clock = ManualClock()
    assert clock.now == START
    rooms = Rooms(threads=2, timeout=60.0)
    with open_house(url, folder, MemoryTokens("one"), clock) as house:
        store = SqlApiTokenStore(database=house.database, clock=clock)
        tokens = {role: issue_api_token(store, name=f"{role.value}-v", role=role) for role in Role}
        for name, algorithm, blind in (
            ("ec", "ecdsa-p256", True),
            ("rsa", "rsa-2048", True),
            ("seeing", "ecdsa-p256", False),
        ):
            house.lifecycle.create(
                ADMIN, NewKeyRequest(unverified_name=name, unverified_algorithm=algorithm, blind_sign=blind)
            )
        yield Place(house=house, front=front_of(house, rooms), tokens=tokens)
    rooms.close()


def spki(place: Place, name: str) -> bytes:
    found = place.house.version(name=name).spki
    assert found is not None
    return found


class TestGolden:
    def test_an_ecdsa_request_of_mender_artifact(self, place: Place) -> None:
        reply = place.vault("PUT", "/v1/transit/sign/ec/sha2-256", GOLDEN_EC)
        assert reply.status_code == 200, reply.data
        data = reply.json()["data"]
        assert set(data) == {"signature", "key_version"}
        assert data["key_version"] == 1
        prefix, version, text = data["signature"].split(":")
        assert (prefix, version, len(text), "=" in text) == ("vault", "v1", 86, False)
        raw = base64.urlsafe_b64decode(text + "==")
        public = load_der_public_key(spki(place, "ec"))
        assert isinstance(public, ec.EllipticCurvePublicKey)
        der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        public.verify(der, DIGEST, ec.ECDSA(Prehashed(SHA256())))

    def test_an_rsa_request_of_mender_artifact(self, place: Place) -> None:
        reply = place.vault("PUT", "/v1/transit/sign/rsa/sha2-256", GOLDEN_RSA)
        assert reply.status_code == 200, reply.data
        raw = base64.b64decode(reply.json()["data"]["signature"].removeprefix("vault:v1:"), validate=True)
        public = load_der_public_key(spki(place, "rsa"))
        assert isinstance(public, rsa.RSAPublicKey)
        public.verify(raw, DIGEST, padding.PKCS1v15(), Prehashed(SHA256()))

    def test_the_key_as_it_is_read(self, place: Place) -> None:
        for name, kind in (("ec", "ecdsa-p256"), ("rsa", "rsa-2048")):
            reply = place.vault("GET", f"/v1/transit/keys/{name}", role=Role.READER)
            data = reply.json()["data"]
            assert (data["type"], data["latest_version"], list(data["keys"])) == (kind, 1, ["1"])
            assert load_pem_public_key(data["keys"]["1"]["public_key"].encode()) == load_der_public_key(
                spki(place, name)
            )

    def test_the_envelope_is_vaults(self, place: Place) -> None:
        reply = place.vault("GET", "/v1/transit/keys/ec")
        document = reply.json()
        assert document.pop("data")
        assert document.pop("request_id") == reply.headers["x-request-id"]
        assert document == {
            "lease_id": "", "renewable": False, "lease_duration": 0, "wrap_info": None, "warnings": None, "auth": None,
        }  # fmt: skip

    def test_the_same_again_is_the_same(self, place: Place) -> None:
        asked = [place.vault("PUT", "/v1/transit/sign/ec/sha2-256", GOLDEN_EC).json()["data"] for _ in range(3)]
        assert asked[0] == asked[1] == asked[2]

    def test_a_request_of_signservers_client(self, place: Place) -> None:
        reply = place.process(SIGNSERVER % INPUT.encode())
        assert (reply.status_code, reply.content_type) == (200, "application/json")
        document = reply.json()
        assert set(document) == {"data", "signerCertificate", "requestId", "metaData"}
        from cryptography import x509

        public = x509.load_der_x509_certificate(base64.b64decode(document["signerCertificate"])).public_key()
        assert public == load_der_public_key(spki(place, "ec"))
        raw = base64.b64decode(document["data"], validate=True)
        assert isinstance(public, ec.EllipticCurvePublicKey)
        der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        public.verify(der, DIGEST, ec.ECDSA(Prehashed(SHA256())))

    def test_its_dummy_spends_nothing(self, place: Place) -> None:
        before = place.house.version(name="ec").signature_count
        reply = place.process(SIGNSERVER % b"taLJYlBhI2bqJy/6xtl0Sq9LRarNlqp8/Lkx7jtVglk=")
        assert reply.status_code == 200
        assert reply.json()["data"] == ""
        assert reply.json()["signerCertificate"]
        assert place.house.version(name="ec").signature_count == before


SIGN = {"input": INPUT, "prehashed": True}
RSA = {**SIGN, "signature_algorithm": "pkcs1v15"}
GRANTED: dict[str, tuple[str, dict[str, Any]]] = {
    "the hash in the body": ("ec", {**SIGN, "hash_algorithm": "sha2-256"}),
    "its older name": ("ec", {**SIGN, "algorithm": "sha2-256"}),
    "no hash at all": ("ec", SIGN),
    "the name of the key once more, as hvac does": ("ec", {**SIGN, "name": "ec"}),
    "version 0": ("ec", {**SIGN, "key_version": 0}),
    "RSA with its scheme": ("rsa", RSA),
    "what is hashed here": ("ec", {"input": base64.b64encode(MANIFEST.raw).decode()}),
}


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("sentence", GRANTED)
def test_what_vault_takes_is_signed_and_verifies(place: Place, sentence: str, method: str) -> None:
    key, body = GRANTED[sentence]
    reply = place.vault(method, f"/v1/transit/sign/{key}", body)
    assert reply.status_code == 200, reply.data
    shown = {name: value for name, value in body.items() if name != "key_version"}
    verify = {**shown, "signature": reply.json()["data"]["signature"]}
    for path, valid in ((f"/v1/transit/verify/{key}", True), (f"/v1/transit/verify/{key}/sha2-256", True)):
        checked = place.vault(method, path, verify, role=Role.READER)
        assert checked.json()["data"] == {"valid": valid}
    other = place.vault("POST", f"/v1/transit/verify/{key}", {**verify, "input": EMPTY, "prehashed": True})
    assert other.json()["data"] == {"valid": False}


REFUSED: dict[str, tuple[str, str, Any, int, str]] = {
    "a key that signs no digests": ("PUT", "sign/seeing/sha2-256", GOLDEN_EC, 403, "blind-sign-off"),
    "no such key": ("PUT", "sign/nothing/sha2-256", GOLDEN_EC, 404, "key-not-found"),
    "no such key to read": ("GET", "keys/nothing", b"", 404, "key-not-found"),
    "another version": ("PUT", "sign/ec/sha2-256", {**SIGN, "key_version": 2}, 400, "version-not-active"),
    "another hash in the path": ("PUT", "sign/ec/sha2-512", SIGN, 400, "dialect-value-invalid"),
    "another hash in the body": ("PUT", "sign/ec", {**SIGN, "hash_algorithm": "sha1"}, 400, "dialect-value-invalid"),
    "hashes that differ": (
        "PUT", "sign/ec/sha2-256", {**SIGN, "hash_algorithm": "sha2-384"}, 400, "dialect-value-invalid"
    ),
    "RSA without a scheme, which would be PSS": ("PUT", "sign/rsa", SIGN, 400, "dialect-value-invalid"),
    "PSS": ("PUT", "sign/rsa", {**SIGN, "signature_algorithm": "pss"}, 400, "dialect-value-invalid"),
    "another form": ("PUT", "sign/ec", {**SIGN, "marshaling_algorithm": "xml"}, 400, "dialect-value-invalid"),
    "a digest of 31 bytes": (
        "PUT", "sign/ec", {**SIGN, "input": base64.b64encode(bytes(31)).decode()}, 400, "dialect-value-invalid"
    ),
    "no base64": ("PUT", "sign/ec", {**SIGN, "input": "%"}, 400, "dialect-value-invalid"),
    "no input": ("PUT", "sign/ec", {"prehashed": True}, 400, "dialect-value-invalid"),
    "both inputs": ("PUT", "sign/ec", {**SIGN, "batch_input": [{"input": INPUT}]}, 400, "dialect-value-invalid"),
    "an empty batch": ("PUT", "sign/ec", {"batch_input": []}, 400, "invalid-request"),
    "a batch of 65": ("PUT", "sign/ec", {"batch_input": [{"input": INPUT}] * 65}, 400, "invalid-request"),
    "another key in the body": ("PUT", "sign/ec", {**SIGN, "name": "rsa"}, 400, "dialect-value-invalid"),
    "a key derivation": ("PUT", "sign/ec", {**SIGN, "context": "abcd"}, 400, "invalid-request"),
    "a member twice": ("PUT", "sign/ec", b'{"input":"a","input":"b"}', 400, "invalid-request"),
    "a number without end": ("PUT", "sign/ec", b'{"key_version":1' + b"0" * 9000 + b"}", 400, "invalid-request"),
    "no JSON": ("PUT", "sign/ec", b"{", 400, "invalid-request"),
    "levels without end": ("PUT", "sign/ec", b'{"input":' + b"[" * 20000, 400, "invalid-request"),
    "too much": ("PUT", "sign/ec", b" " * 70000, 400, "body-too-large"),
    "nowhere": ("GET", "nothing/ec", b"", 404, "route-not-found"),
    "another method": ("DELETE", "keys/ec", b"", 405, "method-not-allowed"),
    "a signature that is none": ("POST", "verify/ec", {**SIGN, "signature": "vault:1"}, 400, "dialect-value-invalid"),
}  # fmt: skip


@pytest.mark.parametrize("sentence", REFUSED)
def test_a_refusal_is_in_vaults_form_with_our_code_in_the_log(
    place: Place, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    method, path, body, status, code = REFUSED[sentence]
    with caplog.at_level(logging.WARNING, logger="artifact-signer.request"):
        reply = place.vault(method, f"/v1/transit/{path}", body)
    assert (reply.status_code, reply.content_type) == (status, "application/json"), reply.data
    (first, *_) = reply.json()["errors"]
    assert first.endswith(f"({code})")
    assert caplog.records[-1].__dict__["code"] == code


def test_a_version_that_does_not_sign_says_which_setting_to_change(place: Place) -> None:
    reply = place.vault("PUT", "/v1/transit/sign/ec/sha2-256", {**SIGN, "key_version": 2})
    assert reply.json()["errors"][1] == "set VAULT_KEY_VERSION=1 where clients ask for a version"


UNPROVED: dict[str, dict[str, str]] = {
    "no token": {},
    "a wrong token": {"X-Vault-Token": "wrong"},
    "an empty one": {"X-Vault-Token": ""},
}


class TestWhoAsks:
    @pytest.mark.parametrize("sentence", UNPROVED)
    def test_nobody_gets_in(self, place: Place, sentence: str) -> None:
        for method, path in (("GET", "keys/ec"), ("PUT", "sign/ec/sha2-256"), ("POST", "verify/ec")):
            reply = place.vault(method, f"/v1/transit/{path}", role=None, headers=UNPROVED[sentence])
            assert reply.status_code == 403
            assert "www-authenticate" not in reply.headers

    def test_a_bearer_token_is_one_too_and_two_are_refused(self, place: Place) -> None:
        bearer = {"Authorization": f"Bearer {place.tokens[Role.ADMINISTRATOR]}"}
        assert place.vault("GET", "/v1/transit/keys/ec", role=None, headers=bearer).status_code == 200
        both = place.vault("GET", "/v1/transit/keys/ec", headers=bearer)
        assert both.json()["errors"][0].endswith("(credentials-ambiguous)")

    def test_vaults_token_is_none_on_the_services_own_routes(self, place: Place) -> None:
        assert place.vault("GET", "/v1/keys/ec").status_code == 401

    @pytest.mark.parametrize("role", [Role.SIGNER, Role.OPERATOR, Role.AUDITOR, Role.READER])
    def test_who_may_not_sign_digests_does_not(self, place: Place, role: Role) -> None:
        assert place.vault("PUT", "/v1/transit/sign/ec/sha2-256", GOLDEN_EC, role=role).status_code == 403
        refused = place.process(SIGNSERVER % INPUT.encode(), role=role)
        assert refused.status_code == 400
        assert refused.json()["error"].endswith("(access-denied)")


def test_a_batch_is_answered_in_order_with_references(place: Place) -> None:
    items = [{"input": INPUT, "reference": "one"}, {"input": EMPTY}, {"input": INPUT}]
    reply = place.vault("PUT", "/v1/transit/sign/ec/sha2-256", {"batch_input": items, "prehashed": True})
    first, second, third = reply.json()["data"]["batch_results"]
    assert (first.pop("reference"), "reference" in second) == ("one", False)
    assert first == third
    assert first != second
    wrong = place.vault("PUT", "/v1/transit/sign/ec", {"batch_input": items, "prehashed": True, "key_version": 9})
    assert [each["error"].endswith("(version-not-active)") for each in wrong.json()["data"]["batch_results"]] == [
        True
    ] * 3


def test_a_head_that_was_registered_is_what_the_digest_stands_for(place: Place) -> None:
    artifact = ArtifactBuilder(name="release-7").build()
    bearer = {"Authorization": f"Bearer {place.tokens[Role.ADMINISTRATOR]}"}
    shown = ask(place.front, "POST", "/v1/keys/ec/heads", headers=bearer, body=artifact)
    assert shown.status_code == 201, shown.data
    assert shown.json()["artifact"] == "release-7"
    named = base64.b64encode(bytes.fromhex(shown.json()["manifest_sha256"])).decode()
    signed = place.vault("PUT", "/v1/transit/sign/ec/sha2-256", {**SIGN, "input": named})
    assert signed.status_code == 200
    newest = place.house.parts.log_reader.leaves(
        place.house.parts.log_reader.head().size - 1, place.house.parts.log_reader.head().size
    )
    assert json.loads(newest[0])["checked"] == "head"
    alone = ask(place.front, "POST", "/v1/keys/ec/heads", headers=bearer, body=MANIFEST.raw)
    assert (alone.status_code, alone.json()["code"]) == (422, "head-required")
    seeing = ask(place.front, "POST", "/v1/keys/seeing/heads", headers=bearer, body=artifact)
    assert (seeing.status_code, seeing.json()["code"]) == (403, "blind-sign-off")


WRONG_PROCESS = {
    "another encoding": SIGNSERVER.replace(b"BASE64", b"NONE") % INPUT.encode(),
    "data that is no digest": SIGNSERVER % b"AAAA",
    "no word of the hash": b'{"data":"%s","encoding":"BASE64"}' % INPUT.encode(),
    "another hash": SIGNSERVER.replace(b"SHA-256", b"SHA-512") % INPUT.encode(),
    "further metadata": SIGNSERVER.replace(b'"true"', b'"true","X":"1"') % INPUT.encode(),
    "no JSON": b"",
}


@pytest.mark.parametrize("sentence", WRONG_PROCESS)
def test_what_signservers_clients_do_not_send_is_refused_in_their_form(place: Place, sentence: str) -> None:
    reply = place.process(WRONG_PROCESS[sentence])
    assert (reply.status_code, list(reply.json())) == (400, ["error"])
    missing = place.process(SIGNSERVER % INPUT.encode(), path=PROCESS.replace("/ec/", "/nothing/"))
    assert missing.status_code == 404


def undescribed(front: Front) -> Any:
    """The same, whose answers are not held against the description, which knows one mount and one type of a member."""

    async def asked(scope: Any, receive: Any, send: Any) -> None:
        await front(scope, receive, send)

    return asked


def test_numbers_and_booleans_may_be_texts_as_vaults_command_line_sends_them(place: Place) -> None:
    body = {**SIGN, "prehashed": "true", "key_version": "1"}
    headers = {"X-Vault-Token": place.tokens[Role.ADMINISTRATOR]}
    reply = ask(undescribed(place.front), "PUT", "/v1/transit/sign/ec", headers=headers, body=json.dumps(body).encode())
    assert reply.json()["data"]["key_version"] == 1


class TestMounts:
    def _status(self, place: Place, path: str, **settings: Any) -> int:
        rooms = Rooms(threads=1, timeout=60.0)
        front = undescribed(front_of(place.house, rooms, **settings))
        status = ask(front, "GET", path, headers={"X-Vault-Token": place.tokens[Role.READER]}).status_code
        rooms.close()
        return status

    def test_it_is_found_where_it_is_mounted_and_nowhere_else(self, place: Place) -> None:
        mounts = {"mounts": ["team/transit", "sign"]}
        for path, status in (("team/transit", 200), ("sign", 200), ("transit", 404), ("team", 404)):
            assert self._status(place, f"/v1/{path}/keys/ec", **mounts) == status

    def test_without_a_mount_it_is_nowhere(self, place: Place) -> None:
        assert self._status(place, "/v1/transit/keys/ec", mounts=[]) == 404

    def test_workers_that_are_switched_off_are_nowhere(self, place: Place) -> None:
        assert self._status(place, PROCESS, signserver=False) == 404
