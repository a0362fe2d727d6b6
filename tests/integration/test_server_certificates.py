"""The service's certificate replaced while clients come all the time: nobody who has the bundle is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.integration.running import Installation, command, initialise, running
from tests.support.mender_client import MenderClient, require_mender_client
from tests.support.recorders import until

pytestmark = pytest.mark.slow

VISITORS = 2


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    installation = initialise(tmp_path_factory.mktemp("shown") / "installation")
    with running(installation, SERVER_WORKERS="2"):
        yield installation


@dataclass(slots=True)
class Visits:
    """What visitors saw: SHA-256 of certificates, and what went wrong."""

    seen: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    count: int = 0


def shown(installation: Installation, bundle: Path) -> tuple[str, str]:
    """What ``openssl s_client`` says of the certificate, and the first line of what is wrong; empty: nothing."""
    asked = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{installation.port}", "-CAfile", str(bundle),
         "-no-CApath", "-no-CAstore", "-verify_return_error", "-verify_ip", "127.0.0.1"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    begin = asked.stdout.find("-----BEGIN CERTIFICATE-----")
    found = "" if begin < 0 else ssl.PEM_cert_to_DER_cert(asked.stdout[begin : asked.stdout.find("-----END") + 25])
    digest = hashlib.sha256(found).hexdigest() if found else ""
    return digest, "" if asked.returncode == 0 else asked.stderr.strip().splitlines()[0]


@contextmanager
def visitors(installation: Installation, bundle: Path) -> Iterator[Visits]:
    """They come one after the other until the end of the block."""
    visits, over = Visits(), threading.Event()

    def come() -> None:
        while not over.is_set():
            digest, problem = shown(installation, bundle)
            visits.seen.add(digest)
            visits.count += 1
            if problem:
                visits.refused.append(problem)

    threads = [threading.Thread(target=come) for _ in range(VISITORS)]
    for thread in threads:
        thread.start()
    try:
        yield visits
    finally:
        over.set()
        for thread in threads:
            thread.join(60)


def certificates(installation: Installation) -> dict[str, str]:
    """The fingerprints by state."""
    done = installation.run("server-certificates", "list", "--server", "server", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["server_certificates"]
    return {each["state"]: each["certificate_sha256"] for each in found}


def device(installation: Installation, directory: Path, serial: str, bundle: Path) -> MenderClient:
    directory.mkdir(exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    file = directory / f"{serial}.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return MenderClient(
        directory=directory / serial,
        url=installation.url,
        certificate=bundle,
        serial=serial,
        security={"AuthPrivateKey": str(file)},
    )


def polls(installation: Installation) -> int:
    """Requests of devices that were answered, whatever with."""
    return sum("/api/devices/" in line for line in installation.log_lines())


def accept(installation: Installation) -> None:
    listed = command("devices", "list", "--json", "--config", installation.config)
    for each in json.loads(listed.stdout):
        done = command("devices", "accept", each["id"], "--config", installation.config)
        assert done.returncode == 0, done.stderr


def test_a_whole_switch(site: Installation, tmp_path: Path) -> None:
    require_mender_client()
    old, bundle = tmp_path / "old.crt", tmp_path / "bundle.crt"
    shutil.copy(site.directory / "cert.crt", old)
    first = certificates(site)["active"]
    made = site.run("server-certificates", "create", "server")
    assert made.returncode == 0, made.stderr
    bundle.write_text(site.run("server-certificates", "bundle", "server").stdout)
    assert bundle.read_text().count("BEGIN CERTIFICATE") == 2
    following = certificates(site)["next"]
    early = site.run("server-certificates", "switch", "server")
    assert (early.returncode, "has not been out for 14 days" in early.stderr) == (1, True)
    ready, late = device(site, tmp_path, "ready", bundle), device(site, tmp_path, "late", old)
    assert (ready.bootstrap().returncode, late.bootstrap().returncode) == (1, 1), "both wait for a person"
    accept(site)
    assert late.bootstrap().returncode == 0
    with visitors(site, bundle) as visits, ready.daemon() as daemon:
        until(lambda: first in visits.seen)
        until(lambda: "authorization" in daemon.log.read_text())
        done = site.run("server-certificates", "switch", "server", "--force", "--reason", "a test")
        assert done.returncode == 0, done.stderr
        until(lambda: following in visits.seen)
        # The cycle that began before has ended, and one over the new certificate is whole.
        after = visits.count + 2 * VISITORS
        until(lambda: visits.count > after)
        asked = polls(site)
        daemon.check_for_updates()
        until(lambda: polls(site) > asked)
        assert [line for line in daemon.errors() if "certificate" in line or "SSL" in line] == []
    assert (visits.refused, visits.seen) == ([], {first, following})
    assert ready.bootstrap().returncode == 0
    lost = late.bootstrap()
    assert (lost.returncode, "rc: 18" in lost.stderr) == (1, True)
    assert shown(site, old)[1] != ""
    # Commands of this installation trust the bundle from now on.
    shutil.copy(bundle, site.directory / "cert.crt")
    probed = site.run("server-certificates", "probe", "server", "--bundle", old, "--json")
    verdicts = json.loads(probed.stdout)["verdicts"]
    believed = {(each["certificate"].split()[0], each["family"]): each["problem"] is None for each in verdicts}
    assert believed == {
        ("previous", "mender"): True, ("previous", "go"): True, ("active", "mender"): False, ("active", "go"): False,
    }  # fmt: skip
    assert probed.returncode == 1


def test_what_is_shown_is_probed_in_a_handshake(site: Installation, tmp_path: Path) -> None:
    bundle, other = tmp_path / "bundle.crt", tmp_path / "other.crt"
    bundle.write_text(command("server-certificates", "bundle", "server", "--config", site.config).stdout)
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", str(tmp_path / "other.key"), "-out", str(other), "-subj", "/CN=other",
            "-addext", "subjectAltName=IP:127.0.0.1"]  # fmt: skip
    subprocess.run(make, check=True, capture_output=True)
    for file, expected in ((bundle, 0), (other, 1)):
        probed = command(
            "server-certificates", "probe", "server", "--connect", f"127.0.0.1:{site.port}", "--bundle", file,
            "--config", site.config,
        )  # fmt: skip
        assert probed.returncode == expected, probed.stdout + probed.stderr
