"""The judges as fixtures; each skips with a reason where its program is missing."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.artifacts import KeyKind, private_key, public_pem

from . import judges
from .judges import Opinion

Judge = Callable[[bytes, KeyKind], Opinion]


@pytest.fixture(scope="session")
def public_key_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[KeyKind], Path]:
    """A file with the public half of a test key."""
    directory = tmp_path_factory.mktemp("public-keys")

    def written(kind: KeyKind) -> Path:
        path = directory / f"{kind.name}.pem"
        if not path.exists():
            path.write_bytes(public_pem(private_key(kind)))
        return path

    return written


@pytest.fixture(scope="session")
def mender_artifact(tmp_path_factory: pytest.TempPathFactory, public_key_file: Callable[[KeyKind], Path]) -> Judge:
    """Debian's `mender-artifact validate`."""
    if reason := judges.missing_tool():
        pytest.skip(reason)
    path = tmp_path_factory.mktemp("mender-artifact") / "judged.mender"

    def judge(artifact: bytes, trusted: KeyKind) -> Opinion:
        path.write_bytes(artifact)
        return judges.validate(path, public_key_file(trusted))

    return judge


@pytest.fixture(scope="session")
def mender_client(
    tmp_path_factory: pytest.TempPathFactory, public_key_file: Callable[[KeyKind], Path]
) -> Iterator[Judge]:
    """Debian's device client, each time on a new device."""
    if reason := judges.missing_client():
        pytest.skip(reason)
    directory = tmp_path_factory.mktemp("mender-client")
    devices = itertools.count()
    path = directory / "judged.mender"

    def judge(artifact: bytes, trusted: KeyKind) -> Opinion:
        path.write_bytes(artifact)
        return judges.install(path, public_key_file(trusted), directory / f"device-{next(devices)}")

    with judges.client_prepared():
        yield judge
