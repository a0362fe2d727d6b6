"""Waits until people have approved what the service was asked for, and asks again by its ``Retry-After``.

1. Only ``approval-required`` is waited for. Every other refusal, and whatever else goes wrong, ends it at once.
2. All of it ends at one moment. Without patience the first answer is the last one.
3. What the service says is shown once, and again where something else is missing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from signer.answers import ServiceRefusal
from signer.cli.output import note, printable

REQUIRED = "approval-required"
FORBIDDEN = 403
# Where the service does not say, or says what nobody waits for.
DEFAULT_PAUSE_SECONDS = 30.0
LEAST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 300.0
MAX_SHOWN = 500
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalWait:
    """``patience``: seconds; 0: nobody waits. ``shows``: what waits is told to people."""

    patience: float
    shows: bool = True
    wait: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic

    def __call__(self, ask: Callable[[], Result]) -> Result:
        """What ``ask`` gives in the end; raises what it raises, ``ServiceRefusal`` where it waits still at the end."""
        latest = self.monotonic() + self.patience
        shown = ""
        while True:
            try:
                return ask()
            except ServiceRefusal as refusal:
                if not is_waiting(refusal):
                    raise
                if self.shows and (now_told := told(refusal)) != shown:
                    note(now_told)
                    shown = now_told
                left = latest - self.monotonic()
                if left <= 0:
                    raise
                self.wait(min(_pause(refusal), left))


def is_waiting(refusal: ServiceRefusal) -> bool:
    """Whether people have to approve what was asked for, and may still."""
    return refusal.status == FORBIDDEN and refusal.code == REQUIRED


def _pause(refusal: ServiceRefusal) -> float:
    seconds = refusal.retry_after
    return DEFAULT_PAUSE_SECONDS if seconds is None else min(max(seconds, LEAST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)


def told(refusal: ServiceRefusal) -> str:
    """The id, what an approval has to name, and whose approvals are missing, as far as the service says so."""
    facts = refusal.document.get("facts")
    known = facts if isinstance(facts, dict) else {}
    lacking = known.get("lacking")
    asked = ", ".join(str(each) for each in lacking) if isinstance(lacking, list) else ""
    parts = [
        f"approval {known['approval']}"
        if isinstance(known.get("approval"), str) and known["approval"]
        else "an approval",
        f"of sha256 {known['sha256']}" if isinstance(known.get("sha256"), str) and known["sha256"] else "",
        "waits for",
        asked or "people",
    ]
    return printable(" ".join(part for part in parts if part)[:MAX_SHOWN])
