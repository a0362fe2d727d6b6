"""What doctor says of the issuers of CI tokens: a real one, one that is down, and one that nobody pins."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

from signer.doctor.ci_issuers import ci_issuers
from signer.doctor.examination import Examination
from tests.support.ci_issuer import DISCOVERY, running_issuer
from tests.support.ci_site import ci_settings

UNPINNED = """
[[ci_issuer]]
name = "builds"
issuer = "https://localhost:1"
kind = "generic"
id_claim = "pipeline"
audience = "a"
key_set_file = "keys.json"
"""


def said(settings: object) -> list[str]:
    examination = cast("Examination", SimpleNamespace(settings=settings))
    return [f"{finding.severity.value}: {finding.sentence}" for finding in ci_issuers(examination)]


def test_none_is_configured() -> None:
    assert said(SimpleNamespace(ci_issuer=())) == ["ok: no issuer of CI tokens is configured"]


def test_each_issuer_has_a_line(tmp_path: Path) -> None:
    with running_issuer(tmp_path) as issuer:
        (tmp_path / "keys.json").write_bytes(issuer.key_set())
        settings = ci_settings(tmp_path, issuer, UNPINNED)
        assert said(settings) == [
            "ok: the CI issuer github has 1 keys that tokens can be verified with",
            "ok: the CI issuer builds has 1 keys that tokens can be verified with",
            "warning: no ci_identity is of the CI issuer builds",
        ]
        issuer.says(DISCOVERY, b"", 500)
        (tmp_path / "keys.json").unlink()
        first, second, _ = said(settings)
    assert first.startswith("warning: the keys of the CI issuer github cannot be had: localhost:")
    assert second.startswith("warning: the keys of the CI issuer builds cannot be had: ")
