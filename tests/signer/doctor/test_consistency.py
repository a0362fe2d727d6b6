"""Records and tokens compared, without either: every cell that a real token is hard to bring into."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from hsm import TokenKey
from hsm.algorithms import Algorithm
from signer.domain.consistency import DiscrepancyKind, HeldKeyPairs, compare
from signer.domain.keys import UNBOUNDED, Key, KeyVersion, Origin, Purpose, VersionState

NOW = datetime(2030, 1, 1, tzinfo=UTC)
PENDING_AGE = timedelta(minutes=5)
CKA_ID, SPKI = b"\x01", b"spki"
PAIR = TokenKey(
    key_id=CKA_ID,
    label="firmware-v1",
    algorithm=Algorithm.ECDSA_P256,
    spki=SPKI,
    extractable=False,
    sensitive=True,
    always_sensitive=True,
    local=True,
    sign=True,
    has_private=True,
    has_public=True,
)
VERSION = KeyVersion(
    id=1,
    number=1,
    state=VersionState.ACTIVE,
    origin=Origin.GENERATED,
    cka_id=CKA_ID,
    spki=SPKI,
    fingerprint="00",
    tokens=("one",),
    home=("one", "two"),
    created_at=NOW - timedelta(hours=1),
    validity=UNBOUNDED,
    signature_count=0,
    last_signed_at=None,
    disabled_from=None,
)
PENDING = replace(VERSION, state=VersionState.PENDING, spki=None, fingerprint=None)


def key(version: KeyVersion) -> Key:
    """A key that has to live in two tokens."""
    return Key(
        id=1,
        name="firmware",
        purpose=Purpose.ARTIFACT,
        algorithm=Algorithm.ECDSA_P256,
        tokens=("one", "two"),
        created_at=NOW,
        created_by="tester",
        versions=(version,),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A version and what the tokens hold; what they do not agree on, as kind and token."""

    version: KeyVersion
    key_pairs: HeldKeyPairs
    discrepancies: tuple[tuple[DiscrepancyKind, str | None], ...]


