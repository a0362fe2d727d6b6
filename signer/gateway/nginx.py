"""The configuration of nginx: blocks for its ``http {}``, to be included there.

What it has to hold, and the tests look for:

1. https alone. What a check does not let through goes nowhere; what no location names is 404.
2. A path means here what it means behind: spellings that two programs could read differently are refused.
3. Of header fields that somebody behind believes, none is the client's. nginx takes those of the server for locations
   that set none themselves, so none does.
4. ``auth_request`` knows 2xx, 401 and 403; everything else becomes 500 there, and is given back as what it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from signer.gateway.inputs import GatewayPlan
from signer.gateway.nginx_text import (
    CERTIFICATES,
    DOOR,
    GUARDED,
    HEAD,
    OWN,
    SERVER,
    SHARED,
    TAIL,
    TLS_KEY,
    TLS_UPSTREAM,
)

# Whoever closes an idle connection first must be the one that asks: else a request is sent into a closed one.
SHARE_OF_IDLE = 0.6
SHORT_SECONDS, LONG_SECONDS = 75, 2 * 60 * 60
DEVICE_BODY = 16 << 20

NOTHING = '""'
# What somebody behind takes for the gateway's word.
FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "Host": "$host",
        "Upgrade": "$artifact_signer_upgrade",
        "Connection": "$artifact_signer_connection",
        "X-Forwarded-For": "$remote_addr",
        "X-Forwarded-Host": "$host",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Method": "$request_method",
        "X-Forwarded-Uri": "$request_uri",
        "X-Real-IP": "$remote_addr",
        "Forwarded": NOTHING,
        "X-MEN-RequestID": "$request_id",
        "X-MEN-RBAC-Inventory-Groups": NOTHING,
        "X-MEN-RBAC-Deployments-Groups": NOTHING,
        "X-MEN-RBAC-Releases-Tags": NOTHING,
        "X-SSL-Client-Cert": NOTHING,
        "X-SSL-Client-Verify": NOTHING,
        "Client-Cert": NOTHING,
        "Client-Cert-Chain": NOTHING,
    }
)
SHOWN = {"X-SSL-Client-Cert": "$artifact_signer_certificate", "X-SSL-Client-Verify": "$artifact_signer_verified"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Guarded:
    """A location that a door guards. ``body``: its largest, bytes; ``seconds`` of silence that it bears."""

    door: str
    match: str
    what: str
    body: int
    seconds: int


def nginx_configuration(plan: GatewayPlan) -> str:
    """The text, with a newline at its end."""
    parts = [HEAD.format(socket=plan.gateway_socket), TLS_KEY if plan.tls_key else "", _shared(plan), _server(plan)]
    parts += [_own(plan, match, limit, what) for match, limit, what in _OWN]
    parts += [_guarded(plan, location) for location in _guarded_locations(plan)]
    parts += [_door("device", "devauth/tokens/verify"), _door("user", "useradm/auth/verify"), TAIL]
    return "".join(parts)


_TOKENS = "        limit_req zone=artifact_signer_tokens burst=200 nodelay;\n"
_LOGINS = "        limit_req zone=artifact_signer_logins burst=20 nodelay;\n"
_OWN = (
    ("^~ /api/devices/v1/authentication/", _TOKENS, "devices ask for a token; what they send proves itself"),
    ("= /api/devices/v1/certificates", _TOKENS, "devices renew their certificates; it checks token and certificate"),
    ("= /api/management/v1/useradm/auth/login", _LOGINS, "people ask for a token"),
    ("^~ /api/management/v1/useradm/", "", "users and their tokens; it checks the token of whoever asks itself"),
    ("^~ /api/management/v2/devauth/", "", "devices and their keys; it checks the token of whoever asks itself"),
)

_GUARDED = (
    ("device", "/api/devices/", "devices", SHORT_SECONDS),
    ("device", "~ ^/api/devices/v[0-9]+/deviceconnect/", "web sockets of devices", LONG_SECONDS),
    ("user", "/api/management/", "people", SHORT_SECONDS),
    ("user", "~ ^/api/management/v[0-9]+/deviceconnect/", "web sockets of people", LONG_SECONDS),
)


def _guarded_locations(plan: GatewayPlan) -> tuple[_Guarded, ...]:
    bodies = {"device": DEVICE_BODY, "user": plan.upload_bytes}
    return tuple(
        _Guarded(door=door, match=match, what=what, body=bodies[door], seconds=seconds)
        for door, match, what, seconds in _GUARDED
    )


def _shared(plan: GatewayPlan) -> str:
    return SHARED.format(
        socket=plan.gateway_socket,
        upstream=plan.upstream.place,
        idle=plan.idle_seconds,
        certificates="" if plan.client_ca is None else CERTIFICATES,
        kept_seconds=max(1, int(plan.idle_seconds * SHARE_OF_IDLE)),
    )


def _server(plan: GatewayPlan) -> str:
    client_ca = "    ssl_session_cache shared:artifact_signer:2m;\n"
    if plan.client_ca is not None:
        # A session that is resumed would go on with a certificate that nobody showed again.
        client_ca = (
            "    ssl_session_cache off;\n"
            "    # Devices show a certificate of these CAs: every location for devices demands it.\n"
            f'    ssl_client_certificate "{plan.client_ca}";\n'
            "    ssl_verify_client optional;\n"
            "    ssl_verify_depth 2;\n"
        )
    return SERVER.format(
        listen=plan.listen,
        certificate=plan.certificate,
        key=f"engine:pkcs11:{plan.tls_key.text}" if plan.tls_key else plan.private_key,
        client_ca=client_ca,
        fields=_fields(plan),
        upstream_tls=TLS_UPSTREAM.format(name=plan.upstream.place.host) if plan.upstream.tls else "",
        certified=_certified(plan, "/api/devices/"),
        backend=_backend(plan),
    )


def _own(plan: GatewayPlan, match: str, limit: str, what: str) -> str:
    return OWN.format(what=what, match=match, certified=_certified(plan, match), limit=limit)


def _guarded(plan: GatewayPlan, location: _Guarded) -> str:
    return GUARDED.format(
        what=location.what,
        match=location.match,
        certified=_certified(plan, location.match),
        door=location.door,
        body=location.body,
        seconds=location.seconds,
        backend=_backend(plan),
    )


def _door(door: str, route: str) -> str:
    return DOOR.format(door=door, route=route)


def _fields(plan: GatewayPlan) -> str:
    fields = dict(FIELDS) if plan.client_ca is None else {**FIELDS, **SHOWN}
    return "".join(f"    proxy_set_header {name} {value};\n" for name, value in fields.items())


def _certified(plan: GatewayPlan, match: str) -> str:
    if plan.client_ca is None or "/api/devices/" not in match:
        return ""
    return "        if ($ssl_client_verify != SUCCESS) {\n            return 496;\n        }\n"


def _backend(plan: GatewayPlan) -> str:
    return f"{'https' if plan.upstream.tls else 'http'}://artifact_signer_backend"
