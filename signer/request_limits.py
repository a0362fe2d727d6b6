"""How much a request may cost, as the settings say it."""

from __future__ import annotations

from signer.application import BodyLimit, RequestLimits
from signer.config import Settings
from verifier import Limits


def request_limits(settings: Settings) -> RequestLimits:
    """The bounds of bodies and of artifacts."""
    limits = settings.limits
    return RequestLimits(
        artifact=BodyLimit(octets=limits.artifact_bytes, setting="limits.artifact_bytes"),
        batch=BodyLimit(octets=limits.batch_bytes, setting="limits.batch_bytes"),
        json=BodyLimit(octets=limits.json_bytes, setting="limits.json_bytes"),
        device=BodyLimit(octets=settings.devices.request_bytes, setting="devices.request_bytes"),
        head_bytes=limits.head_bytes,
        read_timeout=settings.server.read_timeout,
        verifier=Limits(artifact_bytes=limits.artifact_bytes),
    )
