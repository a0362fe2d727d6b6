"""A whole circle: an installation, an endpoint behind its gateway, a shop that writes artifacts, and real devices."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.integration.deployments import Deployment, Deployments, token_of
from tests.integration.fleet import Fleet, fleet
from tests.support.mender_client import FIXED, MenderClient, require_mender_client
from tests.verifier_judges.judges import MODULES, missing_tool

DEVICE_TYPE = "raspberrypi4"
MODULE = "single-file"
KEY_FILE, APP_FILE = "artifact-verify-key.pem", "app.conf"
SIGNATURE = "manifest.sig"
# What the client says in its log.
INVALID, UNSIGNED = "invalid signature: signer: verification failed", "expecting signed artifact, but no signature"


@dataclass(frozen=True, kw_only=True)
class Device:
    """A client whose daemon runs, and whose it is at the endpoint."""

    client: MenderClient
    id: str

    def file(self, name: str) -> str | None:
        """What is in a file of its ``/etc/mender``; None without it."""
        path = self.client.directory / "etc" / name
        return path.read_text() if path.exists() else None


@dataclass
class Circle:
    """The installation, the endpoint, and a shop that writes artifacts and has them signed."""

    site: Fleet
    endpoint: Deployments
    shop: Path
    written: int = 0

    def run(self, *arguments: str | Path) -> str:
        """A command of the client; its output."""
        done = self.site.installation.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def write(self, content: str, file: str = APP_FILE) -> Path:
        """An unsigned artifact that puts ``content`` into a file of the device; its own name is new each time."""
        self.written += 1
        place = self.shop / f"artifact-{self.written}"
        place.mkdir()
        members = {"dest_dir": str(FIXED["etc"]), "filename": file, "permissions": "644", file: content}
        for name, text in members.items():
            (place / name).write_text(text)
        output = place / f"update-{self.written}.mender"
        subprocess.run(
            ["mender-artifact", "write", "module-image", "-T", MODULE, "-t", DEVICE_TYPE, "-n", output.stem,
             *(part for name in members for part in ("-f", place / name)), "-o", output],
            check=True, timeout=60, capture_output=True,
        )  # fmt: skip
        return output

    def sign(self, artifact: Path, key: str = "firmware") -> Path:
        """The same under the same name, signed by the service."""
        signed = artifact.with_name("signed") / artifact.name
        signed.parent.mkdir()
        self.run("sign", artifact, "--key", key, "-o", signed)
        return signed

    def changed(self, content: str) -> Path:
        """An artifact with the signature of another; its own checksums are right."""
        signature = _members(self.sign(self.write("what was signed\n")))[SIGNATURE]
        other = self.write(content)
        members = _members(other)
        with tarfile.open(other, "w", format=tarfile.USTAR_FORMAT) as archive:
            for name, data in members.items():
                _add(archive, name, data)
                if name == "manifest":
                    _add(archive, SIGNATURE, signature)
        return other

    def deploy(self, artifact: Path, device: Device) -> Deployment:
        """To the end, whichever it is."""
        made = Deployment(
            device=device.id, artifact_name=artifact.stem, artifact=artifact.read_bytes(), device_type=DEVICE_TYPE
        )
        return self.endpoint.deploy(made)

    def says_it_has(self, device: Device) -> tuple[str, str]:
        """The name of the artifact, as the device tells it with its next question, and the token that it asks with."""
        question = self.endpoint.asked_next(device.id, len(self.endpoint.seen))
        return json.loads(question.body)["device_provides"]["artifact_name"], token_of(question)

    @contextmanager
    def device(self, directory: Path, serial: str) -> Iterator[Device]:
        """Its key accepted, the exported key in its place, its daemon running."""
        directory.mkdir()
        key = ec.generate_private_key(ec.SECP256R1())
        (directory / "device.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        place = directory / "client"
        client = self.site.client(
            place, serial, security={"AuthPrivateKey": str(directory / "device.pem")},
            verify_key=place / "etc" / KEY_FILE, poll_seconds=1,
        )  # fmt: skip
        (place / "etc" / KEY_FILE).write_text(self.run("keys", "public-key", "firmware"))
        assert client.bootstrap().returncode == 1
        self.site.decide(serial, "accepted")
        with client.daemon():
            yield Device(client=client, id=self.site.device(serial)["id"])


def _members(artifact: Path) -> dict[str, bytes]:
    with tarfile.open(artifact) as archive:
        return {each.name: archive.extractfile(each).read() for each in archive}  # type: ignore[union-attr]


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


@contextmanager
def whole_circle(directory: Path) -> Iterator[Circle]:
    """All of it, without keys; skips where a part cannot be had."""
    require_mender_client()
    if missing_tool() or not (MODULES / MODULE).exists():
        pytest.skip(missing_tool() or f"the client has no update module {MODULE}")
    endpoint = Deployments()
    with fleet(directory, endpoint, SERVER_WORKERS="1") as site:
        endpoint.gateway = site.url
        (directory / "shop").mkdir()
        yield Circle(site=site, endpoint=endpoint, shop=directory / "shop")


def installs(circle: Circle, device: Device, content: str, file: str = APP_FILE) -> None:
    """What the service signs now is on the device then, which says so."""
    artifact = circle.sign(circle.write(content, file))
    deployment = circle.deploy(artifact, device)
    assert deployment.statuses[-1] == "success", deployment.log
    assert deployment.downloads == 1
    assert device.file(file) == content
    assert circle.says_it_has(device)[0] == artifact.stem


def refuses(circle: Circle, device: Device, artifact: Path, reason: str) -> None:
    """It reports a failure for the reason, and has what it had."""
    before = device.file(APP_FILE), circle.says_it_has(device)
    deployment = circle.deploy(artifact, device)
    assert deployment.statuses[-1] == "failure"
    assert "installing" not in deployment.statuses
    assert deployment.downloads == 1
    assert reason in deployment.log
    assert (device.file(APP_FILE), circle.says_it_has(device)) == before
