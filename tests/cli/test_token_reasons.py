"""What a local command says of a token that failed: the module's reason, and not what the service tells its clients."""

from __future__ import annotations

from pathlib import Path

import pytest

from hsm.errors import (
    ConfigurationError,
    ModuleMissing,
    PinRejected,
    TokenBusy,
    TokenError,
    TokenFull,
    TokenUnavailable,
)
from signer import installation
from signer.cli import main
from signer.cli.exit_codes import REFUSED
from tests.hsm.shim import compiled
from tests.hsm.softhsm import module_path

REASONS: dict[str, tuple[TokenError, str]] = {
    "a module that refuses": (
        TokenUnavailable(reason="C_InitToken returned 0x5"), "the token cannot be used: C_InitToken returned 0x5",
    ),
    "a module that says nothing": (TokenUnavailable(), "the token cannot be used\n"),
    "a PIN that is wrong": (PinRejected(reason="PinIncorrect"), ": PinIncorrect"),
    "a lock that is kept": (
        TokenBusy(reason="another process keeps the opening lock"), ": another process keeps the opening lock",
    ),
    "a module that is no library": (
        ModuleMissing(path="/m.so", reason="no such file"), "the PKCS#11 module cannot be loaded: no such file",
    ),
    "a setting that makes no sense": (
        ConfigurationError(setting="pin", reason="not a regular file"),
        "the setting pin of the token cannot be used: not a regular file",
    ),
    "a token that is full": (TokenFull(reason="DeviceMemory"), ": DeviceMemory"),
}  # fmt: skip


@pytest.mark.parametrize("sentence", REASONS)
def test_the_reason_is_told(capsys: pytest.CaptureFixture[str], sentence: str) -> None:
    error, says = REASONS[sentence]
    assert main.explained(error) == REFUSED
    out, err = capsys.readouterr()
    assert (out, err.startswith("artifact-signer: "), says in err) == ("", True, True), err
    assert "opened again" not in err


def test_init_tells_what_the_module_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    control = tmp_path / "control"
    control.write_text("C_Initialize return 0x5\n")
    monkeypatch.setenv("SHIM_CONTROL", str(control))
    monkeypatch.setenv("SHIM_MODULE", str(module_path()))
    monkeypatch.setattr(installation, "SOFTHSM_MODULES", (compiled(tmp_path),))
    assert main.run(["init", str(tmp_path / "installation")]) == REFUSED
    assert "the token cannot be used: GeneralError\n" in capsys.readouterr().err
