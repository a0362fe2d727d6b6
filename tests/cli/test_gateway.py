"""Sessions with ``gateway config``."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from signer.cli.main import run

CONFIG = """\
[server]
gateway_socket = "gateway.sock"
[[tokens]]
name = "hsm"
uri = "pkcs11:token=vault?module-path=/nonexistent.so"
pin = { env = "PIN" }
"""
USUAL = ("--listen", "192.0.2.1:443", "--upstream", "https://mender.example")
Session = Callable[..., tuple[int, str, str]]


@pytest.fixture
def session(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Session:
    config = tmp_path / "artifact-signer.toml"
    config.write_text(CONFIG)

    def ran(*arguments: str, text: str = CONFIG) -> tuple[int, str, str]:
        config.write_text(text)
        code = run(["gateway", "config", *arguments, "--config", str(config)])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return ran


def test_nginx_gets_the_socket_and_the_certificate_of_the_service(session: Session, tmp_path: Path) -> None:
    code, out, err = session("--nginx", *USUAL)
    assert (code, err) == (0, "")
    assert f'server "unix:{tmp_path}/gateway.sock";' in out
    assert f'ssl_certificate "{tmp_path}/cert.crt";' in out
    assert f'ssl_certificate_key "{tmp_path}/private.key";' in out
    assert out.endswith("}\n")


def test_nginx_gets_a_key_in_a_token_of_its_own(session: Session) -> None:
    code, out, _ = session("--nginx", *USUAL, "--certificate", "/g.crt", "--tls-key", "pkcs11:token=gw;object=tls")
    assert code == 0
    assert 'ssl_certificate_key "engine:pkcs11:pkcs11:token=gw;object=tls";' in out


def test_traefik_gets_toml_with_the_relay(session: Session) -> None:
    code, out, err = session("--traefik", *USUAL, "--relay", "127.0.0.1:9000")
    assert (code, err) == (0, "")
    servers = tomllib.loads(out)["http"]["services"]["artifact-signer"]["loadBalancer"]["servers"]
    assert servers == [{"url": "http://127.0.0.1:9000"}]


def test_a_server_behind_that_can_be_listened_to_is_told_of(session: Session) -> None:
    code, out, err = session("--nginx", "--listen", "192.0.2.1:443", "--upstream", "http://mender:8080")
    assert code == 0
    assert "server mender:8080;" in out
    assert err.startswith("artifact-signer: what goes to http://mender:8080 can be read on the way, tokens too")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A command that is refused, with its exit code and what it says."""

    arguments: tuple[str, ...]
    code: int
    says: str
    config: str = CONFIG


REFUSED = {
    "no program": Row(arguments=USUAL, code=2, says="needs either --nginx or --traefik"),
    "two programs": Row(arguments=("--nginx", "--traefik", *USUAL), code=2, says="needs either --nginx or --traefik"),
    "a certificate without a key": Row(
        arguments=("--nginx", *USUAL, "--certificate", "/g.crt"), code=2, says="a certificate goes with its key"
    ),
    "a key without a certificate": Row(
        arguments=("--nginx", *USUAL, "--private-key", "/g.key"), code=2, says="a certificate goes with its key"
    ),
    "a key in a token for the service's certificate": Row(
        arguments=("--nginx", *USUAL, "--tls-key", "pkcs11:token=gw;object=tls"),
        code=2,
        says="a certificate goes with its key",
    ),
    "two keys": Row(
        arguments=(
            "--nginx",
            *USUAL,
            "--certificate",
            "/g.crt",
            "--private-key",
            "/k",
            "--tls-key",
            "pkcs11:token=g;id=1",
        ),
        code=2,
        says="takes one key",
    ),
    "a key in a token for Traefik": Row(
        arguments=("--traefik", *USUAL, "--certificate", "/g.crt", "--tls-key", "pkcs11:token=g;id=1"),
        code=2,
        says="Traefik reads no key from a token",
    ),
    "a key in a token of the service": Row(
        arguments=("--nginx", *USUAL, "--certificate", "/g.crt", "--tls-key", "pkcs11:token=vault;object=tls"),
        code=1,
        says="artifact-signer: --tls-key may mean the token hsm of the service: give the gateway a token of its own\n",
    ),
    "a place that is none": Row(
        arguments=("--nginx", "--listen", "443", "--upstream", "https://mender.example"),
        code=1,
        says="artifact-signer: --listen must be HOST:PORT or [IPV6]:PORT\n",
    ),
    "an upstream with a path": Row(
        arguments=("--nginx", "--listen", "192.0.2.1:443", "--upstream", "https://mender.example/a"),
        code=1,
        says="artifact-signer: --upstream must have no path: paths go on as they come\n",
    ),
    "a file with a directive in its name": Row(
        arguments=("--nginx", *USUAL, "--client-ca", "/a;b.pem"), code=1, says="--client-ca names a file whose path"
    ),
    "an installation without a socket for gateways": Row(
        arguments=("--nginx", *USUAL),
        code=1,
        says="artifact-signer: server.gateway_socket is not set: a gateway has no way in\n",
        config=CONFIG.replace('gateway_socket = "gateway.sock"', ""),
    ),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_refused_is(session: Session, sentence: str) -> None:
    row = REFUSED[sentence]
    code, out, err = session(*row.arguments, text=row.config)
    assert (code, out) == (row.code, "")
    assert row.says in err