ROWS = {
    "a pending pair in the token that was to make it": Row(
        version=PENDING, key_pairs={"one": (PAIR,), "two": ()}, discrepancies=((DiscrepancyKind.PENDING_MADE, "one"),)
    ),
    "a pending pair in another token of the key": Row(
        version=PENDING, key_pairs={"one": (), "two": (PAIR,)}, discrepancies=((DiscrepancyKind.PENDING_MADE, "two"),)
    ),
    "a pending pair in no token": Row(
        version=PENDING, key_pairs={"one": (), "two": ()}, discrepancies=((DiscrepancyKind.PENDING_ABSENT, None),)
    ),
    "a pending pair that is not seen while a token is unreachable": Row(
        version=PENDING, key_pairs={"one": ()}, discrepancies=((DiscrepancyKind.PENDING_UNDECIDED, None),)
    ),
    "a pending pair that is seen while a token is unreachable": Row(
        version=PENDING, key_pairs={"one": (PAIR,)}, discrepancies=((DiscrepancyKind.PENDING_MADE, "one"),)
    ),
    "a pending pair of another algorithm": Row(
        version=PENDING,
        key_pairs={"one": (replace(PAIR, algorithm=Algorithm.RSA_2048),), "two": ()},
        discrepancies=((DiscrepancyKind.PENDING_UNFIT, "one"),),
    ),
    "a pending pair that can be taken out": Row(
        version=PENDING,
        key_pairs={"one": (replace(PAIR, extractable=True),), "two": ()},
        discrepancies=((DiscrepancyKind.PENDING_UNFIT, "one"),),
    ),
    "a pending pair that is shown in plain text": Row(
        version=PENDING,
        key_pairs={"one": (replace(PAIR, sensitive=False),), "two": ()},
        discrepancies=((DiscrepancyKind.PENDING_UNFIT, "one"),),
    ),
    "a pending adoption of a pair that can be taken out is for the adoption to judge": Row(
        version=replace(PENDING, origin=Origin.ADOPTED),
        key_pairs={"one": (replace(PAIR, extractable=True),), "two": ()},
        discrepancies=((DiscrepancyKind.PENDING_MADE, "one"),),
    ),
    "several pending pairs under one CKA_ID": Row(
        version=PENDING,
        key_pairs={"one": (PAIR, PAIR), "two": ()},
        discrepancies=((DiscrepancyKind.PENDING_UNFIT, "one"),),
    ),
    "a pending pair as old as the pending_age": Row(
        version=replace(PENDING, created_at=NOW - PENDING_AGE),
        key_pairs={"one": (), "two": ()},
        discrepancies=((DiscrepancyKind.PENDING_ABSENT, None),),
    ),
    "a pending pair a moment younger than the pending_age": Row(
        version=replace(PENDING, created_at=NOW - PENDING_AGE + timedelta(microseconds=1)),
        key_pairs={"one": (PAIR,), "two": ()},
        discrepancies=((DiscrepancyKind.PENDING_FRESH, "one"),),
    ),
    "a destruction that was begun": Row(
        version=replace(VERSION, state=VersionState.DESTROYING),
        key_pairs={"one": (PAIR,), "two": ()},
        discrepancies=((DiscrepancyKind.DESTROYING, None),),
    ),
    "an active pair in its token": Row(version=VERSION, key_pairs={"one": (PAIR,), "two": ()}, discrepancies=()),
    "an active pair with a copy in another token": Row(
        version=VERSION, key_pairs={"one": (PAIR,), "two": (PAIR,)}, discrepancies=()
    ),
    "an active pair that is gone": Row(
        version=VERSION, key_pairs={"one": (), "two": ()}, discrepancies=((DiscrepancyKind.MISSING, "one"),)
    ),
    "an active pair in a unreachable token": Row(version=VERSION, key_pairs={"two": ()}, discrepancies=()),
    "an active pair without its private half": Row(
        version=VERSION,
        key_pairs={"one": (replace(PAIR, has_private=False),)},
        discrepancies=((DiscrepancyKind.MISSING, "one"),),
    ),
    "an active pair whose public half is not shown": Row(
        version=VERSION, key_pairs={"one": (replace(PAIR, has_public=False, spki=None),)}, discrepancies=()
    ),
    "another pair in place of an active one": Row(
        version=VERSION,
        key_pairs={"one": (replace(PAIR, spki=b"other"),)},
        discrepancies=((DiscrepancyKind.DIFFERENT, "one"),),
    ),
    "several pairs in place of an active one": Row(
        version=VERSION, key_pairs={"one": (PAIR, PAIR)}, discrepancies=((DiscrepancyKind.DIFFERENT, "one"),)
    ),
    "a pair that no record names": Row(
        version=VERSION,
        key_pairs={"one": (PAIR, replace(PAIR, key_id=b"\x02"))},
        discrepancies=((DiscrepancyKind.UNRECORDED, "one"),),
    ),
    "a pair without a CKA_ID": Row(
        version=VERSION,
        key_pairs={"one": (PAIR, replace(PAIR, key_id=b""))},
        discrepancies=((DiscrepancyKind.UNRECORDED, "one"),),
    ),
    "a pair that is recorded as destroyed": Row(
        version=replace(VERSION, state=VersionState.DESTROYED),
        key_pairs={"one": (PAIR,)},
        discrepancies=((DiscrepancyKind.UNRECORDED, "one"),),
    ),
}


@pytest.mark.parametrize("sentence", ROWS)
def test_comparison(sentence: str) -> None:
    row = ROWS[sentence]
    found = compare([key(row.version)], row.key_pairs, now=NOW, pending_age=PENDING_AGE)
    assert tuple((discrepancy.kind, discrepancy.token) for discrepancy in found) == row.discrepancies


@pytest.mark.parametrize(
    "state",
    [
        state
        for state in VersionState
        if state not in (VersionState.PENDING, VersionState.DESTROYING, VersionState.DESTROYED)
    ],
)
def test_every_version_that_has_a_pair_is_compared_with_its_pin(state: VersionState) -> None:
    version = replace(VERSION, state=state)
    (discrepancy,) = compare([key(version)], {"one": ()}, now=NOW, pending_age=PENDING_AGE)
    assert (discrepancy.kind, discrepancy.state) == (DiscrepancyKind.MISSING, state)
