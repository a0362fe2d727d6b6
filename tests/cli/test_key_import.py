"""``artifact-signer keys import`` as an operator sees it, on an installation of its own with SoftHSM."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import PrivateFormat

from hsm import Algorithm
from signer.cli.main import run
from signer.config import load_settings
from signer.storage.database import Database
from signer.storage.key_store import SqlKeyStore
from tests.integration.running import Installation, initialise
from tests.support.clock import ManualClock
from tests.support.key_files import PASSPHRASE, key_file, pem, private_key, public_pem

P256, RSA = Algorithm.ECDSA_P256, Algorithm.RSA_2048
FLEET, OTHER = private_key(P256, 21), private_key(P256, 22)
LEGACY = PrivateFormat.TraditionalOpenSSL

Result = tuple[int, str, str]
Import = Callable[..., Result]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return initialise(tmp_path_factory.mktemp("import") / "installation")


@pytest.fixture
def take(installation: Installation, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Import:
    """Runs the command on the installation; gives exit code and both outputs."""
    monkeypatch.delenv("ARTIFACT_SIGNER_CA_FILE", raising=False)

    def taken(*arguments: object, config: bool = True) -> Result:
        where = ["--config", str(installation.config)] if config else []
        code = run(["keys", "import", *map(str, arguments), *where])
        return code, *capfd.readouterr()

    return taken


def names(installation: Installation) -> set[str]:
    """The keys on record."""
    with closing(Database(load_settings(installation.config, {}).database)) as database:
        return {key.name for key in SqlKeyStore(database=database, clock=ManualClock()).all_keys()}


def test_a_key_comes_in_and_what_that_means_is_said(take: Import, tmp_path: Path) -> None:
    file = key_file(tmp_path / "fleet.pem", pem(FLEET, LEGACY))
    code, out, err = take("fleet", "--private-key", file)
    assert code == 0, err
    assert out.startswith("key fleet: ecdsa-p256, purpose artifact, tokens softhsm\n")
    assert "version 1 is imported: its private key was once in a file, and whoever has a copy signs as it" in out
    assert f"artifact-signer: {file} is needed no more: when the tokens are backed up, remove it" in err
    assert file.exists()


def test_an_encrypted_key_comes_in_with_its_passphrase_and_a_certain_public_key(take: Import, tmp_path: Path) -> None:
    file = key_file(tmp_path / "key.pem", pem(private_key(RSA), passphrase=PASSPHRASE))
    passphrase = key_file(tmp_path / "passphrase", PASSPHRASE + b"\n")
    passphrase.chmod(0o644)
    expected = key_file(tmp_path / "public.pem", public_pem(private_key(RSA)))
    code, out, err = take(
        "encrypted", "--private-key", file, "--passphrase-file", passphrase, "--public-key", expected, "--json"
    )
    assert code == 0, err
    (version,) = json.loads(out)["versions"]
    assert (version["origin"], version["state"]) == ("imported", "active")
    assert f"warning: {passphrase} can be read by others than its owner" in err


def test_a_public_key_comes_in_as_a_version_that_verifies(take: Import, tmp_path: Path) -> None:
    code, out, err = take("elsewhere", "--public-key", key_file(tmp_path / "public.pem", public_pem(OTHER)))
    assert code == 0, err
    assert "1        previous" in out
    assert "version 1 is a public key alone: its private key is not in a token of this service, it only verifies" in out
    assert "shred" not in err


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A file and options that bring nothing in. ``says``: part of standard error."""

    says: str
    content: bytes = pem(OTHER)
    options: tuple[str, ...] = ()
    mode: int = 0o600
    code: int = 1


REFUSED = {
    "a file that everybody reads": Refused(mode=0o644, says="others than its owner may read the private key"),
    "a file that a group reads": Refused(mode=0o640, says="(mode 0640)"),
    "a private key that is not the public key's": Refused(
        options=("--public-key", "other.pub"), says="its public key is another one than the given one"
    ),
    "a passphrase that is wrong": Refused(
        content=pem(OTHER, passphrase=PASSPHRASE), options=("--passphrase-file", "wrong"), says="does not open"
    ),
    "an encrypted key without a passphrase": Refused(
        content=pem(OTHER, passphrase=PASSPHRASE), says="--passphrase-file FILE"
    ),
    "a key and something else": Refused(content=pem(OTHER) + b"more", says="one private key in PEM and nothing else"),
    "a file that never ends": Refused(content=b"x" * 40_000, says="more than 32768 bytes"),
    "a file that is not there": Refused(options=("--private-key", "/nowhere.pem"), says="no such file"),
    "a folder": Refused(options=("--private-key", "."), says="is a directory", code=2),
    "a purpose that is never imported": Refused(options=("--purpose", "log"), says="invalid value", code=2),
    "a passphrase and no private key": Refused(options=(), says="--passphrase-file goes with --private-key", code=2),
}


@pytest.mark.parametrize("row", REFUSED)
def test_what_must_not_come_in_leaves_nothing(
    take: Import, installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: str
) -> None:
    refused = REFUSED[row]
    monkeypatch.chdir(tmp_path)
    key_file(Path("other.pub"), public_pem(FLEET))
    key_file(Path("wrong"), b"wrong")
    file = key_file(Path("key.pem"), refused.content)
    file.chmod(refused.mode)
    before = names(installation)
    given = ["--private-key", file] if refused.says != REFUSED["a passphrase and no private key"].says else []
    options = refused.options or (("--passphrase-file", "wrong", "--public-key", "other.pub") if not given else ())
    code, out, err = take("refused", *given, *options)
    assert (code, out) == (refused.code, ""), err
    assert refused.says.lower() in err.lower()
    assert names(installation) == before
    assert file.read_bytes() == refused.content


class TestWhichInstallation:
    def test_a_private_key_travels_to_no_service(self, take: Import, tmp_path: Path) -> None:
        file = key_file(tmp_path / "key.pem", pem(OTHER))
        code, _, err = take("x", "--private-key", file, config=False)
        assert (code, "travels to no service" in err) == (2, True)

    def test_the_certificate_of_another_place_is_no_installation(
        self, take: Import, installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "artifact-signer.toml").write_bytes(Path(installation.config).read_bytes())
        (tmp_path / "other.crt").write_bytes((installation.directory / "cert.crt").read_bytes())
        monkeypatch.setenv("ARTIFACT_SIGNER_CA_FILE", str(tmp_path / "other.crt"))
        file = key_file(tmp_path / "key.pem", pem(OTHER))
        code, _, err = take("x", "--private-key", file, config=False)
        assert (code, "travels to no service" in err) == (2, True)

    def test_the_one_that_the_clients_environment_points_to_is_taken_and_named(
        self, take: Import, installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ARTIFACT_SIGNER_CA_FILE", str(installation.directory / "cert.crt"))
        file = key_file(tmp_path / "key.pem", pem(private_key(P256, 23)))
        code, _, err = take("here", "--private-key", file, config=False)
        assert code == 0, err
        assert f"imports into the installation of {installation.config}" in err
