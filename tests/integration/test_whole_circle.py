"""The whole circle: artifacts signed here, for devices authenticated here; Debian's client downloads and installs them.

Each row is a deployment over the gateway to a real daemon that has the exported key, and what is on the device then.
The client before 3.5 has one key: its next one comes to it in an artifact that the key before it signed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.circle import (
    INVALID,
    KEY_FILE,
    UNSIGNED,
    Circle,
    Device,
    installs,
    refuses,
    whole_circle,
)
from tests.integration.fleet import INVENTORY

pytestmark = [pytest.mark.slow, pytest.mark.judge, pytest.mark.xdist_group("whole-circle")]


@pytest.fixture(scope="module")
def circle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Circle]:
    with whole_circle(tmp_path_factory.mktemp("circle")) as made:
        for key in ("firmware", "another"):
            made.run("keys", "create", key, "--algorithm", "ecdsa-p256")
        yield made


@pytest.fixture(scope="module")
def device(circle: Circle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    """One that gets every key in time."""
    with circle.device(tmp_path_factory.mktemp("device") / "d", "in-time") as made:
        yield made


def test_what_is_signed_here_is_installed(circle: Circle, device: Device) -> None:
    installs(circle, device, "signed and installed\n")
    assert circle.endpoint.wait_for(INVENTORY)


@dataclass(frozen=True, kw_only=True)
class Refused:
    """``made``: the artifact. ``reason``: a part of what the client says of it."""

    made: Callable[[Circle], Path]
    reason: str


REFUSED = {
    "changed after it was signed": Refused(made=lambda circle: circle.changed("changed\n"), reason=INVALID),
    "signed by another key": Refused(
        made=lambda circle: circle.sign(circle.write("another\n"), "another"), reason=INVALID
    ),
    "not signed": Refused(made=lambda circle: circle.write("unsigned\n"), reason=UNSIGNED),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_the_key_did_not_sign_is_not_installed(circle: Circle, device: Device, sentence: str) -> None:
    row = REFUSED[sentence]
    refuses(circle, device, row.made(circle), row.reason)


def test_a_rotation(circle: Circle, device: Device, tmp_path: Path) -> None:
    """The device that got the next key in time goes on; the one that did not refuses, and keeps its token."""
    with circle.device(tmp_path / "late", "too-late") as late:
        installs(circle, late, "before the rotation\n")
        circle.run("keys", "prepare", "firmware")
        old = circle.run("keys", "public-key", "firmware")
        (following,) = _next_keys(circle, tmp_path / "exported", old)
        installs(circle, device, following, KEY_FILE)
        circle.run("keys", "rotate", "firmware")
        assert circle.run("keys", "public-key", "firmware") == following

        installs(circle, device, "after the rotation\n")
        asked = circle.site.auth_requests()
        refuses(circle, late, circle.sign(circle.write("after the rotation\n")), INVALID)
        assert circle.site.auth_requests() == asked
        assert late.file(KEY_FILE) == old


def _next_keys(circle: Circle, directory: Path, old: str) -> list[str]:
    """What ``keys export`` writes beside the key that devices have."""
    circle.run("keys", "export", "firmware", "--dir", directory)
    return [text for text in (path.read_text() for path in sorted(directory.glob("*.pem"))) if text != old]
