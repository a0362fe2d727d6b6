"""Key sets: PyJWT reads them, and they hold what tokens verify with and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt import PyJWKSet

from hsm.algorithms import Algorithm
from signer.domain.jwks import key_set
from signer.domain.keys import Key, Purpose, VersionState
from tests.signer.auth.token_pairs import JWS, pair

LISTED = {VersionState.NEXT, VersionState.ACTIVE, VersionState.PREVIOUS}


@pytest.mark.parametrize("algorithm", [Algorithm.ECDSA_P256, Algorithm.RSA_2048, Algorithm.ED25519])
def test_a_reader_of_key_sets_gets_the_key(algorithm: Algorithm) -> None:
    made = pair("user-token", Purpose.USER_TOKEN, algorithm)
    (read,) = PyJWKSet.from_json(key_set([made.key]).decode()).keys
    version = made.key.versions[0]
    assert (read.key_id, read.algorithm_name, read.public_key_use) == (version.fingerprint[:16], JWS[algorithm], "sig")  # type: ignore[index]
    public: Any = read.key
    assert public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == version.spki


@pytest.mark.parametrize("state", VersionState)
def test_only_versions_that_verify_or_soon_will_are_listed(state: VersionState) -> None:
    key = pair("user-token", Purpose.USER_TOKEN).key
    moved: Key = replace(key, versions=(replace(key.versions[0], state=state),))
    assert bool(json.loads(key_set([moved]))["keys"]) is (state in LISTED)


def test_a_set_without_keys_is_one() -> None:
    assert key_set([]) == b'{"keys":[]}'


def test_no_private_member_is_in_it() -> None:
    members = json.loads(key_set([pair("user-token", Purpose.USER_TOKEN).key]))["keys"][0]
    assert set(members) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
