"""A SoftHSM token that belongs to somebody else than the service, and OpenSSL's engine that reaches it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from signer.installation import SOFTHSM_MODULES

PIN = "8421"
LABEL = "gw"
ENGINES = tuple(Path("/usr/lib").glob("*/engines-*/pkcs11.so"))
OPENSSL = """\
openssl_conf = openssl_init
[openssl_init]
engines = engines
[engines]
pkcs11 = pkcs11
[pkcs11]
engine_id = pkcs11
MODULE_PATH = {module}
init = {init}
"""


@dataclass(frozen=True, slots=True)
class OwnToken:
    """A store with one token in ``directory``, and the variables by which programs reach it."""

    directory: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """For a program that has the engine started for it."""
        return {
            "SOFTHSM2_CONF": str(self.directory / "softhsm2.conf"),
            "OPENSSL_CONF": str(self.directory / "openssl.cnf"),
        }

    @property
    def pin_file(self) -> Path:
        """Holds its PIN."""
        return self.directory / "pin"

    def take(self, key: PrivateKeyTypes, label: str, number: str) -> None:
        """Put a key into it."""
        file = self.directory / f"{label}.pem"
        file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self._util("--import", file, "--token", LABEL, "--label", label, "--id", number, "--pin", PIN)
        file.unlink()

    def make(self) -> None:
        """Make the store."""
        (self.directory / "tokens").mkdir()
        (self.directory / "softhsm2.conf").write_text(
            f"directories.tokendir = {self.directory}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"
        )
        self.pin_file.write_text(PIN)
        self._util("--init-token", "--free", "--label", LABEL, "--pin", PIN, "--so-pin", PIN)

    def start_engine(self, *, init: int) -> None:
        """Say how OpenSSL starts the engine."""
        module = next(path for path in SOFTHSM_MODULES if path.exists())
        (self.directory / "openssl.cnf").write_text(OPENSSL.format(module=module, init=init))

    def _util(self, *arguments: str | Path) -> None:
        subprocess.run(["softhsm2-util", *arguments], check=True, capture_output=True, env={**self.environment})


def own_token(directory: Path) -> OwnToken:
    """A new one, or the test is skipped."""
    if not ENGINES:
        pytest.skip("OpenSSL's engine for PKCS#11 is not installed")
    token = OwnToken(directory)
    token.make()
    token.start_engine(init=1)
    return token
