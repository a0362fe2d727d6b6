"""The client at a real service: the library's example as its page shows it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.artifacts import ArtifactBuilder
from tests.docs.pages import DOCS
from tests.integration.running import Installation, initialise, running

(EXAMPLE,) = re.findall(r"```python\n(.+?)```", (DOCS / "client.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    installation = initialise(tmp_path_factory.mktemp("client") / "installation")
    with running(installation, SERVER_WORKERS="1"):
        with installation.http() as http:
            made = http.post("/v1/keys", json={"name": "firmware", "algorithm": "ecdsa-p256"})
            assert made.status_code == 201, made.text
        yield installation


def test_the_librarys_example_does_what_it_says(service: Installation, tmp_path: Path) -> None:
    (tmp_path / "release.mender").write_bytes(ArtifactBuilder().build())
    done = subprocess.run(
        [sys.executable, "-c", EXAMPLE],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], **service.client_environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    signed, batched = done.stdout.splitlines()
    assert re.fullmatch(r"1 [0-9a-f]{64} \d+", signed)
    assert re.fullmatch(r"[0-9a-f]{64}", batched)
    assert len((tmp_path / "manifest.sig").read_bytes()) == 88
