"""HashiCorp's Python client against a real service, with keys in SoftHSM: an independent reader of the same words."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hvac
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest

from tests.integration.running import Installation, initialise, running

pytestmark = pytest.mark.slow

ALGORITHMS = {"blind-ec": "ecdsa-p256", "blind-rsa": "rsa-2048"}
WORDS: dict[str, dict[str, Any]] = {
    "blind-ec": {"marshaling_algorithm": "jws"},
    "blind-rsa": {"signature_algorithm": "pkcs1v15"},
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    installation = initialise(tmp_path_factory.mktemp("vault") / "installation")
    with running(installation):
        for name, algorithm in ALGORITHMS.items():
            made = installation.run("keys", "create", name, "--algorithm", algorithm, "--blind-sign")
            assert made.returncode == 0, made.stderr
        assert installation.run("keys", "create", "seeing", "--algorithm", "ecdsa-p256").returncode == 0
        yield installation


def client(service: Installation, token: str | None = None) -> Any:
    certificate = str(Path(service.directory) / "cert.crt")
    return hvac.Client(url=service.url, token=token or service.api_token, verify=certificate).secrets.transit


def signed(transit: Any, name: str, digest: bytes, **words: Any) -> str:
    text = base64.b64encode(digest).decode()
    answer = transit.sign_data(name, hash_input=text, hash_algorithm="sha2-256", prehashed=True, **words)
    return str(answer["data"]["signature"])


@pytest.mark.parametrize("name", ALGORITHMS)
def test_it_reads_a_key_signs_a_digest_and_has_it_verified(service: Installation, name: str) -> None:
    transit, digest = client(service), hashlib.sha256(os.urandom(20)).digest()
    data = transit.read_key(name)["data"]
    assert data["type"] == ALGORITHMS[name]
    public = load_pem_public_key(data["keys"][str(data["latest_version"])]["public_key"].encode())
    first = signed(transit, name, digest, **WORDS[name])
    assert signed(transit, name, digest, **WORDS[name]) == first
    text = first.removeprefix("vault:v1:")
    match public:
        case ec.EllipticCurvePublicKey():
            raw = base64.urlsafe_b64decode(text + "==")
            der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
            public.verify(der, digest, ec.ECDSA(Prehashed(SHA256())))
        case rsa.RSAPublicKey():
            public.verify(base64.b64decode(text, validate=True), digest, padding.PKCS1v15(), Prehashed(SHA256()))
    asked = {"hash_input": base64.b64encode(digest).decode(), "hash_algorithm": "sha2-256", "prehashed": True}
    checked = transit.verify_signed_data(name, signature=first, **asked, **WORDS[name])
    assert checked["data"]["valid"] is True


def test_it_understands_what_it_is_refused(service: Installation) -> None:
    transit, digest = client(service), bytes(32)
    with pytest.raises(Forbidden, match="blind-sign-off"):
        signed(transit, "seeing", digest)
    with pytest.raises(InvalidPath, match="key-not-found"):
        signed(transit, "nothing", digest)
    with pytest.raises(InvalidRequest, match="pkcs1v15"):
        signed(transit, "blind-rsa", digest)
    with pytest.raises(Forbidden, match="credentials-rejected"):
        client(service, "wrong").read_key("blind-ec")


def test_after_a_rotation_it_is_told_which_version_signs(service: Installation) -> None:
    transit = client(service)
    for step in ("prepare", "rotate"):
        done = service.run("keys", step, "blind-ec")
        assert done.returncode == 0, done.stderr
    with pytest.raises(InvalidRequest, match="VAULT_KEY_VERSION=2"):
        signed(transit, "blind-ec", bytes(32), marshaling_algorithm="jws", key_version=1)
    assert signed(transit, "blind-ec", bytes(32), marshaling_algorithm="jws").startswith("vault:v2:")
    data = transit.read_key("blind-ec")["data"]
    assert (data["latest_version"], sorted(data["keys"])) == (2, ["1", "2"])
