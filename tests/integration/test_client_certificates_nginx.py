"""Client certificates that nginx was shown: what it tells over the gateway socket, and what nobody else tells."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.hsm.children import wait_until
from tests.integration.mutual_tls import (
    BUILD,
    BUILDS,
    FORGED,
    IDENTITY,
    KNOWN,
    Row,
    bearer,
    by_tls,
    code,
    trust,
)
from tests.integration.running import Installation, free_port, initialise, running
from tests.support.client_cas import Wanted, new_ca

pytestmark = pytest.mark.slow

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    installation = initialise(tmp_path_factory.mktemp("nginx"))
    trust(installation, builds=(BUILDS, IDENTITY))
    with running(installation, SERVER_WORKERS="1", SERVER_CERTIFICATE_HEADER="nginx"):
        yield installation


NGINX_CONFIG = """
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {service}/cert.crt;
        ssl_certificate_key {service}/private.key;
        ssl_client_certificate {service}/builds.pem;
        ssl_verify_client {verify};
        location / {{
            proxy_pass http://unix:{service}/gateway.sock;
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-SSL-Client-Cert $ssl_client_escaped_cert;
            proxy_set_header X-SSL-Client-Verify $ssl_client_verify;
            proxy_set_header Client-Cert "";
            proxy_set_header Client-Cert-Chain "";
        }}
    }}
}}
"""


@contextmanager
def nginx(service: Installation, directory: Path, verify: str) -> Iterator[Installation]:
    """nginx before the service; an installation that is reached by it."""
    if not Path(NGINX).exists():
        pytest.skip("nginx is not installed")
    port = free_port()
    config = directory / "nginx.conf"
    # Its workers drop to another user where it is root, who may not open the socket.
    config.write_text(
        ("user root;\n" if os.getuid() == 0 else "")
        + NGINX_CONFIG.format(directory=directory, service=service.directory, port=port, verify=verify)
    )
    process = subprocess.Popen([NGINX, "-c", config, "-e", directory / "start.log"], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _listens(port))
        yield Installation(directory=service.directory, port=port)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _listens(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def verifying(service: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with nginx(service, tmp_path_factory.mktemp("nginx"), "optional") as proxy:
        yield proxy


@pytest.fixture(scope="module")
def careless(service: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with nginx(service, tmp_path_factory.mktemp("nginx"), "optional_no_ca") as proxy:
        yield proxy


BEHIND_NGINX = {
    "a good certificate": Row(issued=BUILD, code=""),
    "an API token": Row(issued=None, code="", token=True),
    "nothing": Row(issued=None, code="credentials-missing"),
    "both": Row(issued=BUILD, code="credentials-ambiguous", token=True),
    "one without the extended key usage": Row(
        issued=BUILDS.issue(Wanted(uses=None)), code="client-certificate-rejected"
    ),
    "one that names nobody": Row(
        issued=BUILDS.issue(Wanted(alternatives=None)), code="client-certificate-name-missing"
    ),
}


@pytest.mark.parametrize("sentence", BEHIND_NGINX)
def test_behind_nginx_a_request_is_made_by(verifying: Installation, tmp_path: Path, sentence: str) -> None:
    row = BEHIND_NGINX[sentence]
    with by_tls(verifying, row.issued, tmp_path, bearer(verifying) if row.token else None) as http:
        assert code(http.get(KNOWN)) == row.code


@pytest.mark.parametrize("sentence", FORGED)
def test_nginx_lets_nothing_forged_through(verifying: Installation, tmp_path: Path, sentence: str) -> None:
    with by_tls(verifying, None, tmp_path) as http:
        assert code(http.get(KNOWN, headers=FORGED[sentence])) == "credentials-missing"


UNVERIFIED = {
    "another CA's": (new_ca("strangers").issue(), "certificate-header-unverified"),
    "one of its own": (new_ca("own", wanted=Wanted()).issuer, "certificate-header-unverified"),
    "a good one": (BUILD, ""),
}


@pytest.mark.parametrize("sentence", UNVERIFIED)
def test_nginx_that_does_not_verify_makes_nobody_of(careless: Installation, tmp_path: Path, sentence: str) -> None:
    issued, refused = UNVERIFIED[sentence]
    with by_tls(careless, issued, tmp_path) as http:
        assert code(http.get(KNOWN)) == refused
