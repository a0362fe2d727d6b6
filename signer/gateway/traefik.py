"""The dynamic configuration of Traefik, for its file provider, as TOML.

It holds what nginx's holds, as far as Traefik can: it knows no Unix sockets and no keys in tokens, and asks for
certificates by name and not by path. Texts are written as JSON strings, which are basic strings of TOML.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from signer.gateway.inputs import GatewayPlan
from signer.gateway.nginx import DEVICE_BODY
from signer.gateway.traefik_text import HEAD, HEADERS, LIMITS, TLS, TLS_CLIENTS

SERVICE, BACKEND = "artifact-signer", "mender"
FIELDS = (
    "Forwarded",
    "X-Forwarded-Method",
    "X-Forwarded-Uri",
    "X-MEN-RequestID",
    "X-MEN-RBAC-Inventory-Groups",
    "X-MEN-RBAC-Deployments-Groups",
    "X-MEN-RBAC-Releases-Tags",
    "X-SSL-Client-Cert",
    "X-SSL-Client-Verify",
    "Client-Cert",
    "Client-Cert-Chain",
)
DOORS: Mapping[str, str] = {"device": "devauth/tokens/verify", "user": "useradm/auth/verify"}
SMALL_BODY = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Router:
    """A rule, and where it leads. Of two that match, the higher ``priority`` has it."""

    name: str
    rule: str
    priority: int
    service: str
    middlewares: tuple[str, ...]


_BEFORE = ("artifact-signer-headers",)
ROUTERS = (
    _Router(
        name="device-tokens",
        rule="PathPrefix(`/api/devices/v1/authentication/`)",
        priority=40,
        service=SERVICE,
        middlewares=(*_BEFORE, "artifact-signer-small", "artifact-signer-token-rate"),
    ),
    _Router(
        name="login",
        rule="Path(`/api/management/v1/useradm/auth/login`)",
        priority=40,
        service=SERVICE,
        middlewares=(*_BEFORE, "artifact-signer-small", "artifact-signer-login-rate"),
    ),
    _Router(
        name="users",
        rule="PathPrefix(`/api/management/v1/useradm/`)",
        priority=30,
        service=SERVICE,
        middlewares=(*_BEFORE, "artifact-signer-small"),
    ),
    _Router(
        name="device-keys",
        rule="PathPrefix(`/api/management/v2/devauth/`)",
        priority=30,
        service=SERVICE,
        middlewares=(*_BEFORE, "artifact-signer-small"),
    ),
    _Router(
        name="downloads",
        rule="PathRegexp(`^/api/devices/v[0-9]+/deployments/download(/|$)`)",
        priority=20,
        service=BACKEND,
        middlewares=_BEFORE,
    ),
    _Router(
        name="devices",
        rule="PathPrefix(`/api/devices/`)",
        priority=10,
        service=BACKEND,
        middlewares=(*_BEFORE, "artifact-signer-device", "artifact-signer-device-body"),
    ),
    _Router(
        name="management",
        rule="PathPrefix(`/api/management/`)",
        priority=10,
        service=BACKEND,
        middlewares=(*_BEFORE, "artifact-signer-user"),
    ),
)


def traefik_configuration(plan: GatewayPlan) -> str:
    """The text, with a newline at its end."""
    head = HEAD.format(listen=plan.listen, relay=plan.relay, socket=plan.gateway_socket)
    parts = [head, *_routers(), _services(plan), *_middlewares(plan), _tls(plan)]
    return "\n".join(parts)


def _routers() -> Iterator[str]:
    for router in ROUTERS:
        yield (
            _table(
                f"http.routers.artifact-signer-{router.name}",
                entryPoints=["artifact-signer"],
                rule=router.rule,
                priority=router.priority,
                service=router.service,
                middlewares=router.middlewares,
            )
            + f"[http.routers.artifact-signer-{router.name}.tls]\n"
        )


def _services(plan: GatewayPlan) -> str:
    places = {SERVICE: f"http://{plan.relay}", BACKEND: plan.upstream.url}
    return "\n".join(
        f"[[http.services.{name}.loadBalancer.servers]]\nurl = {_text(url)}\n" for name, url in places.items()
    )


def _middlewares(plan: GatewayPlan) -> Iterator[str]:
    for door, route in DOORS.items():
        yield _table(
            f"http.middlewares.artifact-signer-{door}.forwardAuth",
            address=f"http://{plan.relay}/api/internal/v1/{route}",
            trustForwardHeader=False,
            authRequestHeaders=["Authorization"],
            authResponseHeaders=["X-MEN-RequestID"],
        )
    yield HEADERS + "".join(f'{name} = ""\n' for name in FIELDS)
    yield LIMITS.format(small=SMALL_BODY, device=DEVICE_BODY)


def _tls(plan: GatewayPlan) -> str:
    clients = "" if plan.client_ca is None else TLS_CLIENTS.format(file=_text(str(plan.client_ca)))
    return TLS.format(certificate=_text(str(plan.certificate)), key=_text(str(plan.private_key))) + clients


def _table(name: str, **members: object) -> str:
    return f"[{name}]\n" + "".join(f"{key} = {_value(value)}\n" for key, value in members.items())


def _value(value: object) -> str:
    if isinstance(value, str) or not isinstance(value, Sequence):
        return _text(value)
    return f"[{', '.join(_text(each) for each in value)}]"


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
