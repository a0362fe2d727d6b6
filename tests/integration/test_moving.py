"""All keys of a service go from one token to another while it signs: each command is the one that doctor tells."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hsm import TokenConfig
from signer.cli.main import run
from signer.doctor import Finding, Request, Severity, checks_of_move, examine
from tests.hsm import tpm
from tests.hsm.softhsm import make_softhsm
from tests.integration.running import Installation, initialise, running
from tests.integration.test_under_load import SIGNED, load
from tests.support.client_cas import new_ca

OLD = "softhsm"
# Made by ``init``, and those that are made here.
PURPOSES = {"p256": "artifact", "server-ca": "server-ca", "device-ca": "device-ca"}
KEYS = {"log", "user-token", "device-token", *PURPOSES}
MOST_STEPS = 4 * len(KEYS)
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


def told(installation: Installation, new: str) -> tuple[int, list[Finding]]:
    """Exit status and lines of ``doctor --moving``."""
    report = examine(Request(config=installation.config, environment={}), checks=checks_of_move(OLD, new))
    assert [line for line in report.lines if line.check != "moving" and line.finding.severity is Severity.FAILED] == []
    return report.exit_status, [line.finding for line in report.lines if line.check == "moving"]


def type_in(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The command, in this process; a shell would do the same with what it writes."""
    command_line, _, file = line.partition(" >> ")
    program, *arguments = shlex.split(command_line)
    assert program == "artifact-signer"
    capsys.readouterr()
    status, written = run(arguments), capsys.readouterr()
    assert status == 0, f"{line}: {written.err}"
    if file:
        with Path(file).open("a") as appended:
            appended.write(written.out)


def move(
    installation: Installation, new: str, process: subprocess.Popen[bytes], capsys: pytest.CaptureFixture[str]
) -> list[str]:
    """Type what is told until there is nothing left; all commands, in order."""
    typed: list[str] = []
    while len(typed) < MOST_STEPS:
        status, lines = told(installation, new)
        left = [str(line.hint).partition("; ")[0] for line in lines if line.severity is Severity.FAILED]
        assert status == (1 if left else 0)
        if not left:
            assert lines[-1].sentence.startswith(f"nothing needs token {OLD}: take it out of ")
            return typed
        # All keys one step on: no key waits for another one.
        for each in left:
            type_in(each, capsys)
        if any(">>" in each for each in left):
            process.send_signal(signal.SIGHUP)
        typed += left
    raise AssertionError(typed)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["softhsm", "tpm"])
def test_all_keys_go_to_another_token_under_load(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = initialise(tmp_path / "installation")
    for name, value in installation.client_environment.items():
        monkeypatch.setenv(name, value)
    with new_token(kind, tmp_path / "new") as token:
        (installation.directory / "fleet.pem").write_bytes(new_ca("nobody").pem)
        with installation.config.open("a") as config:
            config.write(table(token) + CLIENT_CA)
        with running(installation, SERVER_WORKERS="1") as process:
            for name, purpose in PURPOSES.items():
                algorithm = "--algorithm ecdsa-p256"
                type_in(f"artifact-signer keys create {name} {algorithm} --purpose {purpose} --token {OLD}", capsys)
            with load(installation, clients=4, pause=PAUSE) as loads:
                typed = move(installation, token.name, process, capsys)
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
            assert (status, {line.severity for line in lines}) == (0, {Severity.OK})
            assert lines[-1].sentence == f"nothing needs token {OLD}, which is not in the configuration"
            with installation.http() as http:
                shown = [key for key in http.get("/v1/keys").json()["keys"] if key["active_version"]]
            assert {key["name"] for key in shown} >= KEYS - {"log"}
            assert {tuple(key["tokens"]) for key in shown} == {(token.name,)}
        assert {outcome for each in loads for outcome in each.received} == {SIGNED}
        for last in ("log create", "log verify"):
            type_in(f"artifact-signer {last} --config {installation.config}", capsys)
