"""A certificate in the place of an API token: what the command line shows, and what it does not even try."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from signer.answers import ClientError
from signer.cli.connection import connected
from signer.cli.main import run
from signer.client import Client, ClientSettings
from signer.client_credentials import ClientCertificate
from signer.domain.client_cas import read_client_ca
from signer.domain.client_choices import CaUse, IdentityField
from signer.web.environ import PEER_CERTIFICATE
from tests.support.certificates import server_context
from tests.support.client_cas import DAY, PRESENT, Wanted, new_ca
from tests.support.serving import Serving, serving

CA = new_ca()
CLIENT, OTHER = CA.issue(), new_ca("other")


async def who(scope: Any, _receive: Any, send: Any) -> None:
    """Tells what it was shown."""
    der = scope.get(PEER_CERTIFICATE)
    authorization = dict(scope["headers"]).get(b"authorization")
    told = {
        "sha256": None if der is None else hashlib.sha256(der).hexdigest(),
        "authorization": None if authorization is None else authorization.decode(),
    }
    body = json.dumps(told).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Serving]:
    ca = read_client_ca(CA.pem, name="clients", use=CaUse.IDENTITY, field=IdentityField.CN)
    with serving(who, tls=server_context(tmp_path, [ca])) as made:
        yield made


@pytest.fixture
def settings(service: Serving, tmp_path: Path) -> ClientSettings:
    url = f"https://localhost:{service.address[1]}"
    return ClientSettings(url=url, api_token=None, ca_file=tmp_path / "server.crt", timeout=20.0)


def files(directory: Path, *, joined: bool = False) -> ClientCertificate:
    certificate, key = CLIENT.write(directory)
    if joined:
        certificate.write_bytes(CLIENT.pem + key.read_bytes())
        key.unlink()
    return ClientCertificate(certificate=certificate, key=None if joined else key)


@pytest.mark.parametrize("joined", [False, True], ids=["in two files", "in one file"])
def test_a_certificate_is_shown_and_no_token_is_sent(settings: ClientSettings, tmp_path: Path, joined: bool) -> None:
    with Client(settings.with_certificate(files(tmp_path, joined=joined))) as client:
        told = client.read("/")
    assert told == {"sha256": hashlib.sha256(CLIENT.der).hexdigest(), "authorization": None}


def test_without_one_none_is_shown(settings: ClientSettings) -> None:
    with Client(settings) as client:
        assert client.read("/")["sha256"] is None


@pytest.mark.parametrize(
    "issued", [OTHER.issue(), CA.issue(Wanted(ends=PRESENT - DAY / 2))], ids=["of another CA", "expired"]
)
def test_where_the_service_ends_the_handshake_its_log_is_named(
    settings: ClientSettings, tmp_path: Path, issued: Any
) -> None:
    certificate, key = issued.write(tmp_path)
    shown = ClientCertificate(certificate=certificate, key=key)
    with Client(settings.with_certificate(shown)) as client, pytest.raises(ClientError) as refused:
        client.read("/")
    assert "its log says why" in str(refused.value.hint)


def _encrypted(directory: Path) -> ClientCertificate:
    made = files(directory)
    command = [
        "openssl",
        "ec",
        "-in",
        str(made.key),
        "-aes256",
        "-passout",
        "pass:x",
        "-out",
        directory / "encrypted.key",
    ]
    subprocess.run(command, check=True, capture_output=True)
    return ClientCertificate(certificate=made.certificate, key=directory / "encrypted.key")


def _of_another(directory: Path) -> ClientCertificate:
    _, key = OTHER.issuer.write(directory, "other")
    return ClientCertificate(certificate=files(directory).certificate, key=key)


def _no_pem(directory: Path) -> ClientCertificate:
    (directory / "der").write_bytes(CLIENT.der)
    return ClientCertificate(certificate=directory / "der", key=None)


UNUSABLE: dict[str, tuple[Callable[[Path], ClientCertificate], str]] = {
    "a file that is not there": (
        lambda directory: ClientCertificate(certificate=directory / "none", key=None),
        "No such file or directory",
    ),
    "a key that is not there": (
        lambda directory: ClientCertificate(certificate=files(directory).certificate, key=directory / "none"),
        "No such file or directory",
    ),
    "no key at all": (
        lambda directory: ClientCertificate(certificate=files(directory).certificate, key=None),
        "is not PEM",
    ),
    "the key of another": (_of_another, "the key is that of another certificate"),
    "a key with a password, which nobody is asked for": (_encrypted, "its key is encrypted"),
    "a certificate that is not PEM": (_no_pem, "is not PEM"),
    "a directory": (lambda directory: ClientCertificate(certificate=directory, key=None), "cannot be used"),
}


@pytest.mark.parametrize("sentence", UNUSABLE)
def test_it_cannot_be_used(settings: ClientSettings, tmp_path: Path, sentence: str) -> None:
    make, says = UNUSABLE[sentence]
    with pytest.raises(ClientError, match=says):
        Client(settings.with_certificate(make(tmp_path)))


def test_it_is_not_shown_over_plain_http(settings: ClientSettings, tmp_path: Path) -> None:
    plain = ClientSettings(url="http://127.0.0.1:1", api_token=None, ca_file=None, certificate=files(tmp_path))
    with pytest.raises(ClientError, match="over https only"):
        Client(plain)


CLEARED = ("API_TOKEN", "API_TOKEN_FILE", "CA_FILE", "CLIENT_CERTIFICATE", "CLIENT_KEY", "CI_TOKEN")


@pytest.fixture
def environment(settings: ClientSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Of a shell in which only the service is known."""
    for name in (*(f"ARTIFACT_SIGNER_{name}" for name in CLEARED), "ACTIONS_ID_TOKEN_REQUEST_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ARTIFACT_SIGNER_URL", settings.url)
    monkeypatch.setenv("ARTIFACT_SIGNER_CA_FILE", str(tmp_path / "server.crt"))
    return monkeypatch


