"""``artifact-device`` as scripts and people meet it: standard output, standard error, exit code, files left behind."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from device import errors
from device.command.arguments import COMMANDS
from device.command.main import main
from device.command.wording import HINTS, SENTENCES, sentence
from device.errors import DeviceError
from device.key_ring import KEY
from tests.device.certificates import self_signed

SERVER = self_signed()


def write_config(place: Path, **more: str) -> Path:
    (place / "server.crt").write_bytes(SERVER.pem)
    members = {
        "server": '"https://127.0.0.1:9"',
        "server_certificates": f'"{place}/server.crt"',
        "state_directory": f'"{place}/state"',
        "deadline": "4",
        **more,
    }
    text = "".join(f"{name} = {value}\n" for name, value in members.items() if value)
    path = place / "device.toml"
    path.write_text(text + '[identity]\nserial = "SN-0042"\n')
    return path


def run(config: Path, *words: str) -> int:
    return int(main(["--config", str(config), *words]))


def test_the_first_start_prints_the_public_key_and_leaves_one_private_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path)
    assert (run(config, "bootstrap"), run(config, "bootstrap", "--json")) == (0, 0)
    out = capsys.readouterr().out
    text, _, document = out.partition("{")
    assert text.startswith("-----BEGIN PUBLIC KEY-----\n")
    assert json.loads("{" + document)["made"] is False
    assert {path.name for path in (tmp_path / "state").iterdir()} == {KEY, "lock"}


def test_the_status_says_what_there_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_config(tmp_path, client_certificate=f'"{tmp_path}/none.crt"')
    assert run(config, "status", "--json") == 0
    empty = json.loads(capsys.readouterr().out)
    assert (empty["key"]["state"], empty["token"]["present"], empty["client_certificate"]) == ("empty", False, None)
    run(config, "bootstrap")
    (tmp_path / "server.crt").write_bytes(SERVER.pem[:200])
    capsys.readouterr()
    assert run(config, "status") == 0
    said = capsys.readouterr().out.splitlines()
    assert "key.state: steady" in said
    assert "server_certificates.refused: it ends inside of a certificate" in said
    assert any(line.startswith("server_certificates.in_force.0.fingerprint: ") for line in said)
    assert "client_certificate.refused: no certificate of this key" in said


@pytest.mark.parametrize("command", ["token", "authenticate", "rotate-key"])
def test_a_service_that_is_not_there_is_something_for_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    config = write_config(tmp_path)
    run(config, "bootstrap")
    capsys.readouterr()
    assert run(config, command, "--json") == 3
    said = capsys.readouterr()
    assert json.loads(said.out)["code"] == "service-unreachable"
    assert said.err.startswith("artifact-device: 127.0.0.1 cannot be reached: ")


def test_a_change_before_there_is_a_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(write_config(tmp_path), "rotate-key") == 1
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "artifact-device: key.pem is missing in the state directory [key-missing]\n")


REFUSED = {
    "a setting that is none": {"sever": '"x"'},
    "no server": {"server": ""},
    "a server without TLS": {"server": '"http://host"'},
    "a kind of key that is none": {"key_type": '"dsa"'},
    "a trust that is none": {"server_trust": '"any"'},
    "a path that depends on where it is run": {"state_directory": '"state"'},
    "no time at all": {"deadline": "0"},
    "a time that is none": {"deadline": "true"},
    "no number": {"deadline": "nan"},
    "no TOML": {"server": "x y"},
}


@pytest.mark.parametrize("reason", REFUSED)
def test_settings_that_are_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str], reason: str) -> None:
    assert run(write_config(tmp_path, **REFUSED[reason]), "bootstrap") == 2
    assert capsys.readouterr().err.endswith("[settings-invalid]\n")
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    "identity", ["", "[identity]\n", "[identity]\na = 1\n", "[identity]\na = []\n", "identity = 1\n"]
)
def test_an_identity_that_is_none(tmp_path: Path, identity: str) -> None:
    config = write_config(tmp_path)
    config.write_text(config.read_text().partition("[identity]")[0] + identity)
    assert run(config, "bootstrap") == 2


def test_a_file_of_settings_that_is_not_there_or_too_large(tmp_path: Path) -> None:
    assert run(tmp_path / "none.toml", "status") == 2
    (tmp_path / "large.toml").write_bytes(b"#" * 100_000)
    assert run(tmp_path / "large.toml", "status") == 2


@pytest.mark.parametrize("words", [[], ["tokens"], ["status", "--jso"], ["status", "x"]])
def test_words_that_are_wrong(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "usage: artifact-device" in capsys.readouterr().err


def test_it_is_a_program_of_its_own_that_loads_nothing_of_the_service(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    script = f"""
import sys
from device.command.main import main
code = main(["--config", {str(config)!r}, "bootstrap"])
loaded = sorted(name for name in sys.modules if name.partition(".")[0] in ("signer", "hsm", "verifier", "pydantic"))
sys.exit(code or (str(loaded) if loaded else 0))
"""
    for words in (["-c", script], ["-m", "device", "--config", str(config), "bootstrap"]):
        done = subprocess.run(
            [sys.executable, *words], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")


def all_errors() -> list[type[DeviceError]]:
    return [
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, DeviceError) and each is not DeviceError
    ]


def test_each_error_has_a_sentence_and_a_code_of_its_own() -> None:
    codes = [each.code for each in all_errors()]
    assert sorted(codes) == sorted(SENTENCES)
    assert len(set(codes)) == len(codes)
    assert set(HINTS) <= set(codes)


@pytest.mark.parametrize("error", all_errors(), ids=lambda each: each.code)
def test_each_sentence_is_filled_from_the_errors_facts(error: type[DeviceError]) -> None:
    said = sentence(error(**{each.name: f"a {each.name}" for each in fields(error)}))
    assert "{" not in said
    assert said[0].islower() or said.startswith("a ")
    assert not said.endswith(".")


def test_the_help_names_each_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert all(command in said for command in COMMANDS)
