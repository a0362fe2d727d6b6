"""The routes for gateways in this process, over an SQLite file with one device whose token was signed by a key here."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from jwt import PyJWS

from hsm.algorithms import Algorithm
from signer.auth.issued_tokens import IssuedTokenVerifier
from signer.bootstrap import Parts
from signer.domain.credentials import PeerKind
from signer.domain.forwarded import ForwardedRequest
from signer.domain.keys import UNBOUNDED, Key, KeyVersion, Origin, Purpose, VersionState
from signer.domain.token_claims import (
    JWS_ALGORITHMS,
    DeviceClaims,
    DeviceSubject,
    TokenHeader,
    TokenKind,
    TokenTerms,
    TokenTimes,
    kid_of,
    signing_input,
    token_text,
)
from signer.services.gateway_door import GatewayDoor
from signer.storage.database import Database
from signer.web.environ import LISTENER
from tests.docs.application import application
from tests.support.gateway_rows import OF_DEVICE, SET, write_holders
from tests.support.memory_tokens import PrivateKey, make_key, raw_signature, spki_of

DEVICE_DOOR = "/api/internal/v1/devauth/tokens/verify"
ASKED = ForwardedRequest(method="PUT", uri="/api/devices/v1/inventory/device/attributes")
ALGORITHMS = {name: algorithm for algorithm, name in reversed(JWS_ALGORITHMS.items())}
CALLS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenScene:
    """Each part of a verification as a call that makes ``CALLS`` of it."""

    loop: asyncio.AbstractEventLoop
    front: Any
    door: GatewayDoor
    parts: Parts
    token: str
    algorithm: str
    private: PrivateKey

    def alone(self) -> None:
        """PyJWT's part: the signature, and the segments."""
        reader, public = PyJWS(algorithms=[self.algorithm]), self.private.public_key()
        for _ in range(CALLS):
            reader.decode_complete(self.token, public, algorithms=[self.algorithm])

    def verified(self) -> None:
        """With everything that its claims have to say."""
        self.loop.run_until_complete(self._verified())

    def held(self) -> None:
        """Whether it holds."""
        self.loop.run_until_complete(self._held())

    def admitted(self) -> None:
        """All that is decided."""
        self.loop.run_until_complete(self._admitted())

    def answered(self) -> None:
        """The whole request, but for the connection it comes over."""
        self.loop.run_until_complete(self._answered())

    async def _verified(self) -> None:
        for _ in range(CALLS):
            await self.parts.token_verifier.keep_current()
            self.parts.token_verifier.verify(self.token, TokenKind.DEVICE)

    async def _held(self) -> None:
        verified = self.parts.token_verifier.verify(self.token, TokenKind.DEVICE)
        for _ in range(CALLS):
            await self.parts.gateway.states.check(verified)

    async def _admitted(self) -> None:
        for _ in range(CALLS):
            await self.door.admit(TokenKind.DEVICE, (f"Bearer {self.token}",), ASKED)

    async def _answered(self) -> None:
        fields = {
            "host": "artifact_signer_service",
            "authorization": f"Bearer {self.token}",
            "x-forwarded-method": ASKED.method,
            "x-forwarded-uri": ASKED.uri,
            "x-forwarded-for": "192.0.2.7",
            "x-men-requestid": "0123456789abcdef0123456789abcdef",
        }
        scope = {
            "type": "http",
            "method": "GET",
            "scheme": "http",
            "path": DEVICE_DOOR,
            "raw_path": DEVICE_DOOR.encode(),
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in fields.items()],
            "client": None,
            LISTENER: PeerKind.GATEWAY,
        }
        statuses = set()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            statuses.add(message.get("status", 200))

        for _ in range(CALLS):
            await self.front(scope, receive, send)
        assert statuses == {200}, statuses


@contextmanager
def token_scene(folder: Path, algorithm: str) -> Iterator[TokenScene]:
    """With a key of an algorithm. Log lines are written as text, to nowhere."""
    private = make_key(ALGORITHMS[algorithm])
    key = _key(ALGORITHMS[algorithm], spki_of(private))
    changed_parts: list[Parts] = []

    def changed(parts: Parts, database: Database) -> Parts:
        write_holders(database)
        verifier = IssuedTokenVerifier(
            read=lambda: ((key,), parts.store.access_revision()),
            revision=parts.store.access_revision,
            revision_on_loop=parts.on_record.access_revision,
            issuers={TokenKind.DEVICE: "Mender", TokenKind.USER: "mender.useradm"},
            clock=parts.clock,
            leeway=timedelta(seconds=5),
            monotonic=parts.gateway.monotonic,
            max_age=0.0,
        )
        changed_parts.append(replace(parts, token_verifier=verifier))
        return changed_parts[0]

    made = application(folder, changed=changed)
    (parts,) = changed_parts
    logging.getLogger().addHandler(logging.StreamHandler(open("/dev/null", "w")))  # noqa: PTH123, SIM115
    logging.getLogger().setLevel(logging.INFO)
    loop = asyncio.new_event_loop()
    try:
        yield TokenScene(
            loop=loop,
            front=made.front,
            door=made.front._application.gateway_door,
            parts=parts,
            token=_token(private, key),
            algorithm=algorithm,
            private=private,
        )
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        parts.gateway.watch.close()
        made.close()


def _key(algorithm: Algorithm, spki: bytes) -> Key:
    now = datetime.now(UTC)
    version = KeyVersion(
        id=1,
        number=1,
        state=VersionState.ACTIVE,
        origin=Origin.GENERATED,
        cka_id=b"1",
        spki=spki,
        fingerprint=hashlib.sha256(spki).hexdigest(),
        tokens=("one",),
        home=("one",),
        created_at=now,
        validity=UNBOUNDED,
        signature_count=0,
        last_signed_at=None,
        disabled_from=None,
    )
    return Key(
        id=1,
        name="device-token",
        purpose=Purpose.DEVICE_TOKEN,
        algorithm=algorithm,
        tokens=("one",),
        created_at=now,
        created_by="bench",
        versions=(version,),
    )


def _token(private: PrivateKey, key: Key) -> str:
    week = timedelta(days=7)
    terms = TokenTerms(
        key=key.name, issuer="Mender", lifetime=week, plan="enterprise", addons=("configure", "troubleshoot", "monitor")
    )
    claims = DeviceClaims(
        jti=OF_DEVICE.jti,
        subject=DeviceSubject(device_id=OF_DEVICE.subject, auth_set_id=SET),
        terms=terms,
        times=TokenTimes.beginning(datetime.now(UTC), week),
    )
    header = TokenHeader(algorithm=JWS_ALGORITHMS[key.algorithm], kid=kid_of(key.versions[0].fingerprint or ""))
    signed = signing_input(header, claims)
    return token_text(signed, raw_signature(private, signed))
