"""What an examination found: lines that each say ok, warning or failed, and how to repair what is not ok."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from signer.domain.timestamps import rfc3339

# Grows when a reader of the JSON document would have to change.
SCHEMA = 2


class Severity(StrEnum):
    """How much a line matters. ``warning``: it works now; ``failed``: it does not, or is not safe."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


class Verdict(StrEnum):
    """The whole examination."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    UNUSABLE = "unusable"  # the configuration cannot be used, so nothing else was looked at


EXIT_STATUS = {Verdict.OK: 0, Verdict.WARNING: 0, Verdict.FAILED: 1, Verdict.UNUSABLE: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line.

    Attributes:
        sentence: lower case, no full stop, names what was looked at.
        hint: how to repair it; None where there is nothing to repair.
        repaired: the examination itself changed something, and the sentence says what.
    """

    severity: Severity
    sentence: str
    hint: str | None = None
    repaired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A finding and the name of the check that found it, as in ``checks.CHECKS``."""

    check: str
    finding: Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All lines in the order of the checks. ``configuration``: path of the examined file."""

    configuration: str
    examined_at: datetime
    lines: tuple[Line, ...]
    unusable: bool = False

    @property
    def verdict(self) -> Verdict:
        """The worst of all lines."""
        if self.unusable:
            return Verdict.UNUSABLE
        found = {line.finding.severity for line in self.lines}
        return Verdict(next((item for item in (Severity.FAILED, Severity.WARNING) if item in found), Severity.OK))

    @property
    def exit_status(self) -> int:
        """0: nothing failed; 1: something failed; 2: the configuration cannot be used."""
        return EXIT_STATUS[self.verdict]

    def document(self) -> dict[str, object]:
        """The JSON document; ``schema`` is its version."""
        return {
            "schema": SCHEMA,
            "configuration": self.configuration,
            "examined_at": rfc3339(self.examined_at),
            "status": self.verdict.value,
            "findings": [
                {
                    "check": line.check,
                    "status": line.finding.severity.value,
                    "sentence": line.finding.sentence,
                    "hint": line.finding.hint,
                    "repaired": line.finding.repaired,
                }
                for line in self.lines
            ],
        }


def ok(sentence: str, *, repaired: bool = False) -> Finding:
    """It is as it should be."""
    return Finding(severity=Severity.OK, sentence=sentence, repaired=repaired)


def warning(sentence: str, hint: str) -> Finding:
    """It works now, and somebody should look at it."""
    return Finding(severity=Severity.WARNING, sentence=sentence, hint=hint)


def failed(sentence: str, hint: str) -> Finding:
    """It does not work, or is not safe."""
    return Finding(severity=Severity.FAILED, sentence=sentence, hint=hint)


def or_ok(findings: Iterable[Finding], sentence: str) -> tuple[Finding, ...]:
    """The findings, or one that says that there are none."""
    return tuple(findings) or (ok(sentence),)


def timestamp(value: datetime) -> str:
    """A point in time to the second, in UTC, for people."""
    return value.strftime("%Y-%m-%d %H:%M:%S UTC")


@dataclass(eq=False, kw_only=True)
class Unchecked(Exception):
    """A check cannot look because something before it is broken. ``reason``: completes "not checked: …"."""

    reason: str
