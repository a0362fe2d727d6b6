"""What doctor says of the witnesses of the log."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

from signer.doctor.examination import Examination
from signer.doctor.witnesses import witnesses
from signer.errors import WitnessRefused
from signer.log_settings import LogSettings
from signer.witness.report import WitnessFile
from tests.support.made_logs import NoteKey
from verifier.log import KeyType


def said(settings: LogSettings) -> list[str]:
    examination = cast("Examination", SimpleNamespace(settings=SimpleNamespace(log=settings)))
    return [f"{finding.severity.value}: {finding.sentence}" for finding in witnesses(examination)]


def test_each_witness_has_a_line(tmp_path: Path) -> None:
    tables = [
        {
            "name": name,
            "url": "https://w.example",
            "verifier_key": str(NoteKey.ed25519(seed, "w", KeyType.COSIGNATURE).verifier),
        }
        for seed, name in enumerate(("one", "two"), 1)
    ]
    none = LogSettings.model_validate({"checkpoint_file": tmp_path / "checkpoint"})
    assert said(none) == ["ok: no witness of the log is configured"]
    settings = LogSettings.model_validate({"checkpoint_file": tmp_path / "checkpoint", "witnesses": tables})
    assert said(settings) == [f"warning: the witness {name} was not asked yet" for name in ("one", "two")]
    WitnessFile(settings.witness_file).write("x", None, {"two": WitnessRefused(witness="two", status=403)})
    assert said(settings) == [
        "ok: the witness one signs",
        "warning: the witness two does not sign: witness-refused (status 403)",
    ]
