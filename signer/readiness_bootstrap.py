"""What readiness means in an installation."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from signer.config import Settings
from signer.services.last_fault import LastFault
from signer.services.readiness import ReadinessPlan


def readiness_plan(
    settings: Settings, probes: Mapping[str, Callable[[], None]], last_fault: LastFault
) -> ReadinessPlan:
    """As the settings say; ``probes``: what has to answer beside keys and tokens; ``last_fault``: of all workers."""
    return ReadinessPlan(
        interval=settings.readiness.interval,
        timeout=settings.signing.timeout,
        workers=settings.server.workers,
        vital_keys=frozenset(settings.readiness.vital_keys),
        last_fault=last_fault,
        probes=probes,
    )
