"""A plan of a gateway, with what a test changes about it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from signer.gateway.inputs import GatewayPlan, Place, Upstream
from signer.gateway.key_uri import TlsKeyUri

PLAN = GatewayPlan(
    listen=Place(host="192.0.2.1", port=443),
    upstream=Upstream.parse("https://mender.example"),
    gateway_socket=Path("/run/artifact-signer/gateway.sock"),
    relay=Place(host="127.0.0.1", port=8480),
    certificate=Path("/etc/ssl/gateway.crt"),
    private_key=Path("/etc/ssl/gateway.key"),
    tls_key=None,
    client_ca=None,
    upload_bytes=1 << 30,
    idle_seconds=15.0,
)
DEVICES = Path("/etc/ssl/devices.pem")
IN_TOKEN = TlsKeyUri.parse("pkcs11:token=gw;object=tls?pin-source=file:/etc/pin", configured={})


def planned(**changes: Any) -> GatewayPlan:
    """The plan, changed."""
    return replace(PLAN, **changes)
