"""What stands in the configurations that are written."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from signer.gateway.inputs import GatewayPlan, Place, Upstream
from signer.gateway.nginx import FIELDS, nginx_configuration
from signer.gateway.traefik import FIELDS as REMOVED
from signer.gateway.traefik import traefik_configuration
from tests.integration.running import free_port
from tests.signer.gateway.plans import DEVICES, IN_TOKEN, planned
from tests.support.certificates import self_signed

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
SERVED_BY_THE_SERVICE = (
    "^~ /api/devices/v1/authentication/",
    "= /api/devices/v1/certificates",
    "= /api/management/v1/useradm/auth/login",
    "^~ /api/management/v1/useradm/",
    "^~ /api/management/v2/devauth/",
)
GUARDED = {
    "/api/devices/": "device",
    "~ ^/api/devices/v[0-9]+/deviceconnect/": "device",
    "/api/management/": "user",
    "~ ^/api/management/v[0-9]+/deviceconnect/": "user",
}
DOWNLOADS = "~ ^/api/devices/v[0-9]+/deployments/download(/|$)"


def locations(text: str) -> dict[str, str]:
    """What stands in each location, by what it matches."""
    return dict(re.findall(r"^    location (.+?) \{\n(.*?)^    \}$", text, re.MULTILINE | re.DOTALL))


PLAIN = nginx_configuration(planned())


def test_every_location_is_one_that_is_known() -> None:
    doors = {"= /_artifact_signer/device", "= /_artifact_signer/user", "@artifact_signer_unchecked"}
    closed = {"/", "^~ /api/internal/"}
    assert set(locations(PLAIN)) == {*SERVED_BY_THE_SERVICE, *GUARDED, DOWNLOADS, *doors, *closed}


@pytest.mark.parametrize("match", GUARDED)
def test_a_location_of_the_server_behind_has_the_door_of_its_callers(match: str) -> None:
    text = locations(PLAIN)[match]
    assert f"auth_request /_artifact_signer/{GUARDED[match]};" in text
    assert "proxy_pass https://artifact_signer_backend;" in text
    assert "error_page 500 = @artifact_signer_unchecked;" in text


def test_nothing_else_leads_to_the_server_behind_but_signed_links() -> None:
    leading = {match for match, text in locations(PLAIN).items() if "artifact_signer_backend" in text}
    assert leading == {*GUARDED, DOWNLOADS}


@pytest.mark.parametrize("match", ["/", "^~ /api/internal/"])
def test_nothing_is_found_at(match: str) -> None:
    assert locations(PLAIN)[match].strip() == "return 404;"


def test_fields_are_written_once_for_all_locations() -> None:
    for match, text in locations(PLAIN).items():
        assert "proxy_set_header" not in text, match
    assert all(PLAIN.count(f"    proxy_set_header {name} ") == 1 for name in FIELDS)


def test_an_ipv6_address_is_listened_to_in_brackets() -> None:
    assert "listen [::1]:8443 ssl;" in nginx_configuration(planned(listen=Place(host="::1", port=8443)))


def test_there_is_one_listener_and_it_speaks_tls() -> None:
    assert re.findall(r"^ *listen .*$", PLAIN, re.MULTILINE) == ["    listen 192.0.2.1:443 ssl;"]
    assert "ssl_protocols TLSv1.2 TLSv1.3;" in PLAIN
    assert "max-age=31536000" in PLAIN


def test_the_server_behind_is_verified_where_it_is_asked_over_https() -> None:
    assert "proxy_ssl_verify on;" in PLAIN
    assert "proxy_ssl_name mender.example;" in PLAIN
    assert "proxy_ssl" not in nginx_configuration(planned(upstream=Upstream.parse("http://127.0.0.1:8080")))


def test_certificates_of_clients_are_asked_for_where_their_cas_are_given() -> None:
    assert "ssl_client" not in PLAIN
    mutual = nginx_configuration(planned(client_ca=DEVICES))
    assert f'ssl_client_certificate "{DEVICES}";' in mutual
    demanded = {match for match, text in locations(mutual).items() if "return 496;" in text}
    assert demanded == {match for match in locations(mutual) if "/api/devices/" in match}
    assert "ssl_session_cache off;" in mutual


def test_a_key_in_a_token_is_reached_by_the_engine() -> None:
    text = nginx_configuration(planned(private_key=None, tls_key=IN_TOKEN))
    assert f'ssl_certificate_key "engine:pkcs11:{IN_TOKEN.text}";' in text
    assert "engine_id = pkcs11" in text
    assert "engine" not in PLAIN


def test_connections_are_given_up_before_the_service_gives_them_up() -> None:
    kept = re.findall(r"keepalive_timeout (\d+)s;\n\}", nginx_configuration(planned(idle_seconds=5.0)))
    assert {int(seconds) for seconds in kept} == {3}


ODD = {
    "/api/devices/v1/x": False,
    "/api/devices/v1/attributes/a%20b?a=%2f..": False,
    "/api/management/v1/deployments/artifacts?name=../x": False,
    "/api/devices/v1/.well-known": False,
    "/api/%64evices/v1/x": True,
    "/%61pi/devices/v1/x": True,
    "/api/devices/%76v1/x": True,
    "/api/management/..%2fdevices/v1/x": True,
    "/api/management/v1/a%2Fb": True,
    "/api/management/v1/%2e%2E/x": True,
    "/api/management/v1/../x": True,
    "/api/management/v1/./x": True,
    "/api/management/v1/..": True,
    "/api//management/v1/x": True,
    "//api/management/v1/x": True,
    "/api/management/v1\\x": True,
    "/api/management/v1/%5cx": True,
    "/api/management/v1/%00": True,
    "/api/management/v1#x": True,
}


@pytest.mark.parametrize("path", ODD)
def test_a_path_is_odd(path: str) -> None:
    patterns = re.findall(r'^    "~(\*?)(.+)" 1;$', PLAIN, re.MULTILINE)
    assert len(patterns) == 3
    assert any(re.search(text, path, re.IGNORECASE if star else 0) for star, text in patterns) is ODD[path]


PLANS: dict[str, dict[str, Any]] = {
    "plain": {},
    "http behind it": {"upstream": Upstream.parse("http://127.0.0.1:8080")},
    "certificates of devices": {"client_ca": True},
}


@pytest.mark.parametrize("sentence", PLANS)
def test_nginx_takes_it(sentence: str, tmp_path: Path) -> None:
    if not Path(NGINX).exists():
        pytest.skip("nginx is not installed")
    certificate, key = self_signed(tmp_path, "gate way")
    changes: dict[str, Any] = {"certificate": certificate, "private_key": key}
    changes |= {"listen": Place(host="127.0.0.1", port=free_port()), "upstream": Upstream.parse("https://127.0.0.1")}
    changes |= PLANS[sentence]
    if "client_ca" in changes:
        changes["client_ca"] = certificate
    (tmp_path / "written.conf").write_text(nginx_configuration(planned(**changes)))
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; error_log {tmp_path}/log; events {{}} http {{ access_log off; include written.conf; }}"
    )
    told = subprocess.run(
        [NGINX, "-t", "-c", tmp_path / "nginx.conf", "-e", tmp_path / "log"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr


def traefik(**changes: Any) -> dict[str, Any]:
    plan: GatewayPlan = planned(**changes)
    return tomllib.loads(traefik_configuration(plan))


TRAEFIK = traefik()
ROUTERS = TRAEFIK["http"]["routers"]


def test_every_router_of_traefik_speaks_tls_on_its_own_entry_point() -> None:
    assert ROUTERS
    for router in ROUTERS.values():
        assert router["tls"] == {}
        assert router["entryPoints"] == ["artifact-signer"]
        assert router["middlewares"][0] == "artifact-signer-headers"
        assert set(router["middlewares"]) <= set(TRAEFIK["http"]["middlewares"])
        assert router["service"] in TRAEFIK["http"]["services"]


def test_every_router_of_traefik_to_the_server_behind_has_a_door_but_that_of_signed_links() -> None:
    doors = {
        router["rule"]: [
            name for name in router["middlewares"] if name in ("artifact-signer-device", "artifact-signer-user")
        ]
        for router in ROUTERS.values()
        if router["service"] == "mender"
    }
    assert doors == {
        "PathRegexp(`^/api/devices/v[0-9]+/deployments/download(/|$)`)": [],
        "PathPrefix(`/api/devices/`)": ["artifact-signer-device"],
        "PathPrefix(`/api/management/`)": ["artifact-signer-user"],
    }


def test_the_doors_of_traefik_are_the_two_of_the_service() -> None:
    middlewares = TRAEFIK["http"]["middlewares"]
    asked = {name: each["forwardAuth"]["address"] for name, each in middlewares.items() if "forwardAuth" in each}
    assert asked == {
        "artifact-signer-device": "http://127.0.0.1:8480/api/internal/v1/devauth/tokens/verify",
        "artifact-signer-user": "http://127.0.0.1:8480/api/internal/v1/useradm/auth/verify",
    }
    assert all(
        each["forwardAuth"]["trustForwardHeader"] is False for each in middlewares.values() if "forwardAuth" in each
    )


def test_traefik_takes_away_what_only_a_gateway_may_say() -> None:
    headers = TRAEFIK["http"]["middlewares"]["artifact-signer-headers"]["headers"]
    assert headers["customRequestHeaders"] == dict.fromkeys(REMOVED, "")
    assert headers["stsSeconds"] == 31536000


def test_the_two_take_away_the_same() -> None:
    words_of_its_own = {"X-Forwarded-Method", "X-Forwarded-Uri", "X-MEN-RequestID"}
    assert {name for name, value in FIELDS.items() if value == '""'} == set(REMOVED) - words_of_its_own


def test_traefik_asks_for_certificates_where_their_cas_are_given() -> None:
    assert TRAEFIK["tls"]["options"]["default"] == {"minVersion": "VersionTLS12"}
    asked = traefik(client_ca=DEVICES)["tls"]["options"]["default"]["clientAuth"]
    assert asked == {"caFiles": [str(DEVICES)], "clientAuthType": "RequireAndVerifyClientCert"}
