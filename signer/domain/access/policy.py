"""The rules in force, as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from signer.domain.access.actions import Action
from signer.domain.access.decisions import ApprovalDemand
from signer.domain.access.patterns import Pattern


class Effect(StrEnum):
    """What a rule does where all of it fits."""

    ALLOW = "allow"
    DENY = "deny"  # wins over every rule that allows


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: who may do what with which keys, or may not.

    Attributes:
        principals: whom it is about, each written in full.
        keys: which keys, for actions that are done with one.
        approvals: who has to approve what it allows.
    """

    name: str
    effect: Effect
    principals: tuple[str, ...]
    actions: frozenset[Action]
    keys: tuple[Pattern, ...] = ()
    approvals: tuple[ApprovalDemand, ...] = ()

    def covers(self, key: str) -> bool:
        """Whether it is about the key of this name."""
        return any(pattern.fits(key) for pattern in self.keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A revision of the rules, in the order in which they are written.

    ``sha256``: lowercase hex digest of the canonical form.
    """

    revision: int
    sha256: str
    rules: tuple[Rule, ...]
    _index: Mapping[tuple[str, Action], tuple[tuple[int, Rule], ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", _index(self.rules))

    def about(self, principals: Iterable[str], action: Action) -> list[Rule]:
        """The rules about one of the principals and the action, in the order in which they are written."""
        found = {number: rule for name in principals for number, rule in self._index.get((name, action), ())}
        return [found[number] for number in sorted(found)]


def _index(rules: tuple[Rule, ...]) -> dict[tuple[str, Action], tuple[tuple[int, Rule], ...]]:
    index: dict[tuple[str, Action], list[tuple[int, Rule]]] = {}
    for number, rule in enumerate(rules):
        for principal in rule.principals:
            for action in rule.actions:
                index.setdefault((principal, action), []).append((number, rule))
    return {place: tuple(found) for place, found in index.items()}
