"""All keys of a service go from one token to another while it signs: each command is the one that doctor tells."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hsm import TokenConfig
from tests.hsm import tpm
from tests.hsm.softhsm import make_softhsm
from tests.integration.running import Installation, command, initialise, running
from tests.integration.test_under_load import SIGNED, load
from tests.support.client_cas import new_ca
from tests.support.rows import slow_but

OLD = "softhsm"
# Made by ``init``, and those that are made here.
PURPOSES = {"p256": "artifact", "server-ca": "server-ca", "device-ca": "device-ca"}
KEYS = {"log", "user-token", "device-token", *PURPOSES}
MOST_STEPS = 4 * len(KEYS)
COMMAND_SECONDS = 120
# Requests at every moment of the move, and time for its commands.
PAUSE = 0.05
CLIENT_CA = """
[[client_ca]]
name = "fleet"
file = "fleet.pem"
use = "device"
field = "cn"
attribute = "serial"
key = "device-ca"
"""


@contextmanager
def new_token(kind: str, directory: Path) -> Iterator[TokenConfig]:
    """Where the keys go."""
    directory.mkdir()
    if kind == "softhsm":
        yield make_softhsm(directory, label="hsm").config
        return
    if reason := tpm.missing():
        pytest.skip(reason)
    with tpm.running_tpm(directory) as running_tpm:
        yield running_tpm.config


def table(token: TokenConfig) -> str:
    """The token as the configuration names it."""
    environment = ", ".join(f"{name} = {json.dumps(value)}" for name, value in token.environment.items())
    uri = f"pkcs11:token={token.uri.token}?module-path={token.uri.module_path}"
    return (
        f'\n[[tokens]]\nname = "{token.name}"\nuri = "{uri}"\npin = {{ file = "{token.pin.file}" }}\n'
        f"environment = {{ {environment} }}\nsessions = {token.sessions}\n"
    )


def take_out(installation: Installation) -> None:
    """The old token out of the configuration, and its store away with all that it holds."""
    text = installation.config.read_text()
    _, begin, rest = text.partition("[[tokens]]")
    block, _, _ = rest.partition("\n[")
    assert f'name = "{OLD}"' in block
    installation.config.write_text(text.replace(begin + block, "", 1))
    shutil.rmtree(installation.directory / "tokens")


def told(installation: Installation, new: str) -> tuple[int, list[dict[str, Any]]]:
    """Exit status and lines of ``doctor --moving``."""
    done = command("doctor", "--moving", OLD, new, "--json", "--config", installation.config)
    assert done.stdout, done.stderr
    lines = json.loads(done.stdout)["findings"]
    assert [line for line in lines if line["check"] != "moving" and line["status"] == "failed"] == []
    return done.returncode, [line for line in lines if line["check"] == "moving"]


def type_in(installation: Installation, line: str) -> None:
    environment = {
        **os.environ,
        **installation.client_environment,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["bash", "-ec", line], env=environment, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
    )
    assert done.returncode == 0, f"{line}: {done.stderr}"


def move(installation: Installation, new: str, process: subprocess.Popen[bytes]) -> list[str]:
    """Type the first command that is told, until there is none; all of them, in order."""
    typed: list[str] = []
    while len(typed) < MOST_STEPS:
        status, lines = told(installation, new)
        left = [line["hint"].partition("; ")[0] for line in lines if line["status"] == "failed"]
        assert status == (1 if left else 0)
        if not left:
            assert lines[-1]["sentence"].startswith(f"nothing needs token {OLD}: take it out of ")
            return typed
        # All keys one step on: nobody waits for the other keys between two steps of one.
        for each in left:
            type_in(installation, each)
        if any(">>" in each for each in left):
            process.send_signal(signal.SIGHUP)
        typed += left
    raise AssertionError(typed)


@pytest.mark.parametrize("kind", slow_but({"softhsm"}, ("softhsm", "tpm")))
def test_all_keys_go_to_another_token_under_load(tmp_path: Path, kind: str) -> None:
    installation = initialise(tmp_path / "installation")
    with new_token(kind, tmp_path / "new") as token:
        (installation.directory / "fleet.pem").write_bytes(new_ca("nobody").pem)
        with installation.config.open("a") as config:
            config.write(table(token) + CLIENT_CA)
        with running(installation, SERVER_WORKERS="1") as process:
            for name, purpose in PURPOSES.items():
                new_key = ("keys", "create", name, "--algorithm", "ecdsa-p256", "--purpose", purpose, "--token", OLD)
                assert installation.run(*new_key).returncode == 0
            with load(installation, clients=4, pause=PAUSE) as loads:
                typed = move(installation, token.name, process)
                loads[0].more()
        assert [each.broken for each in loads] == [[], []]
        assert {outcome for each in loads for outcome in each.received} == {SIGNED}
        log = ["keys prepare log", "keys rotate log"] if kind == "softhsm" else ["log create", "keys disable log"]
        for step in (
            *log,
            "keys prepare p256",
            "keys rotate p256",
            "keys certificate device-ca",
            "keys retire device-ca",
        ):
            assert len([each for each in typed if step in each]) == 1, typed
        take_out(installation)
        with running(installation, SERVER_WORKERS="1") as process, load(installation, clients=4, pause=PAUSE) as loads:
            loads[0].more()
            status, lines = told(installation, token.name)
            assert (status, {line["status"] for line in lines}) == (0, {"ok"})
            assert lines[-1]["sentence"] == f"nothing needs token {OLD}, which is not in the configuration"
            shown = json.loads(installation.run("keys", "list", "--json").stdout)["keys"]
            assert {key["name"]: key["tokens"] for key in shown if key["active_version"]}.keys() >= KEYS - {"log"}
            assert {tuple(key["tokens"]) for key in shown if key["active_version"]} == {(token.name,)}
        assert {outcome for each in loads for outcome in each.received} == {SIGNED}
        assert command("log", "create", "--config", installation.config).returncode == 0
        verified = command("log", "verify", "--config", installation.config)
        assert verified.returncode == 0, verified.stderr
