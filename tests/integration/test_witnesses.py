"""A service whose log is witnessed: real processes, from a signature to the proof that a witness signed too."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.artifacts import ArtifactBuilder
from tests.cli.artifact_verify import artifact_verify
from tests.integration.running import Installation, command, initialise, running, start, stop
from tests.support.postgres import Cluster
from tests.support.recorders import until
from tests.support.witnesses import RunningWitness, running_witness
from verifier.log import SignedNote, VerifierKey, open_checkpoint

pytestmark = pytest.mark.slow

_numbers = itertools.count()
EXPECT = """
version = 1
[[signatures]]
name = "releases"
keys = ["firmware"]
artifacts = ["release-*"]
[[changes]]
name = "the key is made"
types = ["creation-started", "key-created"]
keys = ["firmware"]
"""


def log_key(installation: Installation) -> VerifierKey:
    return VerifierKey.parse((installation.directory / "log.vkey").read_text(encoding="utf-8").splitlines()[0])


@contextmanager
def witnessed(directory: Path) -> Iterator[tuple[Installation, RunningWitness]]:
    """An installation that asks a witness every second; the service does not run yet."""
    installation = initialise(directory / "installation")
    place = directory / "witness"
    place.mkdir()
    with running_witness(place, log_key(installation)) as witness:
        with installation.config.open("a", encoding="utf-8") as file:
            file.write(
                f'\n[log]\nwitness_pause = 1.0\n[[log.witnesses]]\nname = "second"\nurl = "{witness.url}"\n'
                f'verifier_key = "{witness.key}"\n'
            )
        yield installation, witness


def checkpoint(installation: Installation) -> bytes:
    with installation.http() as client:
        return client.get("/v1/log/checkpoint").content


def cosigned(installation: Installation, witness: RunningWitness) -> bool:
    return any(
        line.name == witness.key.name for line in SignedNote.parse(checkpoint(installation)).unverified_signatures
    )


def sign(installation: Installation, name: str, *options: object) -> None:
    path = installation.directory / name
    path.write_bytes(ArtifactBuilder(name=name).build())
    done = installation.run("sign", path, "--key", "firmware", "-o", f"{path}.signed", "--proof", f"{path}.proof",
                            "--log-key", installation.directory / "log.vkey", *options)  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Installation, RunningWitness]]:
    with witnessed(tmp_path) as made:
        yield made


def test_a_proof_has_the_signature_of_a_witness_and_a_rollback_stops_the_service(
    site: tuple[Installation, RunningWitness], tmp_path: Path
) -> None:
    installation, witness = site
    kept = tmp_path / "kept"
    with running(installation):
        assert installation.run("keys", "create", "firmware", "--algorithm", "ecdsa-p256").returncode == 0
    # Everything of the machine but the witness: what an operator would put back who has no other backup.
    shutil.copytree(installation.directory, kept, ignore=shutil.ignore_patterns("*.sock"))
    with running(installation):
        sign(installation, "release-1")
        until(lambda: cosigned(installation, witness))
        note = checkpoint(installation)
        opened = open_checkpoint(note, [log_key(installation)], witnesses=[witness.key], demanded=1)
        with installation.http() as client:
            proof = client.get("/v1/log/proof", params={"index": opened.checkpoint.size - 1}).json()
        assert proof["size"] == opened.checkpoint.size
        demand_a_witness(installation, witness)
        monitored(installation)
        assert "ok      witnesses: the witness second signs" in doctor(installation)
    shutil.rmtree(installation.directory)
    shutil.copytree(kept, installation.directory)
    with stopped_by_its_witness(installation):
        assert "the witness second does not sign: log-rolled-back" in doctor(installation)
    # Told once, it is true after a restart as well, before any witness is asked again.
    witness.kill()
    with stopped_by_its_witness(installation):
        pass


@contextmanager
def stopped_by_its_witness(installation: Installation) -> Iterator[None]:
    """The service, which never gets ready, and says why."""
    installation.log.unlink(missing_ok=True)
    process = start(installation)
    try:
        until(lambda: "nothing is signed any more: log-rolled-back" in installation.log.read_text(encoding="utf-8"))
        until(lambda: "log-rolled-back" in refused_signature(installation))
        yield
    finally:
        stop(process)


def demand_a_witness(installation: Installation, witness: RunningWitness) -> None:
    """The proof that the service gives out later than the signature is enough for one who demands the witness."""
    with installation.http() as client:
        leaves = client.get("/v1/log/entries", params={"type": "signature"}).json()["entries"]
        manifest = leaves[-1]["leaf"]["manifest_sha256"]
        proof = client.get("/v1/log/proof", params={"manifest_sha256": manifest, "key": "firmware"}).json()["proof"]
        public = client.get("/v1/keys/firmware/versions/1/public-key").content
    (installation.directory / "later.proof").write_text(proof, encoding="utf-8")
    (installation.directory / "firmware.pem").write_bytes(public)
    session = artifact_verify(
        "--key", "firmware.pem", "--log-key", "log.vkey", "--witness", str(witness.key), "--witnesses", "1",
        "--proof", "later.proof", "release-1.signed", cwd=installation.directory, stdin=b"",
    )  # fmt: skip
    assert (session.code, session.stderr) == (0, ""), session.stderr


def monitored(installation: Installation) -> None:
    """From its beginning the log holds what nobody expects; after it was told, nothing more."""
    files = {name: installation.directory / name for name in ("expect.toml", "monitor.state", "log.vkey")}
    files["expect.toml"].write_text(EXPECT, encoding="utf-8")
    look = ("log", "monitor", "--state", files["monitor.state"], "--log-key", files["log.vkey"],
            "--expect", files["expect.toml"], "--json")  # fmt: skip
    first = installation.run(*look)
    told = [json.loads(line) for line in first.stdout.splitlines()]
    assert (first.returncode, first.stderr) == (1, "")
    # What init made is told; the key is what the expectations are about, and its signature too.
    assert [each["why"] for each in told] == [
        "api-token-created", "server-certificate-imported", "policy-applied", "policy-applied", "certificate-issued",
    ]  # fmt: skip
    again = installation.run(*look)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def doctor(installation: Installation) -> str:
    return installation.run("doctor", "--config", installation.config).stdout


def refused_signature(installation: Installation) -> str:
    path = installation.directory / "another"
    path.write_bytes(ArtifactBuilder(name="another").build())
    done = installation.run("sign", path, "--key", "firmware", "-o", f"{path}.signed")
    assert done.returncode != 0
    return done.stderr


class Moving:
    """Databases of one kind, into which backups of the installation are put, one after the other."""

    def __init__(self, installation: Installation, cluster: Cluster | None) -> None:
        self._installation, self._cluster = installation, cluster

    def back_up(self, folder: Path) -> None:
        done = command("backup", folder, "--config", self._installation.config)
        assert done.returncode == 0, done.stderr

    def put_back(self, folder: Path) -> str:
        """What ``restore`` says."""
        config = self._installation.config
        if self._cluster is not None:
            url = self._cluster.create_database(f"witnessed_{next(_numbers)}")
            config.write_text(re.sub(r'url = "(sqlite|postgresql)[^"]*"', f'url = "{url}"', config.read_text()))
        done = command("restore", folder, "--config", config)
        assert done.returncode == 0, done.stderr
        return done.stderr


@pytest.fixture(params=("sqlite", "postgresql"))
def moving(request: pytest.FixtureRequest, site: tuple[Installation, RunningWitness], tmp_path: Path) -> Moving:
    """The installation's records in a database of each kind."""
    cluster = request.getfixturevalue("postgres_cluster") if request.param == "postgresql" else None
    moved = Moving(site[0], cluster)
    moved.back_up(tmp_path / "first")
    moved.put_back(tmp_path / "first")
    return moved


