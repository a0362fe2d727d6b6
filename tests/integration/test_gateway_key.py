"""nginx whose own TLS key lies in a SoftHSM token of its own, by OpenSSL's engine."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from signer.gateway.inputs import Place, Upstream
from signer.gateway.key_uri import TlsKeyUri
from signer.gateway.nginx import nginx_configuration
from tests.integration.running import free_port
from tests.signer.gateway.plans import planned
from tests.support.certificates import self_signed
from tests.support.gateway_site import Answering, answering_server, nginx
from tests.support.own_token import LABEL, OwnToken, own_token

SERVICE = {"softhsm": "pkcs11:token=artifact-signer?module-path=/usr/lib/softhsm/libsofthsm2.so"}


@pytest.fixture
def token(tmp_path: Path) -> OwnToken:
    (tmp_path / "token").mkdir()
    return own_token(tmp_path / "token")


@pytest.fixture
def port(tmp_path: Path, token: OwnToken) -> Iterator[int]:
    """Where nginx listens; no file holds its key."""
    certificate, file = self_signed(tmp_path, "gateway")
    token.take(load_pem_private_key(file.read_bytes(), None), "tls", "01")
    file.unlink()
    uri = f"pkcs11:token={LABEL};object=tls;type=private?pin-source=file:{token.pin_file}"
    chosen, service = free_port(), Answering()
    with answering_server(service, path=tmp_path / "gateway.sock"), answering_server(Answering()) as behind:
        written = nginx_configuration(
            planned(
                listen=Place(host="127.0.0.1", port=chosen),
                upstream=Upstream.parse(f"http://127.0.0.1:{behind}"),
                gateway_socket=tmp_path / "gateway.sock",
                certificate=certificate,
                private_key=None,
                tls_key=TlsKeyUri.parse(uri, configured=SERVICE),
            )
        )
        with nginx(tmp_path, written, chosen, environment=token.environment):
            yield chosen


def test_it_answers_with_the_certificate_of_that_key(port: int, tmp_path: Path) -> None:
    context = ssl.create_default_context(cafile=str(tmp_path / "gateway.crt"))
    with httpx.Client(base_url=f"https://localhost:{port}", verify=context, timeout=30) as http:
        answers = [http.get("/api/devices/v1/x", headers={"Authorization": "Bearer a.b.c"}) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {200}
    shown = x509.load_pem_x509_certificate(ssl.get_server_certificate(("127.0.0.1", port)).encode())
    assert shown == x509.load_pem_x509_certificate((tmp_path / "gateway.crt").read_bytes())
    assert not list(tmp_path.glob("**/*.key"))
