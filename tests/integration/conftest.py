"""Services that run as long as the tests do, shared by those that do not break them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.running import Installation, Pair, initialise, running
from tests.support.rows import slow_but

SERVICE_SETTINGS = {
    "SERVER_WORKERS": "1",
    "SERVER_READ_TIMEOUT": "2",
    "LIMITS_ARTIFACT_BYTES": str(8 << 20),
    "LIMITS_HEAD_BYTES": str(1 << 20),
}


@pytest.fixture(params=slow_but({"sqlite"}, ("sqlite", "postgresql")))
def database_url(request: pytest.FixtureRequest) -> str:
    """Each kind of database. What is between processes is the same over both; tests/contract has the databases."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A service with the keys ``p256`` and ``rsa``."""
    installation = initialise(tmp_path_factory.mktemp("installation"))
    with running(installation, **SERVICE_SETTINGS):
        for name, algorithm in (("p256", "ecdsa-p256"), ("rsa", "rsa-3072")):
            made = installation.run("keys", "create", name, "--algorithm", algorithm)
            assert made.returncode == 0, made.stderr
        yield installation


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A service of two workers as ``init`` sets it up, with the keys ``p256`` and ``firmware``, and its arbiter."""
    installation = initialise(tmp_path_factory.mktemp("pair"))
    with running(installation, SERVER_WORKERS="2") as process:
        for name in ("p256", "firmware"):
            made = installation.run("keys", "create", name, "--algorithm", "ecdsa-p256")
            assert made.returncode == 0, made.stderr
        yield installation, process
