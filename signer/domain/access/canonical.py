"""The canonical form of rules, and the digests over it: what two texts say the same of has the same digest.

Everything without an order is sorted, defaults are left out, and JSON is written in one way. Comments, and how a
text is laid out, decide nothing.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from signer.domain.access.policy import DEFAULT_TIMEZONE, Policy, Rule

FORM_VERSION = 1


def rule_document(rule: Rule) -> dict[str, Any]:
    """A rule as JSON has it."""
    when = rule.when.document
    if rule.version is not None:
        when["version"] = rule.version.document
    approvals = [{"group": demand.group, "count": demand.count} for demand in rule.approvals]
    members = {
        "name": rule.name,
        "effect": rule.effect.value,
        "principals": sorted(rule.principals),
        "actions": sorted(rule.actions),
        "keys": sorted(rule.keys.texts),
        "when": when,
        "limits": {limit.period.value: limit.count for limit in rule.limits},
        "approvals": sorted(approvals, key=lambda each: str(each["group"])),
        "emergency": sorted(rule.emergency),
    }
    return {name: value for name, value in members.items() if value}


def policy_document(policy: Policy) -> dict[str, Any]:
    """All rules as JSON has them, in the order in which they are written. The revision is no part of it."""
    return rules_document(policy.rules, policy.timezone)


def rules_document(rules: tuple[Rule, ...], timezone: str) -> dict[str, Any]:
    """What a policy of these rules says."""
    members = {"version": FORM_VERSION, "rules": [rule_document(rule) for rule in rules]}
    return members if timezone == DEFAULT_TIMEZONE else {**members, "timezone": timezone}


def digest(document: dict[str, Any]) -> str:
    """SHA-256, lowercase hex, over a document."""
    return hashlib.sha256(canonical_text(document).encode()).hexdigest()


def canonical_text(document: dict[str, Any]) -> str:
    """A document as JSON in its one form."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def policy_of(rules: tuple[Rule, ...], *, revision: int, timezone: str = DEFAULT_TIMEZONE) -> Policy:
    """The rules as a revision, with its digest."""
    sha256 = digest(rules_document(rules, timezone))
    return Policy(revision=revision, sha256=sha256, rules=rules, timezone=timezone)
