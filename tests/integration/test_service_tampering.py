"""The whole service, over TLS, on a database that somebody writes into while it runs."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Connection, create_engine, insert, text

from signer.auth.api_tokens import made_api_token
from signer.bootstrap import utc_now
from signer.storage.tables import api_tokens
from tests.support.recorders import until
from tests.support.tampering import TAMPERINGS, without_triggers

from .on_server import move_to_server
from .running import Installation, command, initialise, running

pytestmark = pytest.mark.slow

SETTINGS = {"SERVER_WORKERS": "2", "READINESS_INTERVAL": "1", "SIGNING_TIMEOUT": "10"}
KEY = "firmware"
_serial = itertools.count()


class Served:
    """A service that runs, and its database as another program opens it."""

    def __init__(self, installation: Installation, url: str) -> None:
        self.installation, self.url = installation, url

    def change(self, sentence: str) -> None:
        """What is said of it in ``TAMPERINGS``."""
        self.write(TAMPERINGS[sentence].change)

    def write(self, change: object) -> None:
        """Over a connection that no trigger stops."""
        stranger = create_engine(self.url)
        try:
            with stranger.begin() as connection:
                without_triggers(connection)
                if connection.dialect.name == "postgresql":
                    connection.execute(text("SET LOCAL TimeZone = 'UTC'"))
                assert callable(change)
                change(connection)
        finally:
            stranger.dispose()

    def sign(self, api_token: str | None = None) -> httpx.Response:
        """The signature of a manifest that nobody else has."""
        digest = hashlib.sha256(b"%d" % next(_serial)).hexdigest()
        manifest = f"{digest}  version\n{digest}  header.tar.gz\n".encode()
        token = api_token or self.installation.api_token
        with self.installation.http(headers={"Authorization": f"Bearer {token}"}) as http:
            return http.post(f"/v1/keys/{KEY}/signatures", content=manifest)

    def ready(self) -> int:
        """What ``/readyz`` answers."""
        with self.installation.http() as http:
            return http.get("/readyz").status_code

    def verify(self) -> tuple[int, str]:
        """What ``log verify`` makes of it."""
        done = command(
            "log",
            "verify",
            "--config",
            self.installation.config,
            environment={"ARTIFACT_SIGNER_DATABASE_URL": self.url},
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(params=("sqlite", "postgresql"))
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    installation = initialise(tmp_path / "installation")
    url = f"sqlite:///{installation.directory}/artifact-signer.sqlite"
    if request.param == "postgresql":
        url = request.getfixturevalue("empty_postgres_url")
        move_to_server(installation, url)
    with running(installation, DATABASE_URL=url, **SETTINGS):
        made = installation.run("keys", "create", KEY, "--algorithm", "ecdsa-p256")
        assert made.returncode == 0, made.stderr
        yield Served(installation, url)


FOUND = {
    "the last leaf is rewritten, consistently": "log-forked",
    "a leaf is rewritten and the log goes on": "log-forked",
    "the last leaf is taken away, consistently": "log-rolled-back",
}


@pytest.mark.parametrize("sentence", FOUND)
def test_one_signature_after_leaves_were_rewritten(served: Served, sentence: str) -> None:
    assert served.sign().status_code == 200
    assert served.verify()[0] == 0
    served.change(sentence)
    refused = served.sign()
    assert (refused.status_code, refused.json()["code"]) == (503, "log-stopped")
    assert refused.json()["facts"] == {"reason": FOUND[sentence]}
    assert "signature" not in refused.json()
    until(lambda: served.ready() == 503)
    assert served.sign().json()["code"] == "log-stopped"
    assert served.verify()[0] != 0


def test_an_api_token_that_was_inserted_by_hand_signs_nothing(served: Served) -> None:
    assert served.sign().status_code == 200
    planted = made_api_token()

    def plant(connection: Connection) -> None:
        row = {"id": planted.id, "name": "planted", "role": "administrator", "created_at": utc_now()}
        connection.execute(insert(api_tokens).values(secret_sha256=planted.secret_sha256, **row))

    served.write(plant)
    answers = [served.sign(planted.text) for _ in range(3)]
    assert {answer.status_code for answer in answers} <= {401, 403, 503}
    until(lambda: served.sign().json().get("facts") == {"reason": "access-tampered"})
    until(lambda: served.ready() == 503)
    code, said = served.verify()
    assert code != 0, said
