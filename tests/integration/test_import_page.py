"""Runs docs/operations/import.md with a real device: it installs what the service signs, after each of the steps."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hsm import Algorithm
from tests.integration.circle import INVALID, KEY_FILE, Circle, Device, installs, refuses, whole_circle
from tests.support.key_files import key_file, pem, private_key, public_pem

PAGE = (Path(__file__).parents[2] / "docs/operations/import.md").read_text()
COMMAND_SECONDS = 120
FLEET = private_key(Algorithm.ECDSA_P256, 31)
# What the plan says comes next, at the end of each step.
NEXT = {"imported": "prepare", "prepared": "ship", "shipped": "rotate", "rotated": "retire", "retired": None}

pytestmark = [pytest.mark.slow, pytest.mark.judge, pytest.mark.timeout(900), pytest.mark.xdist_group("import-page")]


def blocks() -> dict[str, str]:
    """The page's commands by step."""
    return dict(re.findall(r"^### Step: ([^\n]+)\n\n```sh\n(.*?)```", PAGE, flags=re.MULTILINE | re.DOTALL))


@pytest.fixture
def circle(tmp_path: Path) -> Iterator[Circle]:
    with whole_circle(tmp_path) as made:
        yield made


def follow(circle: Circle, step: str) -> str:
    """Type the commands of a step; gives what the last one wrote."""
    environment = {
        **os.environ,
        **circle.site.installation.client_environment,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    for command in blocks()[step].strip().splitlines():
        done = subprocess.run(
            ["bash", "-ec", command], cwd=circle.shop, env=environment, capture_output=True, text=True,
            timeout=COMMAND_SECONDS, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def ships(circle: Circle, device: Device) -> None:
    """The device installs the artifact that the page made."""
    deployment = circle.deploy(circle.shop / "signed" / "new-key.mender", device)
    assert deployment.statuses[-1] == "success", deployment.log
    assert device.file(KEY_FILE) == circle.run("keys", "public-key", "firmware", "--version", "2")


def test_a_fleet_that_trusts_a_file_ends_with_a_key_that_was_never_outside(circle: Circle, tmp_path: Path) -> None:
    key_file(circle.shop / "fleet.pem", pem(FLEET))
    old = public_pem(FLEET).decode()
    assert list(blocks()) == list(NEXT)
    plans = {"imported": follow(circle, "imported")}
    with circle.device(tmp_path / "in-time", "in-time") as device, circle.device(tmp_path / "late", "late") as late:
        assert (device.file(KEY_FILE), late.file(KEY_FILE)) == (old, old)
        installs(circle, device, "signed from the token as before\n")
        plans["prepared"] = follow(circle, "prepared")
        plans["shipped"] = follow(circle, "shipped")
        ships(circle, device)
        plans["rotated"] = follow(circle, "rotated")
        installs(circle, device, "signed by the key from the token\n")
        plans["retired"] = follow(circle, "retired")
        installs(circle, device, "signed when the old key is gone\n")
        refuses(circle, late, circle.sign(circle.write("for who missed it\n")), INVALID)
    for step, expected in NEXT.items():
        found = re.findall(r"^next  ([a-z]+):", plans[step], flags=re.MULTILINE)
        assert found == ([] if expected is None else [expected]), (step, plans[step])
    assert "trust no key that was outside a token" in plans["retired"]
    assert [path.name for path in (circle.shop / "device-keys").iterdir()] == ["firmware-v2.pem"]
