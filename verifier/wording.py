"""Sentences for people, and the only place for them: what happened, what it means, and what to do.

In the voice of the command line: lower case, no full stop. Text from an artifact or a file name appears only
through ``visible``, so that it cannot steer a terminal.
"""

from __future__ import annotations

from typing import Any

from verifier._record import Record
from verifier._sentences import FINDINGS, REFUSALS
from verifier._visible import visible
from verifier.errors import VerificationError
from verifier.findings import Finding

__all__ = ["Explanation", "explain", "explain_finding", "visible"]


class Explanation(Record):
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


def _filled(sentence: str, hint: str | None, facts: dict[str, str]) -> Explanation:
    return Explanation(sentence=sentence.format_map(facts), hint=None if hint is None else hint.format_map(facts))


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return ", ".join(_shown(item.code.value if isinstance(item, Finding) else item) for item in value)
    return visible(str(value))
