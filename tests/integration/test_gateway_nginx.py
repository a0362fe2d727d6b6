"""nginx with the written configuration: who gets where, with whose words, and what the answers of checks become."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from signer.gateway.inputs import Place, Upstream
from signer.gateway.nginx import nginx_configuration
from tests.integration.running import free_port
from tests.signer.gateway.plans import planned
from tests.support.certificates import self_signed
from tests.support.client_cas import new_ca
from tests.support.gateway_site import Answering, answering_server, nginx

DEVICE, USER = "/_artifact_signer/device", "/_artifact_signer/user"
DEVICE_CHECK, USER_CHECK = "/api/internal/v1/devauth/tokens/verify", "/api/internal/v1/useradm/auth/verify"
INVENTORY = "/api/devices/v1/inventory/device/attributes"
ARTIFACTS = "/api/management/v1/deployments/artifacts"
DEVICES, STRANGER = new_ca("devices"), new_ca("devices")


@dataclass
class Site:
    """nginx, what it asks, and what is behind it."""

    port: int
    certificate: Path
    service: Answering = field(default_factory=Answering)
    backend: Answering = field(default_factory=Answering)
    client: tuple[Path, Path] | None = None

    def forget(self) -> None:
        """As in the beginning."""
        for each in (self.service, self.backend):
            each.seen.clear()
            each.fields, each.body, each.status = {}, b"", lambda _: 200

    def ask(self, method: str, target: str, *lines: str, body: bytes = b"") -> httpx.Response:
        """A request with exactly this target and these header lines."""
        text = f"{method} {target} HTTP/1.1\r\nHost: gateway.example:99\r\nConnection: close\r\n"
        text += "".join(f"{line}\r\n" for line in lines)
        text += f"Content-Length: {len(body)}\r\n\r\n" if body else "\r\n"
        with self._connected() as connection:
            connection.sendall(text.encode("latin-1") + body)
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
        head, _, rest = answer.partition(b"\r\n\r\n")
        status, *fields = head.decode("latin-1").split("\r\n")
        pairs = [tuple(line.split(": ", 1)) for line in fields]
        kept = [(name, value) for name, value in pairs if name.lower() != "transfer-encoding"]
        return httpx.Response(int(status.split()[1]), headers=kept, content=rest)

    def _connected(self) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=str(self.certificate))
        if self.client is not None:
            context.load_cert_chain(*self.client)
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        return context.wrap_socket(plain, server_hostname="localhost")


def _sites(directory: Path, *, client_ca: bool = False) -> Iterator[Site]:
    certificate, key = self_signed(directory, "gateway")
    site = Site(port=free_port(), certificate=certificate)
    if client_ca:
        (directory / "devices.pem").write_bytes(DEVICES.pem)
    with (
        answering_server(site.service, path=directory / "gateway.sock"),
        answering_server(site.backend) as behind,
    ):
        written = nginx_configuration(
            planned(
                listen=Place(host="127.0.0.1", port=site.port),
                upstream=Upstream.parse(f"http://127.0.0.1:{behind}"),
                gateway_socket=directory / "gateway.sock",
                certificate=certificate,
                private_key=key,
                client_ca=directory / "devices.pem" if client_ca else None,
            )
        )
        with nginx(directory, written, site.port):
            yield site


@pytest.fixture(scope="module")
def plain_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from _sites(tmp_path_factory.mktemp("gw"))


@pytest.fixture(scope="module")
def mutual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from _sites(tmp_path_factory.mktemp("gw"), client_ca=True)


@pytest.fixture
def site(plain_site: Site) -> Site:
    plain_site.forget()
    return plain_site


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where a path leads: what the service is asked, and what the server behind it."""

    path: str
    service: tuple[str, ...] = ()
    backend: tuple[str, ...] = ()
    status: int = 200


def behind(path: str, check: str) -> Way:
    return Way(path=path, service=(check,), backend=(path,))


def own(path: str) -> Way:
    return Way(path=path, service=(path,))


def nowhere(path: str, status: int = 404) -> Way:
    return Way(path=path, status=status)


