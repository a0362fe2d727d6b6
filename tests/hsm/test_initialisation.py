"""A new token for an embedded installation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hsm import PinSource, TokenConfig, TokenUri
from hsm.errors import ConfigurationError, TokenUnavailable
from hsm.initialisation import initialise_token
from tests.hsm.conftest import OpenPool, make_key
from tests.hsm.softhsm import SoftHsm, module_path


def arguments(directory: Path) -> dict[str, Any]:
    """What makes a token in an empty store under ``directory``."""
    (directory / "tokens").mkdir(exist_ok=True)
    conf = directory / "softhsm2.conf"
    conf.write_text(f"directories.tokendir = {directory / 'tokens'}\n")
    return {
        "module": module_path(),
        "label": "fresh",
        "security_officer_pin": "officer 123",
        "user_pin": "user 456",
        "environment": {"SOFTHSM2_CONF": str(conf)},
    }


def test_a_new_token_opens_and_signs(tmp_path: Path, open_pool: OpenPool) -> None:
    made = arguments(tmp_path)
    initialise_token(**made)
    (tmp_path / "pin").write_text("user 456\n")
    config = TokenConfig(
        name="demo",
        uri=TokenUri(token="fresh", module_path=made["module"]),
        pin=PinSource(file=tmp_path / "pin"),
        environment=made["environment"],
        lock_directory=tmp_path,
    )
    pool = open_pool(config)
    assert pool.sign(make_key(pool), b"")


REFUSED: dict[str, tuple[dict[str, Any], type[Exception]]] = {
    "a label of 33 bytes": ({"label": "x" * 33}, ConfigurationError),
    "an empty PIN": ({"user_pin": ""}, ConfigurationError),
    "a PIN of two lines": ({"user_pin": "12\n34"}, ConfigurationError),
    "a PIN of 256 bytes": ({"security_officer_pin": "x" * 256}, ConfigurationError),
    "a module that is not there": ({"module": Path("/no/such/module.so")}, TokenUnavailable),
    "a PIN that the token finds too short": ({"security_officer_pin": "1"}, TokenUnavailable),
}


@pytest.mark.parametrize("row", REFUSED)
def test_refused(tmp_path: Path, row: str) -> None:
    changes, expected = REFUSED[row]
    with pytest.raises(expected) as refused:
        initialise_token(**{**arguments(tmp_path), **changes})
    assert "officer" not in str(refused.value)
    assert "user 456" not in str(refused.value)


HOSTILE = "open({mark!r}, 'a').write(__name__); import sys; sys.stdin.read()"


@pytest.fixture
def hostile_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, whose folders are named as ours are; the file ``ran`` is made where one is imported."""
    here = tmp_path / "unpacked from somewhere"
    for package in ("hsm", "hsm/worker", "pkcs11", "cryptography"):
        (here / package).mkdir(parents=True)
        for module in ("__init__", "__main__", "initialisation", "initialise", "main", "worker"):
            (here / package / f"{module}.py").write_text(HOSTILE.format(mark=str(here / "ran")))
    (here / "sitecustomize.py").write_text(HOSTILE.format(mark=str(here / "ran")))
    monkeypatch.chdir(here)
    monkeypatch.setenv("PYTHONPATH", str(here))
    monkeypatch.syspath_prepend("")  # as for an interpreter that was started with ``-c``
    return here


def test_making_a_token_runs_no_code_of_the_current_directory(
    hostile_directory: Path, tmp_path: Path, open_pool: OpenPool
) -> None:
    made = arguments(tmp_path)
    initialise_token(**made)
    assert not (hostile_directory / "ran").exists()


def test_opening_a_token_runs_no_code_of_the_current_directory(
    hostile_directory: Path, softhsm: SoftHsm, open_pool: OpenPool
) -> None:
    assert make_key(open_pool(softhsm.config))
    assert not (hostile_directory / "ran").exists()
