"""Lists of revoked certificates, judged by openssl; when they are made anew, and when not."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from signer.domain.keys import VersionState
from signer.errors import ClientCaNotFound, StepNotAllowed
from signer.errors.device_certificates import DeviceCaNotIssuing
from signer.services.client_certificates import ClientCertificateAdministration
from signer.services.device_certificate_documents import certificate_pem
from tests.signer.certificates.device_scene import WEEK, Scene
from tests.signer.certificates.workshop import Workshop
from tests.support.device_side import SomeDevice


@pytest.fixture
def scene(shop: Workshop) -> Scene:
    made = Scene(shop=shop)
    made.with_key()
    return made


def revoke(scene: Scene, serial: str) -> None:
    assert scene.revocations.revoke("fleet", serial, reason="lost", actor="tests")


def verdict(scene: Scene, directory: Path, certificate: str) -> str:
    """What openssl says of the certificate with the list."""
    (directory / "ca.pem").write_bytes(scene.believed + scene.lists.pem("fleet"))
    (directory / "leaf.pem").write_text(certificate)
    now = str(int(scene.shop.clock().timestamp()) + 1)
    command = ["openssl", "verify", "-attime", now, "-crl_check", "-CAfile", "ca.pem", "leaf.pem"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_openssl_takes_it(scene: Scene, tmp_path: Path) -> None:
    kept, lost = scene.issue(SomeDevice(serial="kept")), scene.issue(SomeDevice(serial="lost"))
    revoke(scene, f"0x00{lost.serial.upper()}")
    assert "leaf.pem: OK" in verdict(scene, tmp_path, certificate_pem(kept))
    assert "certificate revoked" in verdict(scene, tmp_path, certificate_pem(lost))


def test_each_version_in_use_has_its_own(scene: Scene, tmp_path: Path) -> None:
    before = scene.issue(SomeDevice(serial="before"))
    scene.rotate()
    scene.believe(1, 2)
    after = scene.issue(SomeDevice(serial="after"))
    assert [each.version for each in scene.lists.lists("fleet")] == [1, 2]
    assert "leaf.pem: OK" in verdict(scene, tmp_path, certificate_pem(before))
    assert "leaf.pem: OK" in verdict(scene, tmp_path, certificate_pem(after))
    revoke(scene, before.serial)
    revoke(scene, after.serial)
    for each in (before, after):
        assert "certificate revoked" in verdict(scene, tmp_path, certificate_pem(each))


def test_it_is_made_anew_where_something_was_revoked_or_half_its_time_is_over(scene: Scene) -> None:
    (first,) = scene.lists.lists("fleet")
    signed = len(scene.shop.asked)
    scene.later(WEEK / 2 - timedelta(seconds=2))
    assert scene.lists.lists("fleet") == (first,)
    assert len(scene.shop.asked) == signed
    scene.later(timedelta(seconds=4))
    (second,) = scene.lists.lists("fleet")
    assert second.number > first.number
    assert second.next_update > first.next_update
    revoke(scene, "a3f")
    (third,) = scene.lists.lists("fleet")
    assert (third.revoked, third.number > second.number) == (1, True)
    crl = x509.load_der_x509_crl(third.content)
    assert crl.get_revoked_certificate_by_serial_number(0xA3F) is not None
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == third.number
    assert crl.next_update_utc == third.next_update


def test_what_is_revoked_of_another_ca_is_not_in_it(scene: Scene) -> None:
    others = ClientCertificateAdministration(store=scene.revoked, cas=["elsewhere"])
    others.revoke("elsewhere", "a3f", reason="lost", actor="tests")
    (made,) = scene.lists.lists("fleet")
    assert made.revoked == 0


def test_a_version_that_is_not_in_use_signs_none(scene: Scene) -> None:
    scene.shop.put(scene.shop.store.key("device-ca"), VersionState.DISABLED)
    assert scene.lists.lists("fleet") == ()
    key = scene.shop.store.key("device-ca")
    authority = scene.shop.application.certificate_authority
    with pytest.raises(StepNotAllowed):
        authority.revocation_list(key, key.version(1), [], number=1, lifetime=WEEK)


def test_of_a_ca_that_issues_elsewhere_there_is_none(scene: Scene) -> None:
    with pytest.raises(DeviceCaNotIssuing):
        scene.lists.pem("elsewhere")
    with pytest.raises(ClientCaNotFound):
        scene.lists.pem("nobody")


def test_who_comes_second_gets_the_list_of_the_first(scene: Scene) -> None:
    (first,) = scene.lists.lists("fleet")
    rival = replace(first, number=first.number + 1)
    event = scene.shop.store.events(after=0, limit=1, key=None)[0].event
    assert not scene.records.replace_list(rival, None, event)
    assert scene.records.revocation_list("fleet", 1) == first
