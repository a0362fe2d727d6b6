"""What becomes of rules when one policy takes the place of another, and whom it is about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from signer.domain.access.canonical import rule_document
from signer.domain.access.policy import Policy, Rule
from signer.domain.identity import Identity


class Change(StrEnum):
    """What becomes of a rule."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChange:
    """A rule that is not what it was, by its name; ``before`` or ``after`` is None where there is none."""

    name: str
    before: Rule | None
    after: Rule | None

    @property
    def change(self) -> Change:
        """What becomes of it."""
        if self.before is None:
            return Change.ADDED
        return Change.REMOVED if self.after is None else Change.CHANGED

    @property
    def principals(self) -> tuple[str, ...]:
        """Whom it is, or was, about."""
        return tuple(
            sorted({name for rule in (self.before, self.after) if rule is not None for name in rule.principals})
        )

    def concerned(self, identities: Iterable[Identity]) -> tuple[str, ...]:
        """The names of those among the identities whom it is about."""
        about = set(self.principals)
        return tuple(sorted(identity.name for identity in identities if identity.principals & about))


def rule_changes(before: Policy, after: Policy) -> tuple[RuleChange, ...]:
    """The rules that are not the same in both, by name. Where a rule stands changes nothing."""
    old, new = ({rule.name: rule for rule in policy.rules} for policy in (before, after))
    found = [
        RuleChange(name=name, before=old.get(name), after=new.get(name)) for name in sorted(old.keys() | new.keys())
    ]
    return tuple(each for each in found if _document(each.before) != _document(each.after))


def _document(rule: Rule | None) -> dict[str, object] | None:
    return None if rule is None else rule_document(rule)