def test_sign_waits_for_the_witness_and_an_older_backup_is_found_without_a_checkpoint_file(
    site: tuple[Installation, RunningWitness], moving: Moving, tmp_path: Path
) -> None:
    installation, witness = site
    demand = ("--witness", str(witness.key), "--witnesses", "1")
    with running(installation):
        assert installation.run("keys", "create", "firmware", "--algorithm", "ecdsa-p256").returncode == 0
        moving.back_up(tmp_path / "older")
        sign(installation, "release-1", *demand)
        with installation.http() as client:
            (installation.directory / "firmware.pem").write_bytes(
                client.get("/v1/keys/firmware/versions/1/public-key").content
            )
    session = artifact_verify(
        "--key", "firmware.pem", "--log-key", "log.vkey", *demand, "--proof", "release-1.proof", "release-1.signed",
        cwd=installation.directory, stdin=b"",
    )  # fmt: skip
    assert (session.code, session.stderr) == (0, "")
    # Nothing of this machine remembers the signature any more.
    for path in [*installation.directory.glob("log.checkpoint*"), *installation.directory.glob("*.sqlite*")]:
        path.unlink()
    assert "nothing here tells whether the backup is the newest" in moving.put_back(tmp_path / "older")
    assert command("log", "resume", "--no-file", "--config", installation.config).returncode == 0
    with stopped_by_its_witness(installation):
        assert "the witness second does not sign: log-rolled-back" in doctor(installation)


def test_a_witness_that_is_gone_delays_nothing(site: tuple[Installation, RunningWitness]) -> None:
    installation, witness = site
    witness.kill()
    with running(installation):
        assert installation.run("keys", "create", "firmware", "--algorithm", "ecdsa-p256").returncode == 0
        sign(installation, "release-2")
        until(lambda: "does not sign: witness-unreachable" in installation.log.read_text(encoding="utf-8"))
        sign(installation, "release-3")
        assert "warning witnesses: the witness second does not sign: witness-unreachable" in doctor(installation)
