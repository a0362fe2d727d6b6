"""What doctor says of client CAs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from signer.client_ca_settings import ClientCaSettings
from signer.doctor.client_cas import client_cas
from signer.doctor.examination import Examination
from signer.domain.client_choices import CaUse, IdentityField
from tests.support.client_cas import PRESENT, Wanted, new_ca

YEARS = timedelta(days=1000)
AUTHORITY = Wanted(alternatives=None, uses=None, ca=True, ends=PRESENT + YEARS)
BUILDS, DEVICES = new_ca("builds", wanted=AUTHORITY), new_ca("devices", wanted=AUTHORITY)


@pytest.fixture
def tables(tmp_path: Path) -> tuple[ClientCaSettings, ...]:
    for name, ca in (("builds", BUILDS), ("devices", DEVICES)):
        ca.write(tmp_path, name).chmod(0o644)
    return (
        ClientCaSettings(name="builds", file=tmp_path / "builds.pem", use=CaUse.IDENTITY, field=IdentityField.CN),
        ClientCaSettings(name="devices", file=tmp_path / "devices.pem", use=CaUse.DEVICE, field=None),
    )


def said(tables: tuple[ClientCaSettings, ...], *, after: timedelta = timedelta()) -> list[str]:
    surroundings = SimpleNamespace(clock=lambda: PRESENT + after)
    examination = SimpleNamespace(settings=SimpleNamespace(client_ca=tables), surroundings=surroundings)
    findings = client_cas(cast("Examination", examination))
    return [f"{finding.severity.value}: {finding.sentence}" for finding in findings]


def test_none_is_configured() -> None:
    assert said(()) == ["ok: no client CA is configured"]


def test_each_has_a_line(tables: tuple[ClientCaSettings, ...]) -> None:
    assert said(tables) == [
        "ok: the client CA builds has 1 certificates that may issue",
        "ok: the client CA devices has 1 certificates that may issue",
    ]


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a file that is not there": (Path.unlink, "failed: the client CA builds cannot be used: "),
    "a file that is none": (lambda path: path.write_text("x"), "failed: the client CA builds cannot be used: "),
    "a file that others can change": (lambda path: path.chmod(0o666), "failed: "),
    "a file that the group can change": (lambda path: path.chmod(0o664), "failed: "),
    "the key of another": (
        lambda path: path.write_bytes(DEVICES.pem),
        "failed: the client CA devices cannot be used: one of its keys is that of builds too",
    ),
}


@pytest.mark.parametrize("sentence", FAULTS)
def test_a_fault_is_told(tables: tuple[ClientCaSettings, ...], sentence: str) -> None:
    change, says = FAULTS[sentence]
    change(tables[0].file)
    told = said(tables)
    assert any(line.startswith(says) for line in told), told


@pytest.mark.parametrize(
    ("after", "says"), [(YEARS - timedelta(days=59), "expires on"), (YEARS + timedelta(days=1), "expired on")]
)
def test_an_end_is_told_before_it_comes(tables: tuple[ClientCaSettings, ...], after: timedelta, says: str) -> None:
    first, second = said(tables, after=after)
    assert first.startswith(f"warning: a certificate of the client CA builds {says}")
    assert second.startswith(f"warning: a certificate of the client CA devices {says}")
