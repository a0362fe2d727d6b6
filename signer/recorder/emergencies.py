"""Emergencies as parts of the frames between workers and the recorder. What is malformed raises."""

from __future__ import annotations

from typing import Any

from signer.domain.access.emergencies import Emergency
from signer.domain.reasons import is_reason


def packed_emergency(emergency: Emergency | None) -> list[str] | None:
    """Who, and why."""
    return None if emergency is None else [emergency.person, emergency.reason]


def parsed_emergency(unverified: Any) -> Emergency | None:
    """The same; raises ``ValueError``."""
    match unverified:
        case None:
            return None
        case [str(person), str(reason)] if person and is_reason(reason):
            return Emergency(person=person, reason=reason)
    raise ValueError("no emergency")
