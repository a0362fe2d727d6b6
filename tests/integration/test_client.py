"""The client at a real service: the library's example as its page shows it, and many artifacts in one call."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.artifacts import ArtifactBuilder
from tests.docs.pages import DOCS
from tests.integration.running import Installation, Pair

(EXAMPLE,) = re.findall(r"```python\n(.+?)```", (DOCS / "client.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def service(pair: Pair) -> Installation:
    return pair[0]


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


@pytest.mark.judge
@pytest.mark.skipif(shutil.which("mender-artifact") is None, reason="needs Debian's mender-artifact")
def test_many_artifacts_are_signed_as_devices_take_them(service: Installation, tmp_path: Path) -> None:
    """A batch of real artifacts, with proofs that the log's key certifies."""
    public, signed, proofs = tmp_path / "firmware.pem", tmp_path / "signed", tmp_path / "proofs"
    public.write_text(service.run("keys", "public-key", "firmware").stdout)
    signed.mkdir()
    proofs.mkdir()
    given = [tmp_path / f"release-{number}.mender" for number in range(3)]
    for number, path in enumerate(given):
        path.write_bytes(ArtifactBuilder(name=f"release-{number}").build())
    vkey = service.directory / "log.vkey"
    more = ("--output-dir", signed, "--proof-dir", proofs, "--log-key", vkey, "--json")
    done = service.run("sign", *given, "--key", "firmware", *more)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["results"]) == len(given)
    for path in given:
        words = ["mender-artifact", "validate", "-k", public, signed / path.name]
        said = subprocess.run(words, capture_output=True, text=True, check=False).stdout
        assert "validated successfully" in said
    again = service.run("sign", *given, "--key", "firmware", "--in-place")
    assert again.returncode == 0, again.stderr
    assert [path.read_bytes() for path in given] == [(signed / path.name).read_bytes() for path in given]
