"""Keys with one version each, and tokens by them over whatever a test likes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hsm.algorithms import Algorithm
from signer.auth.issued_tokens import IssuedTokenVerifier
from signer.domain.keys import UNBOUNDED, Key, KeyVersion, Origin, Purpose, VersionState
from signer.domain.token_claims import TokenKind, kid_of, token_text
from tests.support.issued_tokens import DEVICE_CLAIMS, NOW, USER_CLAIMS
from tests.support.memory_tokens import PrivateKey, make_key, raw_signature, spki_of

LEEWAY = timedelta(seconds=5)
ISSUERS = {TokenKind.USER: "mender.useradm", TokenKind.DEVICE: "Mender"}
JWS = {Algorithm.ECDSA_P256: "ES256", Algorithm.RSA_2048: "RS256", Algorithm.ED25519: "EdDSA"}
Claims = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A key with one version, and its private half."""

    key: Key
    private: PrivateKey

    @property
    def kid(self) -> str:
        return kid_of(self.key.versions[0].fingerprint or "")


def pair(name: str, purpose: Purpose, algorithm: Algorithm = Algorithm.ECDSA_P256, **changes: Any) -> Pair:
    private = make_key(algorithm)
    spki = spki_of(private)
    version: dict[str, Any] = {
        "id": 1,
        "number": 1,
        "state": VersionState.ACTIVE,
        "origin": Origin.GENERATED,
        "cka_id": b"1",
        "spki": spki,
        "fingerprint": hashlib.sha256(spki).hexdigest(),
        "tokens": ("one",),
        "home": ("one",),
        "created_at": NOW,
        "validity": UNBOUNDED,
        "signature_count": 0,
        "last_signed_at": None,
        "disabled_from": None,
    }
    versions = (KeyVersion(**{**version, **changes}),)
    key = Key(
        id=1, name=name, purpose=purpose, algorithm=algorithm, tokens=("one",), created_at=NOW, created_by="x",
        versions=versions,
    )  # fmt: skip
    return Pair(key=key, private=private)


USERS = pair("user-token", Purpose.USER_TOKEN)
DEVICES = pair("device-token", Purpose.DEVICE_TOKEN)
PREVIOUS = pair("device-token", Purpose.DEVICE_TOKEN, state=VersionState.PREVIOUS)
RSA = pair("device-rsa", Purpose.DEVICE_TOKEN, Algorithm.RSA_2048)
ED = pair("device-ed", Purpose.DEVICE_TOKEN, Algorithm.ED25519)
OTHERS = {
    state: pair("device-token", Purpose.DEVICE_TOKEN, state=state)
    for state in (
        VersionState.NEXT,
        VersionState.RETIRED,
        VersionState.DISABLED,
        VersionState.QUARANTINED,
        VersionState.DESTROYING,
    )
}
ARTIFACTS = pair("firmware", Purpose.ARTIFACT)
STRANGER = pair("stranger", Purpose.DEVICE_TOKEN)
KEYS = tuple(each.key for each in (USERS, DEVICES, PREVIOUS, RSA, ED, ARTIFACTS, *OTHERS.values()))


def verifier(clock: Callable[[], datetime] = lambda: NOW, keys: tuple[Key, ...] = KEYS) -> IssuedTokenVerifier:
    made = IssuedTokenVerifier(
        read=lambda: (keys, 1),
        revision=lambda: 1,
        revision_on_loop=lambda: asyncio.sleep(0, 1),
        issuers=ISSUERS,
        clock=clock,
        leeway=LEEWAY,
        monotonic=lambda: 0.0,
        max_age=0.0,
    )
    made.take_over()
    return made


VERIFIER = verifier()


def segment(value: object) -> bytes:
    raw = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def header(signer: Pair, **changes: Any) -> dict[str, Any]:
    members = {"alg": JWS[signer.key.algorithm], "kid": signer.kid, "typ": "JWT", **changes}
    return {name: value for name, value in members.items() if value is not ...}


def made(claims: object, signer: Pair = DEVICES, *, head: object = None) -> str:
    """A token by this key over these claims, whatever they are, under this header."""
    signed = segment(header(signer) if head is None else head) + b"." + segment(claims)
    return token_text(signed, raw_signature(signer.private, signed))


def device(**changes: Any) -> Claims:
    """A device's claims with changes; ``...`` leaves a member out."""
    return {name: value for name, value in {**DEVICE_CLAIMS.members, **changes}.items() if value is not ...}


def user(**changes: Any) -> Claims:
    return {name: value for name, value in {**USER_CLAIMS.members, **changes}.items() if value is not ...}


def seconds(**after: float) -> int:
    return int((NOW + timedelta(**after)).timestamp())
