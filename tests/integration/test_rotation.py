"""Runs docs/operations/rotation.md: each command, in order, and after each step what its table says."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.artifacts import ArtifactBuilder
from tests.integration.running import Installation, initialise, running
from tests.verifier_judges import judges
from verifier import TrustStore, VerificationError, verify

PAGE = (Path(__file__).parents[2] / "docs/operations/rotation.md").read_text()
COMMAND_SECONDS = 60
ACCEPTS, REFUSES, ABSENT = "accepts", "refuses", "-"


def expectations() -> dict[str, list[str]]:
    """The page's table: step -> [signs, v1, v2, v3, exported]."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("|")]
    return {row[0]: row[1:] for row in rows[2:]}


def blocks() -> dict[str, str]:
    """The page's commands by step."""
    return dict(re.findall(r"^### Step: ([^\n]+)\n\n```sh\n(.*?)```", PAGE, flags=re.MULTILINE | re.DOTALL))


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Installation]:
    installation = initialise(tmp_path / "installation")
    with running(installation, SERVER_WORKERS="1"):
        yield installation


def test_every_step_of_the_table_has_commands() -> None:
    assert list(expectations()) == list(blocks())
    refusals = [cell for row in expectations().values() for cell in row if cell == REFUSES]
    assert len(refusals) > len(expectations())


@pytest.mark.slow
@pytest.mark.judge
def test_the_page_is_true(fresh: Installation, tmp_path: Path) -> None:
    if judges.missing_tool():
        pytest.skip(str(judges.missing_tool()))
    shop = tmp_path / "shop"
    shop.mkdir()
    for number, (step, expected) in enumerate(expectations().items()):
        _type(fresh, shop, blocks()[step])
        keys = _public_keys(fresh, shop)
        artifact = _signed(fresh)
        path = shop / f"{number}.mender"
        path.write_bytes(artifact)
        signs, *devices, exported = expected
        assert evidence_key(artifact, keys.values()) == keys[signs], step
        for version, verdict in zip(("v1", "v2", "v3"), devices, strict=True):
            if verdict == ABSENT:
                assert version not in keys, step
                continue
            for judge, accepted in _verdicts(path, keys[version], shop / f"device-{number}-{version}").items():
                assert accepted == (verdict == ACCEPTS), f"{step}: {judge} with {version}"
        assert exported == ACCEPTS
        assert verify(io.BytesIO(artifact), trust=TrustStore.load([shop / "device-keys"])), step


def _type(installation: Installation, shop: Path, block: str) -> None:
    environment = {
        **os.environ,
        **installation.client_environment,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    for command in block.strip().splitlines():
        done = subprocess.run(
            ["bash", "-ec", command], cwd=shop, env=environment, capture_output=True, text=True,
            timeout=COMMAND_SECONDS, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stderr}"


def _public_keys(installation: Installation, shop: Path) -> dict[str, Path]:
    """The public key of every version that still has one, as files that devices would hold."""
    with installation.http() as http:
        versions = http.get("/v1/keys/firmware").json()["versions"]
        for version in versions:
            number = version["version"]
            path = shop / f"v{number}.pem"
            if not path.exists():
                path.write_bytes(http.get(f"/v1/keys/firmware/versions/{number}/public-key").content)
    return {f"v{version['version']}": shop / f"v{version['version']}.pem" for version in versions}


def _signed(installation: Installation) -> bytes:
    with installation.http() as http:
        answer = http.post("/v1/keys/firmware/artifacts", content=ArtifactBuilder().build())
    assert answer.status_code == 200, answer.text
    return answer.content


def evidence_key(artifact: bytes, keys: Iterator[Path] | object) -> Path:
    """Which of the key files verifies the artifact."""
    trust = TrustStore.load(list(keys))  # type: ignore[call-overload]
    return Path(str(verify(io.BytesIO(artifact), trust=trust).key.source))


def _verdicts(path: Path, key: Path, device: Path) -> dict[str, bool]:
    """What each judge decides with one key."""
    verdicts = {"mender-artifact": judges.validate(path, key).accepts}
    try:
        verify(io.BytesIO(path.read_bytes()), trust=TrustStore.load([key]))
        verdicts["artifact-verify"] = True
    except VerificationError:
        verdicts["artifact-verify"] = False
    if judges.missing_client() is None:
        with judges.client_prepared():
            verdicts["mender client"] = judges.install(path, key, device).accepts
    return verdicts