def test_the_environment_names_it(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shown = files(tmp_path)
    environment.setenv("ARTIFACT_SIGNER_CLIENT_CERTIFICATE", str(shown.certificate))
    environment.setenv("ARTIFACT_SIGNER_CLIENT_KEY", str(shown.key))
    with connected() as client:
        assert client.read("/")["sha256"] is not None


def test_what_a_command_names_wins_over_a_token(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("ARTIFACT_SIGNER_API_TOKEN", "secret")
    with connected(files(tmp_path)) as client:
        told = client.read("/")
    assert (told["sha256"] is not None, told["authorization"]) == (True, None)


REFUSED: dict[str, tuple[dict[str, str], str]] = {
    "nothing": ({}, "or set ARTIFACT_SIGNER_CLIENT_CERTIFICATE"),
    "a key alone": ({"CLIENT_KEY": "client.key"}, "without ARTIFACT_SIGNER_CLIENT_CERTIFICATE"),
    "a certificate and an API token": (
        {"CLIENT_CERTIFICATE": "client.crt", "CLIENT_KEY": "client.key", "API_TOKEN": "hunter2"},
        "both an API token and",
    ),
    "a certificate that is not there": ({"CLIENT_CERTIFICATE": "nowhere.crt"}, "nowhere.crt cannot be used"),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_a_command_is_not_even_sent(
    environment: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], sentence: str
) -> None:
    variables, says = REFUSED[sentence]
    environment.chdir(tmp_path)
    CLIENT.write(tmp_path)
    for name, value in variables.items():
        environment.setenv(f"ARTIFACT_SIGNER_{name}", value)
    code = run(["keys", "list"])
    out, err = capsys.readouterr()
    assert (code, out, says in err) == (3, "", True), err
    assert "hunter2" not in err


def test_a_key_without_a_certificate_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "release.mender").touch()
    code = run(["sign", str(tmp_path / "release.mender"), "--key", "k", "-o", "out", "--client-key", "client.key"])
    assert (code, "--client-key needs --client-certificate" in capsys.readouterr().err) == (2, True)
