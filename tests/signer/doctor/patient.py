"""An installation to be broken: a copy of one that ``create_installation`` made, with one active key."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from hsm import TokenDescription, TokenPool, inspect
from signer.bootstrap import sql_parts, utc_now
from signer.config import Settings, load_settings
from signer.doctor import Finding, Report, Request, examine, real_surroundings
from signer.domain.access.presets import ROLES_TEXT
from signer.domain.identity import Identity, Role
from signer.domain.keys import UNBOUNDED, KeyVersion, Validity
from signer.domain.requests import ManifestSeen
from signer.installation import create_installation
from signer.services.lifecycle import NewKeyRequest
from signer.services.ports import TokenAccess
from signer.storage.database import Database
from signer.storage.key_store import SqlKeyStore
from signer.token import open_tokens, token_config
from tests.artifacts import ArtifactBuilder
from tests.integration.running import free_port
from tests.support.databases import certify
from tests.support.house import House
from tests.support.policies import apply_policy
from verifier import Limits, Manifest

MANIFEST = Manifest.parse(ArtifactBuilder().manifest(), limits=Limits())
SIGNING_REQUEST = ManifestSeen(manifest=MANIFEST)
# The one that ``init`` lets do everything.
ADMIN = Identity(name="api-token:admin", role=Role.ADMINISTRATOR)
KEY = "firmware"
TOKEN = "softhsm"
LABEL = "artifact-signer"
ROOT = Path(__file__).resolve().parents[3]
OPENING_SECONDS = 60.0
# Files of an installation that hold its own path.
WITH_PATHS = ("artifact-signer.toml", "softhsm2.conf", "client.env")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """An installation in ``directory``."""

    directory: Path

    @property
    def config(self) -> Path:
        return self.directory / "artifact-signer.toml"

    @property
    def database(self) -> Path:
        return self.directory / "artifact-signer.sqlite"

    @property
    def settings(self) -> Settings:
        return load_settings(self.config, {})

    def edit(self, old: str, new: str) -> None:
        """Change the configuration."""
        text = self.config.read_text()
        assert old in text
        self.config.write_text(text.replace(old, new))

    def sql(self, statement: str, *values: object) -> None:
        """Change the records behind the service's back, but not behind the log's."""
        with closing(sqlite3.connect(self.database)) as connection, connection:
            assert connection.execute(statement, values).rowcount > 0
            (unknown,) = connection.execute(
                "SELECT count(*) FROM alembic_version WHERE version_num = '0000'"
            ).fetchone()
        if not unknown:
            with closing(Database(self.settings.database)) as database:
                certify(database)

    def tamper(self, action: str, *arguments: str, pin: str | None = None) -> None:
        """Change the token behind the service's back: see ``tampering``."""
        secret = pin if pin is not None else (self.directory / "token.pin").read_text()
        subprocess.run(
            [sys.executable, "-m", "tests.signer.doctor.tampering", action, *arguments],
            env={**os.environ, "SOFTHSM2_CONF": str(self.directory / "softhsm2.conf")},
            input=secret,
            text=True,
            cwd=ROOT,
            check=True,
            timeout=OPENING_SECONDS,
        )

    def description(self) -> TokenDescription:
        """What the token says of itself, without login."""
        settings = self.settings
        (token,) = settings.tokens
        return inspect(token_config(token, sign_timeout=10.0, lock_directory=settings.spool.directory))

    def version(self, number: int = 1, key: str = KEY) -> KeyVersion:
        """The record of a version."""
        with closing(Database(self.settings.database)) as database:
            return SqlKeyStore(database=database, clock=utc_now).key(key).version(number)

    @contextmanager
    def service(self, wrap: Callable[[TokenPool], TokenAccess] = lambda pool: pool) -> Iterator[House]:
        """The services, with the token open; ``wrap`` puts something between them and the token."""
        settings = self.settings
        pool, database = open_tokens(settings), Database(settings.database)
        pool.start()
        try:
            assert pool.wait_ready(OPENING_SECONDS)
            parts = sql_parts(settings, database=database, tokens=wrap(pool), clock=utc_now)
            house = House.of(settings, parts, database)
            yield house
            house.close()
        finally:
            pool.close()
            database.close()

    def create(self, name: str, *, validity: Validity = UNBOUNDED) -> None:
        """A key as a person makes one."""
        with self.service() as service:
            request = NewKeyRequest(unverified_name=name, unverified_algorithm="ecdsa-p256", validity=validity)
            service.lifecycle.create(ADMIN, request)

    def examine(
        self,
        *,
        environment: Mapping[str, str] | None = None,
        repair: bool = False,
        clock_is_right: str | None = None,
        pending_age: timedelta = timedelta(0),
        **surroundings: Any,
    ) -> Report:
        """What doctor finds; ``surroundings`` replace those of this machine."""
        request = Request(
            config=self.config,
            environment=environment or {},
            repair=repair,
            clock_is_right=clock_is_right,
            pending_age=pending_age,
        )
        return examine(request, surroundings=replace(real_surroundings(), **surroundings))


def findings(report: Report, check: str) -> tuple[Finding, ...]:
    """What one check found."""
    return tuple(line.finding for line in report.lines if line.check == check)


def made(directory: Path) -> Patient:
    """A new installation with an active key."""
    create_installation(directory, bind=f"127.0.0.1:{free_port()}")
    patient = Patient(directory=directory)
    apply_policy(directory / "artifact-signer.toml", ROLES_TEXT)
    patient.create(KEY)
    return patient


def copied(original: Patient, directory: Path) -> Patient:
    """The same installation at another place."""
    shutil.copytree(original.directory, directory, symlinks=True)
    for name in WITH_PATHS:
        path = directory / name
        path.write_text(path.read_text().replace(str(original.directory), str(directory)))
    return Patient(directory=directory)
