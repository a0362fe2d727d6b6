"""The services on a database of their own, over a token that all tests of the run share."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from hsm import PinnedKey, TokenPool
from hsm.algorithms import Algorithm
from signer.application import Application
from signer.bootstrap import build_application, sql_parts
from signer.domain.identity import Identity, Role
from signer.domain.keys import UNBOUNDED, Key, Purpose, Validity, VersionState
from signer.services.certificates import CertificateService
from signer.services.lifecycle import LifecycleService, NewKeyRequest, StepResult
from signer.services.ports import TokenAccess
from signer.services.publication import PublicationService
from signer.storage.database import Database
from signer.storage.key_store import SqlKeyStore
from tests.support import house
from tests.support.clock import ManualClock
from tests.support.records import swap

ADMINISTRATOR = Identity(name="api-token:admin", role=Role.ADMINISTRATOR)
TOKEN = "demo"
TIMEOUT = 20.0
TOLERANCE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """Everything that a test of certificates touches."""

    application: Application
    database: Database
    store: SqlKeyStore
    tokens: TokenAccess
    clock: ManualClock
    certificates: CertificateService
    lifecycle: LifecycleService
    publication: PublicationService
    asked: list[bytes] = field(default_factory=list)

    def create(
        self,
        name: str = "firmware",
        *,
        algorithm: Algorithm = Algorithm.ECDSA_P256,
        validity: Validity = UNBOUNDED,
        purpose: Purpose = Purpose.ARTIFACT,
    ) -> StepResult:
        """A key through the lifecycle, as a person makes it."""
        request = NewKeyRequest(
            unverified_name=name, unverified_algorithm=algorithm.value, purpose=purpose, validity=validity
        )
        return self.lifecycle.create(ADMINISTRATOR, request)

    def put(self, key: Key, state: VersionState, number: int = 1) -> Key:
        """Move a version to a state without going through the steps."""
        version = key.version(number)
        if version.state is state:
            return key
        return self.store.change(key, [swap(version, state)], [])


class Watched:
    """A token pool that counts what is signed, and can be told to lie or to fail."""

    def __init__(self, pool: TokenPool, asked: list[bytes]) -> None:
        self._pool = pool
        self._asked = asked
        self.failure: Exception | None = None
        self.lie = False

    def __getattr__(self, name: str) -> object:
        return getattr(self._pool, name)

    def generate(
        self, algorithm: Algorithm, *, key_id: bytes, label: str, token: str, timeout: float | None = None
    ) -> bytes:
        """The token is shared, so each label is used once."""
        unique = f"{label}-{secrets.token_hex(8)}"
        return self._pool.generate(algorithm, key_id=key_id, label=unique, token=token, timeout=timeout)

    def sign(
        self, key: PinnedKey, message: bytes, *, tokens: Sequence[str] | None = None, timeout: float | None = None
    ) -> bytes:
        self._asked.append(message)
        if self.failure is not None:
            raise self.failure
        signature = self._pool.sign(key, message, tokens=tokens, timeout=timeout)
        return signature[:-1] + bytes([signature[-1] ^ 1]) if self.lie else signature


def workshop(database: Database, pool: TokenPool, clock: ManualClock) -> Workshop:
    """The services wired as ``bootstrap`` wires them."""
    asked: list[bytes] = []
    tokens: TokenAccess = Watched(pool, asked)  # type: ignore[assignment]  # the rest is the pool's
    store = SqlKeyStore(database=database, clock=clock)
    settings = house.settings("sqlite:///unused", Path(), (TOKEN,))
    parts = sql_parts(settings, database=database, tokens=tokens, clock=clock, monotonic=lambda: clock().timestamp())
    application = build_application(settings, parts)
    return Workshop(
        application=application,
        database=database,
        store=store,
        tokens=tokens,
        clock=clock,
        certificates=application.certificates,
        lifecycle=application.lifecycle,
        publication=application.publication,
        asked=asked,
    )
