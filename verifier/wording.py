"""Sentences for people, and the only place for them: what happened, what it means, and what to do.

In the voice of the command line: lower case, no full stop. Text from an artifact or a file name appears only
through ``visible``, so that it cannot steer a terminal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from verifier._sentences import FINDINGS, REFUSALS
from verifier.errors import VerificationError
from verifier.findings import Finding

_LONGEST_TEXT = 200
_LARGEST_LATIN1 = 0xFF
_LARGEST_BASIC_PLANE = 0xFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A sentence, and what the reader can do about it where there is something."""

    sentence: str
    hint: str | None


def explain(error: VerificationError) -> Explanation:
    """Say what a refusal means."""
    sentence, hint = next(REFUSALS[cls] for cls in type(error).__mro__ if cls in REFUSALS)
    facts = {name: _shown(value) for name, value in error.facts.items()}
    return _filled(sentence, hint, facts)


def explain_finding(finding: Finding) -> Explanation:
    """Say what a finding means."""
    sentence, hint = FINDINGS[finding.code]
    mode = f"{finding.value:04o}" if finding.value is not None else ""
    return _filled(sentence, hint, {"subject": _shown(finding.subject), "value": _shown(finding.value), "mode": mode})


def visible(text: str) -> str:
    """``text`` with everything that does not print written as an escape, and cut where it is very long."""
    shown = "".join(char if char.isprintable() else _escape(ord(char)) for char in text[: _LONGEST_TEXT + 1])
    return shown if len(text) <= _LONGEST_TEXT else f"{shown[:_LONGEST_TEXT]}..."


def _escape(number: int) -> str:
    if number <= _LARGEST_LATIN1:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= _LARGEST_BASIC_PLANE else f"\\U{number:08x}"


def _filled(sentence: str, hint: str | None, facts: dict[str, str]) -> Explanation:
    return Explanation(sentence=sentence.format_map(facts), hint=None if hint is None else hint.format_map(facts))


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return ", ".join(_shown(item.code.value if isinstance(item, Finding) else item) for item in value)
    return visible(str(value))