WAYS = {
    "a device's call": behind(INVENTORY, DEVICE_CHECK),
    "a device's call with a query": behind(f"{INVENTORY}?a=/..//%2f", DEVICE_CHECK),
    "a device's call with an encoded name": behind("/api/devices/v1/inventory/a%20b", DEVICE_CHECK),
    "a device's web socket": behind("/api/devices/v1/deviceconnect/connect", DEVICE_CHECK),
    "a user's call": behind(ARTIFACTS, USER_CHECK),
    "a user's web socket": behind("/api/management/v1/deviceconnect/devices/x/connect", USER_CHECK),
    "a signed link": Way(
        path="/api/devices/v1/deployments/download/configuration/x?signature=y",
        backend=("/api/devices/v1/deployments/download/configuration/x?signature=y",),
    ),
    "what begins like a signed link": behind("/api/devices/v1/deployments/downloads", DEVICE_CHECK),
    "an auth request": own("/api/devices/v1/authentication/auth_requests"),
    "the change of a device's key": own("/api/devices/v1/authentication/key"),
    "a login": own("/api/management/v1/useradm/auth/login"),
    "a logout": own("/api/management/v1/useradm/auth/logout"),
    "the users": own("/api/management/v1/useradm/users"),
    "the devices": own("/api/management/v2/devauth/devices?status=pending"),
    "what is for gateways": nowhere(DEVICE_CHECK),
    "the door of devices": nowhere(DEVICE),
    "the door of users": nowhere(USER),
    "the service's own routes": nowhere("/v1/keys"),
    "the start": nowhere("/"),
    "a path that ends where others begin, which nginx leads there": nowhere("/api/devices", 301),
    "a device's path that is a user's, encoded": nowhere("/api/management/..%2fdevices/v1/x", 400),
    "a user's path that is a device's": nowhere("/api/devices/../management/v1/x", 400),
    "a user's path that is a device's, encoded": nowhere("/api/devices/%2e%2e/management/v1/x", 400),
    "what is for gateways, from a device's path": nowhere("/api/devices/../internal/v1/x", 400),
    "what is for gateways, encoded": nowhere("/api/%69nternal/v1/devauth/tokens/verify", 400),
    "what is for gateways, with two slashes": nowhere("/api//internal/v1/x", 400),
    "a backslash": nowhere("/api/devices/v1\\..\\x", 400),
}


@pytest.mark.parametrize("sentence", WAYS)
def test_a_path_leads(site: Site, sentence: str) -> None:
    way = WAYS[sentence]
    assert site.ask("GET", way.path, "Authorization: Bearer a.b.c").status_code == way.status
    assert tuple(site.service.paths()) == way.service
    assert tuple(site.backend.paths()) == way.backend


FORGED = {
    "X-Forwarded-For": "198.51.100.9",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Method": "GET",
    "X-Forwarded-Uri": "/api/devices/v1/x",
    "X-Real-IP": "198.51.100.9",
    "Forwarded": "for=198.51.100.9",
    "X-MEN-RequestID": "mine",
    "X-MEN-RBAC-Inventory-Groups": "all",
    "X-MEN-RBAC-Deployments-Groups": "all",
    "X-MEN-RBAC-Releases-Tags": "all",
    "X-SSL-Client-Cert": "forged",
    "X-SSL-Client-Verify": "SUCCESS",
    "Client-Cert": ":Zm9yZ2Vk:",
    "Client-Cert-Chain": ":Zm9yZ2Vk:",
}
DROPPED = {name for name in FORGED if name.startswith(("X-MEN-RBAC", "X-SSL", "Client", "Forwarded"))}


@pytest.mark.parametrize("path", [INVENTORY, ARTIFACTS, "/api/management/v2/devauth/devices"])
def test_no_word_of_a_client_passes_for_the_gateways(site: Site, path: str) -> None:
    lines = [f"{name}: {value}" for name, value in FORGED.items()]
    lines += [f"{name.replace('-', '_')}: {value}" for name, value in FORGED.items()]
    site.ask("DELETE", path, *lines, "Authorization: Bearer a.b.c")
    arrived = [*site.service.seen, *site.backend.seen]
    assert arrived
    for request in arrived:
        for name in DROPPED:
            assert request.field(name.lower()) is None, name
        assert request.field("x-forwarded-for") == request.field("x-real-ip") == "127.0.0.1"
        assert request.field("x-forwarded-proto") == "https"
        assert request.field("x-forwarded-host") == "gateway.example"
        assert request.field("x-forwarded-method") == "DELETE"
        assert request.field("x-forwarded-uri") == path
        assert request.field("x-men-requestid") not in (None, "mine")
        assert not any("_" in name for name, _ in request.fields)
    assert len({request.field("x-men-requestid") for request in arrived}) == 1


