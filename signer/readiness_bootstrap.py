"""What readiness means in an installation."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from signer.config import Settings
from signer.services.readiness import ReadinessPlan


def readiness_plan(settings: Settings, probes: Mapping[str, Callable[[], None]]) -> ReadinessPlan:
    """As the settings say; ``probes``: what has to answer beside keys and tokens."""
    return ReadinessPlan(
        interval=settings.readiness.interval,
        timeout=settings.signing.timeout,
        workers=settings.server.workers,
        vital_keys=frozenset(settings.readiness.vital_keys),
        probes=probes,
    )
