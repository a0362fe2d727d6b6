"""Names, algorithms by purpose, and what a key knows of its versions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from hsm.algorithms import Algorithm
from signer.domain.keys import (
    TRUSTED_STATES,
    UNBOUNDED,
    Key,
    KeyVersion,
    Origin,
    Purpose,
    VersionState,
    checked_algorithm,
    checked_name,
)
from signer.errors import AlgorithmNotAllowed, InvalidName, VersionNotFound

MOMENT = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)

GOOD_NAMES = {
    "one letter": "a",
    "one digit": "0",
    "all kinds of characters": "a.b-c_d.9",
    "as long as may be": "k" * 63,
    "ends in a dot": "firmware.",
}

BAD_NAMES = {
    "empty": "",
    "one too long": "k" * 64,
    "very long": "k" * 100_000,
    "upper case": "Firmware",
    "begins with a dot": ".firmware",
    "begins with a hyphen, as an option does": "-firmware",
    "begins with an underscore": "_firmware",
    "two dots": "a..b",
    "the parent directory": "..",
    "a path": "a/b",
    "a path out": "../../etc/passwd",
    "a path of Windows": "a\\b",
    "an absolute path": "/a",
    "a space": "fire ware",
    "a space at the end": "firmware ",
    "a newline at the end": "firmware\n",
    "a newline within": "firm\nware",
    "a carriage return": "firmware\r",
    "a NUL": "firmware\0",
    "an escape sequence": "\x1b[2Jfirmware",
    "a percent escape": "firm%2fware",
    "a quote": "firm'ware",
    "a semicolon": "firm;ware",
    "a colon": "firm:ware",
    "a wildcard": "firm*",
    "a letter with an accent": "firmwäre",
    "a letter and a combining accent": "firmwa\u0308re",
    "a Cyrillic letter that looks Latin": "firmw\u0430re",
    "a full-width digit": "firmware\uff11",
    "an Arabic digit": "firmware\u0661",
    "a zero-width space": "firm\u200bware",
    "a right-to-left override": "firm\u202eware",
    "a lone surrogate": "firm\ud800ware",
    "an emoji": "firmware\U0001f511",
}


@pytest.mark.parametrize("sentence", GOOD_NAMES)
def test_a_name_is_accepted(sentence: str) -> None:
    assert checked_name(GOOD_NAMES[sentence]) == GOOD_NAMES[sentence]


@pytest.mark.parametrize("sentence", BAD_NAMES)
def test_a_name_is_refused(sentence: str) -> None:
    with pytest.raises(InvalidName) as refusal:
        checked_name(BAD_NAMES[sentence])
    assert refusal.value.name == BAD_NAMES[sentence]


DEVICES_VERIFY = {"ecdsa-p256", "rsa-2048", "rsa-3072", "rsa-4096"}
BY_PURPOSE = {
    Purpose.ARTIFACT: DEVICES_VERIFY,
    Purpose.LOG: DEVICES_VERIFY | {"ed25519"},
    Purpose.USER_TOKEN: DEVICES_VERIFY | {"ed25519"},
    Purpose.DEVICE_TOKEN: DEVICES_VERIFY | {"ed25519"},
    Purpose.SERVER_CA: DEVICES_VERIFY | {"ed25519"},
    Purpose.DEVICE_CA: DEVICES_VERIFY | {"ed25519"},
    Purpose.TRUST_ROOT: DEVICES_VERIFY | {"ed25519"},
}
REFUSED_ALGORITHMS = ("", "RSA-2048", "rsa-1024", "rsa", "rsa-8192", "ecdsa-p384", "p256", "ed448", "hmac", "none", "*")


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_purpose_has_its_algorithms(purpose: Purpose, algorithm: Algorithm) -> None:
    if algorithm.value in BY_PURPOSE[purpose]:
        assert checked_algorithm(algorithm.value, purpose) is algorithm
        return
    with pytest.raises(AlgorithmNotAllowed) as refusal:
        checked_algorithm(algorithm.value, purpose)
    assert refusal.value.facts == {
        "algorithm": algorithm.value,
        "purpose": purpose.value,
        "allowed": tuple(sorted(BY_PURPOSE[purpose])),
    }


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize("algorithm", REFUSED_ALGORITHMS)
def test_anything_else_is_refused_by_name(purpose: Purpose, algorithm: str) -> None:
    with pytest.raises(AlgorithmNotAllowed) as refusal:
        checked_algorithm(algorithm, purpose)
    assert (refusal.value.algorithm, refusal.value.purpose) == (algorithm, purpose.value)
    assert set(refusal.value.allowed) == BY_PURPOSE[purpose]


def version(number: int, state: VersionState) -> KeyVersion:
    return KeyVersion(
        id=100 + number,
        number=number,
        state=state,
        origin=Origin.GENERATED,
        cka_id=bytes([number]),
        spki=b"spki",
        fingerprint="00",
        tokens=("one",),
        home=("one",),
        created_at=MOMENT,
        validity=UNBOUNDED,
        signature_count=0,
        last_signed_at=None,
        disabled_from=None,
    )


def key(*states: VersionState) -> Key:
    return Key(
        id=1,
        name="firmware",
        purpose=Purpose.ARTIFACT,
        algorithm=Algorithm.ECDSA_P256,
        tokens=("one",),
        created_at=MOMENT,
        created_by="tester",
        versions=tuple(version(number, state) for number, state in enumerate(states, 1)),
    )


@pytest.mark.parametrize("state", VersionState)
def test_devices_trust_what_signs_signed_or_will_sign(state: VersionState) -> None:
    trusted = {"next", "active", "previous", "quarantined"}
    assert (state in TRUSTED_STATES) is (state.value in trusted)
    assert [item.number for item in key(state).trusted] == ([1] if state.value in trusted else [])


def test_only_an_active_version_signs() -> None:
    without = [state for state in VersionState if state is not VersionState.ACTIVE]
    assert key(*without).active is None
    signing = key(*without, VersionState.ACTIVE).active
    assert signing is not None
    assert signing.number == len(without) + 1


def test_the_newest_version_in_a_state_is_found() -> None:
    found = key(VersionState.RETIRED, VersionState.RETIRED, VersionState.ACTIVE).in_state(VersionState.RETIRED)
    assert found is not None
    assert found.number == 2


@pytest.mark.parametrize("number", [0, -1, 2, 1 << 70])
def test_a_version_that_is_not_there_is_not_found(number: int) -> None:
    with pytest.raises(VersionNotFound) as refusal:
        key(VersionState.ACTIVE).version(number)
    assert refusal.value.facts == {"key": "firmware", "version": number}


def test_the_public_key_is_left_out_of_what_is_printed() -> None:
    assert "spki" not in repr(replace(version(1, VersionState.ACTIVE), spki=b"spki"))
