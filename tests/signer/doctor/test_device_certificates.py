"""What doctor says of CAs of devices that issue here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from signer.client_ca_settings import ClientCaSettings
from signer.doctor.device_certificates import device_certificates
from signer.domain.client_choices import CaUse, IdentityField
from signer.domain.keys import Purpose, VersionState
from tests.signer.certificates.conftest import pool, present, shop  # noqa: F401  (fixtures)
from tests.signer.certificates.device_scene import YEAR, Scene
from tests.signer.certificates.workshop import Workshop
from tests.support.client_cas import new_ca
from tests.support.device_side import SomeDevice

FILE = "fleet.pem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    change: Callable[[Scene], object]
    says: str


def said(scene: Scene, directory: Path, *, configured: bool = True) -> list[str]:
    (directory / FILE).write_bytes(scene.believed or new_ca("nobody").pem)
    table = ClientCaSettings(
        name="fleet",
        file=directory / FILE,
        use=CaUse.DEVICE,
        field=IdentityField.CN,
        attribute="serial",
        key="device-ca",
        certificate_days=365,
        renewal_days=90,
        crl_days=7,
    )
    examination: Any = SimpleNamespace(
        usable_database=lambda: scene.shop.database,
        surroundings=SimpleNamespace(clock=scene.shop.clock),
        settings=SimpleNamespace(client_ca=(table,) if configured else ()),
    )
    return [f"{each.severity.value}: {each.sentence}" for each in device_certificates(examination)]


def good(scene: Scene) -> None:
    scene.with_key()
    scene.issue(SomeDevice())


def disabled(scene: Scene) -> None:
    scene.with_key()
    scene.shop.put(scene.shop.store.key("device-ca"), VersionState.DISABLED)


def late(scene: Scene, days: int) -> None:
    good(scene)
    scene.later(YEAR - timedelta(days=days, minutes=1))


def renewed(scene: Scene) -> None:
    late(scene, 10)
    scene.issue(SomeDevice())


def revoked(scene: Scene) -> None:
    scene.with_key()
    record = scene.issue(SomeDevice())
    scene.revocations.revoke("fleet", record.serial, reason="lost", actor="tests")
    scene.later(YEAR)


FINE = "ok: the CA of devices fleet issues, and no device's certificate ends within 30 days"
ROWS = {
    "all is well": Row(change=good, says=FINE),
    "no key": Row(
        change=lambda _: None, says="failed: the CA of devices fleet issues nothing: there is no key device-ca"
    ),
    "a key for something else": Row(
        change=lambda scene: scene.with_key(Purpose.SERVER_CA),
        says="failed: the CA of devices fleet issues nothing: for server-ca is the key device-ca",
    ),
    "a key that does not sign": Row(
        change=disabled,
        says="failed: the CA of devices fleet issues nothing: no version of the key device-ca signs",
    ),
    "a file of somebody else": Row(
        change=lambda scene: (scene.with_key(), setattr(scene, "believed", b"")),
        says="failed: the file of the CA of devices fleet does not hold the certificate of version 1",
    ),
    "a certificate that ends in 20 days": Row(
        change=lambda scene: late(scene, 20),
        says="warning: certificates of 1 devices of the CA fleet end within 30 days, 0 within 7 days or already",
    ),
    "a certificate that ends in 5 days": Row(
        change=lambda scene: late(scene, 5),
        says="warning: certificates of 1 devices of the CA fleet end within 30 days, 1 within 7 days or already",
    ),
    "a certificate that has been renewed": Row(change=renewed, says=FINE),
    "a certificate that was revoked": Row(change=revoked, says=FINE),
}


@pytest.mark.parametrize("sentence", ROWS)
def test_it_says(shop: Workshop, tmp_path: Path, sentence: str) -> None:  # noqa: F811
    scene = Scene(shop=shop)
    ROWS[sentence].change(scene)
    assert said(scene, tmp_path) == [ROWS[sentence].says]


def test_without_a_ca_that_issues_there_is_nothing_to_say(shop: Workshop, tmp_path: Path) -> None:  # noqa: F811
    assert said(Scene(shop=shop), tmp_path, configured=False) == ["ok: no CA of devices issues here"]
