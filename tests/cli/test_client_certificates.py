"""Sessions with ``client-certificates``: whom a certificate makes of a request, and revoking it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from signer.cli.main import run
from signer.storage.database import Database
from tests.support.client_cas import SPIFFE, Wanted, new_ca
from tests.support.databases import settings

BUILDS, DEVICES, STRANGER = new_ca("builds"), new_ca("devices"), new_ca("builds")
BUILD = BUILDS.issue()
CONFIG = """\
[database]
url = "sqlite:///signer.sqlite"
[[tokens]]
name = "unreached"
uri = "pkcs11:token=t?module-path=/nonexistent.so"
pin = { env = "PIN" }
[[client_ca]]
name = "builds"
file = "builds.pem"
use = "identity"
field = "san-uri"
[[client_ca]]
name = "devices"
file = "devices.pem"
use = "device"
"""
Session = Callable[..., tuple[int, str, str]]


@pytest.fixture
def session(sqlite_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Session:
    del sqlite_url
    Database(settings(f"sqlite:///{tmp_path}/signer.sqlite")).close()
    BUILDS.write(tmp_path, "builds")
    DEVICES.write(tmp_path, "devices")
    config = tmp_path / "artifact-signer.toml"
    config.write_text(CONFIG)

    def ran(*arguments: str | Path) -> tuple[int, str, str]:
        code = run(["client-certificates", *map(str, arguments), "--config", str(config)])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return ran


FORMS = {
    "PEM": BUILD.pem,
    "DER": BUILD.der,
    "PEM with its issuer after it": BUILD.pem + BUILDS.pem,
}


@pytest.mark.parametrize("form", FORMS)
def test_a_certificate_is_shown(session: Session, tmp_path: Path, form: str) -> None:
    (tmp_path / "client").write_bytes(FORMS[form])
    code, out, err = session("show", tmp_path / "client", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert (told["identity"], told["serial"]) == (f"mtls:builds:{SPIFFE}", BUILD.serial)


def test_a_certificate_is_shown_as_a_table(session: Session, tmp_path: Path) -> None:
    (tmp_path / "client").write_bytes(DEVICES.issue().pem)
    code, out, _ = session("show", tmp_path / "client")
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    assert (code, rows["ca"], rows["use"]) == (0, ["devices"], ["device"])
    assert BUILD.serial not in out


REFUSED = {
    "of another CA of the same name": (STRANGER.issue().pem, "no CA that the service knows has issued"),
    "that names nobody": (BUILDS.issue(Wanted(alternatives=None)).pem, "0 values of san-uri"),
    "for servers": (BUILDS.issue(Wanted(uses=None)).pem, "clientAuth"),
    "that is a CA's": (BUILDS.pem, "it is that of a CA, which is nobody"),
    "that is none": (b"hello", "cannot be read"),
    "that is a key": (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "cannot be read"),
    "that is empty": (b"", "cannot be read"),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_a_certificate_makes_nobody(session: Session, tmp_path: Path, sentence: str) -> None:
    content, says = REFUSED[sentence]
    (tmp_path / "client").write_bytes(content)
    code, out, err = session("show", tmp_path / "client")
    assert (code, out) == (1, "")
    assert says in err


def test_a_ca_that_cannot_be_read_is_named(session: Session, tmp_path: Path) -> None:
    (tmp_path / "builds.pem").unlink()
    (tmp_path / "client").write_bytes(BUILD.pem)
    code, _, err = session("show", tmp_path / "client")
    assert (code, "the client CA builds cannot be used" in err) == (1, True)


def test_one_is_revoked_and_listed(session: Session) -> None:
    assert session("list")[1].splitlines() == ["CA  SERIAL  REVOKED  ACTOR  REASON"]
    assert session("revoke", "builds", "0A:3F", "--reason", "stolen") == (
        0,
        "",
        "artifact-signer: revoked certificate 0A:3F of builds\n",
    )
    again = session("revoke", "builds", "a3f", "--reason", "stolen")
    assert again[2] == "artifact-signer: certificate a3f of builds was revoked before\n"
    (row,) = json.loads(session("list", "--json")[1])["revoked_certificates"]
    assert (row["ca"], row["serial"], row["reason"]) == ("builds", "a3f", "stolen")
    assert row["actor"] == "artifact-signer client-certificates revoke"


NOT_REVOKED = {
    "of a CA that is not configured": (["build", "a3f", "--reason", "x"], 1, "there is no client CA build"),
    "by something else than a number": (["builds", "laptop", "--reason", "x"], 1, "the serial number is not one"),
    "without a reason": (["builds", "a3f"], 2, "--reason"),
    "with an empty reason": (["builds", "a3f", "--reason", ""], 1, "reason"),
}


@pytest.mark.parametrize("sentence", NOT_REVOKED)
def test_nothing_is_revoked(session: Session, sentence: str) -> None:
    arguments, exit_code, says = NOT_REVOKED[sentence]
    code, out, err = session("revoke", *arguments)
    assert (code, out, says in err) == (exit_code, "", True), err
    assert json.loads(session("list", "--json")[1]) == {"revoked_certificates": []}