def test_a_check_gets_the_token_and_no_body(site: Site) -> None:
    body = b"x" * 1000
    site.ask("PUT", INVENTORY, "Authorization: Bearer a.b.c", "Content-Type: application/json", body=body)
    (check,), (call,) = site.service.seen, site.backend.seen
    assert (check.method, check.body, check.field("authorization")) == ("GET", b"", "Bearer a.b.c")
    assert (call.method, call.body, call.field("authorization")) == ("PUT", body, "Bearer a.b.c")


def test_a_body_in_chunks_arrives(site: Site) -> None:
    answer = site.ask("PUT", INVENTORY, "Transfer-Encoding: chunked", "", "3\r\nabc\r\n0\r\n")
    assert answer.status_code == 200
    assert site.backend.seen[0].body == b"abc"
    assert site.service.seen[0].body == b""


def test_two_tokens_reach_the_check_as_two(site: Site) -> None:
    answer = site.ask("GET", INVENTORY, "Authorization: Bearer a.b.c", "Authorization: Bearer d.e.f")
    told = [value for each in site.service.seen for name, value in each.fields if name == "authorization"]
    assert answer.status_code == 400 or told == ["Bearer a.b.c", "Bearer d.e.f"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a client is told where a check answers ``check``."""

    check: int
    status: int
    field: tuple[str, str] | None = None


CHECKS = {
    "401, with what our answer says of it": Told(check=401, status=401, field=("WWW-Authenticate", "Bearer")),
    "403": Told(check=403, status=403),
    "429, with when to come again": Told(check=429, status=429, field=("Retry-After", "7")),
    "503, with when to come again": Told(check=503, status=503, field=("Retry-After", "7")),
    "a gateway that is set wrong": Told(check=400, status=500),
    "a defect": Told(check=500, status=500),
    "something else in its place": Told(check=302, status=500),
}


@pytest.mark.parametrize("path", [INVENTORY, ARTIFACTS])
@pytest.mark.parametrize("sentence", CHECKS)
def test_a_check_answers(site: Site, sentence: str, path: str) -> None:
    told = CHECKS[sentence]
    site.service.status = lambda _: told.check
    site.service.fields = {"WWW-Authenticate": "Bearer", "Retry-After": "7"}
    answer = site.ask("GET", path, "Authorization: Bearer a.b.c")
    assert answer.status_code == told.status
    assert site.backend.seen == []
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    if told.field is not None:
        name, value = told.field
        assert answer.headers[name] == value


@pytest.mark.parametrize("status", [204, 401, 403, 404, 409, 429, 500, 503])
def test_what_the_server_behind_answers_goes_through(site: Site, status: int) -> None:
    site.backend.status = lambda _: status
    site.backend.body = b"its own words"
    answer = site.ask("GET", INVENTORY, "Authorization: Bearer a.b.c")
    assert (answer.status_code, answer.content) == (status, b"" if status == 204 else b"its own words")


def test_what_the_service_answers_to_a_login_goes_through(site: Site) -> None:
    site.service.status = lambda _: 401
    site.service.body = b'{"error":"unauthorized"}'
    answer = site.ask("POST", "/api/management/v1/useradm/auth/login")
    assert (answer.status_code, answer.content) == (401, b'{"error":"unauthorized"}')


SWITCHES = {
    "a web socket where there are any": (
        "/api/devices/v1/deviceconnect/connect",
        "websocket",
        ("websocket", "upgrade"),
    ),
    "a web socket of people": (
        "/api/management/v1/deviceconnect/devices/x/connect",
        "WebSocket",
        ("websocket", "upgrade"),
    ),
    "a web socket elsewhere": (INVENTORY, "websocket", (None, None)),
    "another protocol, over which nobody checks": ("/api/devices/v1/deviceconnect/connect", "h2c", (None, None)),
}


@pytest.mark.parametrize("sentence", SWITCHES)
def test_a_connection_is_switched(site: Site, sentence: str) -> None:
    path, protocol, expected = SWITCHES[sentence]
    site.ask("GET", path, f"Upgrade: {protocol}", "Connection: upgrade")
    (check,), (call,) = site.service.seen, site.backend.seen
    assert (call.field("upgrade"), call.field("connection")) == expected
    assert (check.field("upgrade"), check.field("connection")) == (None, None)


def testplain_site_http_is_not_spoken(site: Site) -> None:
    with socket.create_connection(("127.0.0.1", site.port), timeout=30) as connection:
        connection.sendall(f"GET {INVENTORY} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a.b.c\r\n\r\n".encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")
    assert (site.service.seen, site.backend.seen) == ([], [])


def test_tls_begins_at_1_2(site: Site) -> None:
    context = ssl.create_default_context(cafile=str(site.certificate))
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSVersion"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", site.port), timeout=30) as plain,
        pytest.raises(ssl.SSLError),
    ):
        context.wrap_socket(plain, server_hostname="localhost")


def test_a_body_that_is_too_large_is_refused(site: Site) -> None:
    answer = site.ask("POST", "/api/devices/v1/authentication/auth_requests", body=b"x" * ((1 << 20) + 1))
    assert answer.status_code == 413
    assert site.service.seen == []


def test_logins_from_one_address_are_bounded(site: Site) -> None:
    statuses = {site.ask("POST", "/api/management/v1/useradm/auth/login").status_code for _ in range(30)}
    assert statuses == {200, 429}


SHOWN = {
    "a device's call with a certificate": (INVENTORY, DEVICES, 200),
    "a device's call without one": (INVENTORY, None, 400),
    "a device's call with another CA's": (INVENTORY, STRANGER, 400),
    "an auth request without one": ("/api/devices/v1/authentication/auth_requests", None, 400),
    "a signed link without one": ("/api/devices/v1/deployments/download/x", None, 400),
    "a web socket without one": ("/api/devices/v1/deviceconnect/connect", None, 400),
    "a user's call without one": (ARTIFACTS, None, 200),
    "a login without one": ("/api/management/v1/useradm/auth/logout", None, 200),
}


@pytest.mark.parametrize("sentence", SHOWN)
def test_devices_show_certificates(mutual: Site, tmp_path: Path, sentence: str) -> None:
    path, ca, status = SHOWN[sentence]
    mutual.forget()
    mutual.client = None if ca is None else ca.issue().write(tmp_path)
    assert mutual.ask("GET", path, "Authorization: Bearer a.b.c").status_code == status
    assert bool(mutual.service.seen or mutual.backend.seen) is (status == 200)


def test_the_service_alone_is_told_of_a_certificate(mutual: Site, tmp_path: Path) -> None:
    """Where a token is asked for, and beside a token; who is behind is told nothing, whatever a client sent."""
    mutual.forget()
    mutual.client = DEVICES.issue().write(tmp_path)
    mutual.ask("POST", "/api/devices/v1/authentication/auth_requests", "X-SSL-Client-Cert: forged")
    mutual.ask("GET", INVENTORY, "X-SSL-Client-Cert: forged", "X-SSL-Client-Verify: SUCCESS")
    assert len(mutual.service.seen) == 2
    for asked in mutual.service.seen:
        assert asked.field("x-ssl-client-verify") == "SUCCESS"
        assert (asked.field("x-ssl-client-cert") or "").startswith("-----BEGIN%20CERTIFICATE-----")
    assert mutual.backend.seen[0].field("x-ssl-client-cert") is None
    assert mutual.backend.seen[0].field("x-ssl-client-verify") is None


def test_nobody_is_told_of_a_certificate_beside_a_users_token(mutual: Site, tmp_path: Path) -> None:
    mutual.forget()
    mutual.client = DEVICES.issue().write(tmp_path)
    mutual.ask("GET", ARTIFACTS, "Authorization: Bearer a.b.c")
    assert [each.field("x-ssl-client-cert") for each in (*mutual.service.seen, *mutual.backend.seen)] == [None, None]
