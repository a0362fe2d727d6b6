"""The examples in docs/verifier.md are run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest

from tests.artifacts import Compression, PayloadFile, Stage, public_pem
from tests.artifacts.breaks import flip
from verifier import Evidence, Limits
from verifier.command.usage import parse

from .support import P256, SIGNED, UNSIGNED, pieces

PAGE = (Path(__file__).parents[2] / "docs" / "verifier.md").read_text(encoding="utf-8")
RECIPE = replace(SIGNED, files=(*SIGNED.files, PayloadFile(name="empty", content=b"")))


def example(name: str) -> str:
    found = re.findall(rf"<!-- example: {name} -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(found) == 1
    return str(found[0])


@pytest.fixture
def device(tmp_path: Path) -> Path:
    """A device's file system: the agent, and the key it trusts."""
    (tmp_path / "agent.py").write_text(example("device"), encoding="utf-8")
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "release.pem").write_bytes(public_pem(P256))
    return tmp_path


def run_agent(
    device: Path, artifact: bytes, device_type: str = SIGNED.device_types[0]
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "agent.py", "keys", "update"],
        cwd=device,
        input=artifact,
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, "DEVICE_TYPE": device_type},
    )


def test_the_agent_installs_a_valid_artifact(device: Path) -> None:
    done = run_agent(device, RECIPE.build())

    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().startswith(f"installed {RECIPE.name}, signed with key ")
    installed = {file.name: file.read_bytes() for file in (device / "update").iterdir()}
    assert installed == {file.name: file.content for file in RECIPE.files}


REFUSED = {
    "an unsigned artifact": (UNSIGNED.build(), "[unsigned]"),
    "a changed payload": (
        RECIPE.compressed(Compression.NONE).edited(Stage.PAYLOAD_STORED, flip(513)).build(),
        "[digest-mismatch]",
    ),
    "a truncated artifact": (RECIPE.build()[:-600], "[truncated]"),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_the_agent_leaves_nothing_behind_of(sentence: str, device: Path) -> None:
    artifact, code = REFUSED[sentence]
    before = sorted(device.iterdir())

    done = run_agent(device, artifact)

    assert done.returncode == 1
    assert code in done.stderr.decode()
    assert done.stderr.decode().startswith("refused: ")
    assert sorted(device.iterdir()) == before


def test_the_agent_refuses_what_is_for_other_devices(device: Path) -> None:
    done = run_agent(device, RECIPE.build(), device_type="toaster")
    assert done.returncode == 1
    assert not (device / "update").exists()


def test_the_push_example_returns_evidence_and_sizes() -> None:
    namespace: dict[str, object] = {}
    exec(compile(example("push"), "docs/verifier.md", "exec"), namespace)
    evidence, sizes = namespace["received"](pieces(RECIPE.build(), 1000), public_pem(P256))  # type: ignore[operator]
    assert isinstance(evidence, Evidence)
    assert sizes == {file.name: len(file.content) for file in SIGNED.files}


def test_every_option_is_documented(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert options <= set(re.findall(r"--[a-z-]+", PAGE))


def test_no_python_block_is_left_unrun() -> None:
    assert PAGE.count("```python") == PAGE.count("<!-- example:") == 2


def test_the_limits_that_the_page_names_exist() -> None:
    assert "artifact_bytes" in {field.name for field in fields(Limits)}
