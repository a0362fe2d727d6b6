"""The services as the composition root wires them, over SQLite and tokens in memory."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from signer.application import Application
from signer.bootstrap import Parts, build_application, sql_parts
from signer.config import Settings
from signer.domain.events import EventType, RecordedEvent
from signer.domain.identity import Identity, Role
from signer.domain.keys import Key, KeyVersion, Purpose, Validity, VersionState
from signer.domain.requests import ManifestSeen, Signature, SigningRequest
from signer.services.artifact_signing import ArtifactSigning
from signer.services.lifecycle import LifecycleService, NewKeyRequest
from signer.services.ports import Clock, TokenAccess
from signer.services.signing_calls import SigningCall
from signer.storage.database import Database
from signer.storage.key_store import SqlKeyStore
from tests.artifacts import ArtifactBuilder
from verifier import Limits, Manifest

from . import databases
from .in_process import LoopThread, in_process
from .memory_tokens import MemoryTokens

ADMIN = Identity(name="api-token:admin", role=Role.ADMINISTRATOR)
SIGNER = Identity(name="api-token:pipeline", role=Role.SIGNER)
READER = Identity(name="api-token:console", role=Role.READER)
AUDITOR = Identity(name="api-token:audit", role=Role.AUDITOR)
KEY = "firmware"
UNLIMITED = Validity()
MANIFEST = Manifest.parse(ArtifactBuilder().manifest(), limits=Limits())
REQUEST = ManifestSeen(manifest=MANIFEST)
_serial = itertools.count()


def new_request() -> ManifestSeen:
    """A manifest that nobody has had signed yet."""
    digest = hashlib.sha256(b"%d %d" % (os.getpid(), next(_serial))).hexdigest()
    raw = MANIFEST.raw.replace(MANIFEST.header_digest.encode(), digest.encode())
    return ManifestSeen(manifest=Manifest.parse(raw, limits=Limits()))


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Everything that one worker has, and short ways to what tests do most."""

    application: Application
    parts: Parts
    database: Database
    loop: LoopThread = field(default_factory=LoopThread)

    @classmethod
    def of(cls, chosen: Settings, parts: Parts, database: Database) -> House:
        """A worker of these parts, with its recorder in the same process. Close it."""
        parts = in_process(parts, database)
        return cls(application=build_application(chosen, parts), parts=parts, database=database)

    def close(self) -> None:
        """End its loop and let go what it holds of the database."""
        self.loop.close()
        self.parts.on_record.close()

    @property
    def store(self) -> SqlKeyStore:
        """The key records."""
        return cast("SqlKeyStore", self.parts.store)

    @property
    def tokens(self) -> TokenAccess:
        """The tokens."""
        return self.parts.tokens

    @property
    def lifecycle(self) -> LifecycleService:
        """The steps of a key's life."""
        return self.application.lifecycle

    @property
    def signing(self) -> ArtifactSigning:
        """Signatures."""
        return self.application.artifact_signing

    def authorise(self, who: Identity, name: str = KEY, *, emergency: bool = False) -> int:
        """What is asked before a body is read."""
        return self.loop.run(self.signing.authorise(who, name, emergency=emergency))

    def sign(self, who: Identity, name: str = KEY, request: SigningRequest = REQUEST, **options: Any) -> Signature:
        """One signature."""
        return self.loop.run(self.signing.sign(SigningCall(identity=who, key=name, request=request, **options)))

    def sign_many(self, calls: Sequence[SigningCall]) -> list[Signature | Exception]:
        """Many at once."""
        return self.loop.run(self.signing.sign_many(calls))

    def create(
        self,
        name: str = KEY,
        *,
        algorithm: str = "ecdsa-p256",
        purpose: Purpose = Purpose.ARTIFACT,
        validity: Validity = UNLIMITED,
    ) -> Key:
        """A new key, generated."""
        request = NewKeyRequest(
            unverified_name=name, unverified_algorithm=algorithm, purpose=purpose, validity=validity
        )
        return self.lifecycle.create(ADMIN, request).key

    def prepare(self, name: str = KEY, *, validity: Validity = UNLIMITED) -> Key:
        """A next version, generated."""
        return self.lifecycle.prepare(ADMIN, name, validity=validity).key

    def rotate(self, name: str = KEY) -> Key:
        """The next version becomes active."""
        return self.lifecycle.rotate(ADMIN, name).key

    def version(self, number: int = 1, name: str = KEY) -> KeyVersion:
        """A version as it is on record now."""
        return self.store.key(name).version(number)

    def states(self, name: str = KEY) -> list[VersionState]:
        """The states of all versions, oldest first."""
        return [version.state for version in self.store.key(name).versions]

    def events(self, *, after: int = 0) -> tuple[RecordedEvent, ...]:
        """All events since."""
        return self.store.events(after=after, limit=1000, key=None)

    def event_types(self, *, after: int = 0) -> list[EventType]:
        """The kinds of all events since."""
        return [item.event.type for item in self.events(after=after)]

    @property
    def last_event(self) -> int:
        """The id of the newest event."""
        return max((item.id for item in self.events()), default=0)


def settings(
    url: str, directory: Path, names: tuple[str, ...], *, strict: bool = False, vital_keys: tuple[str, ...] = ()
) -> Settings:
    """The least settings of a service with these tokens."""
    return Settings.model_validate(
        {
            "database": {"url": url, "timeout": databases.TIMEOUT},
            "spool": {"directory": directory},
            "server": {"workers": 1},
            "readiness": {"vital_keys": vital_keys},
            "signing": {"timeout": 15.0, "clock_tolerance": 5.0, "strict_adoption": strict},
            "tokens": [
                {"name": name, "uri": f"pkcs11:token={name}?module-path=/m.so", "pin": {"env": "PIN"}} for name in names
            ],
        }
    )


@contextmanager
def open_house(
    url: str,
    directory: Path,
    tokens: MemoryTokens,
    clock: Clock,
    *,
    strict: bool = False,
    vital_keys: tuple[str, ...] = (),
) -> Iterator[House]:
    """A worker on this database and these tokens."""
    chosen = settings(url, directory, tokens.names, strict=strict, vital_keys=vital_keys)
    database = Database(chosen.database)
    parts = sql_parts(chosen, database=database, tokens=tokens, clock=clock, monotonic=lambda: clock().timestamp())
    house = House.of(chosen, parts, database)
    try:
        yield house
    finally:
        house.close()
        database.close()
