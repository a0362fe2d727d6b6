"""The rules in force, as data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from signer.domain.access.actions import SIGNING_ACTIONS, Action
from signer.domain.access.combinations import Every, looks_at_content
from signer.domain.access.decisions import ApprovalDemand
from signer.domain.access.limits import LimitDemand
from signer.domain.access.pattern_index import numbers
from signer.domain.access.patterns import Patterns
from signer.domain.access.rollback import VersionDemand
from signer.domain.access.rule_index import RuleIndex
from signer.domain.access.settled import Settled

DEFAULT_TIMEZONE = "UTC"
NO_KEYS = Patterns(())
WITHOUT_CONDITIONS = Every(conditions=())


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
        when: what it asks of an artifact and of the moment.
        version: what it asks of an artifact's version.
        approvals: who has to approve what it allows.
        emergency: who may pass the approvals in an emergency, each as ``person:NAME``.
        limits: how much of what it allows.
    """

    name: str
    effect: Effect
    principals: tuple[str, ...]
    actions: frozenset[Action]
    keys: Patterns = NO_KEYS
    when: Every = WITHOUT_CONDITIONS
    version: VersionDemand | None = None
    approvals: tuple[ApprovalDemand, ...] = ()
    emergency: tuple[str, ...] = ()
    limits: tuple[LimitDemand, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A revision of the rules, in the order in which they are written.

    Attributes:
        sha256: lowercase hex digest of the canonical form.
        timezone: the one of its times of the week, a name of the IANA database.
        index: finds rules; their numbers are their places in ``rules``.
        denying: marks of those that deny; the others allow.
        approving: marks of those that ask for approvals.
        looking: marks of those that look at what is signed.
        asking: marks of those that ask for anything of what is signed or of the moment.
        settled: what was decided by rules that ask for nothing, so that it is so as long as they are in force.
    """

    revision: int
    sha256: str
    rules: tuple[Rule, ...]
    timezone: str = DEFAULT_TIMEZONE
    index: RuleIndex = field(init=False, repr=False, compare=False)
    denying: int = field(init=False, repr=False, compare=False)
    approving: int = field(init=False, repr=False, compare=False)
    looking: int = field(init=False, repr=False, compare=False)
    asking: int = field(init=False, repr=False, compare=False)
    settled: Settled = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        denying = approving = looking = asking = 0
        for number, rule in enumerate(self.rules):
            denying |= (rule.effect is Effect.DENY) << number
            approving |= bool(rule.approvals) << number
            looking |= (rule.version is not None or looks_at_content(rule.when)) << number
            asking |= (rule.version is not None or bool(rule.when.conditions)) << number
        object.__setattr__(self, "index", RuleIndex(self.rules))
        object.__setattr__(self, "denying", denying)
        object.__setattr__(self, "approving", approving)
        object.__setattr__(self, "looking", looking)
        object.__setattr__(self, "asking", asking)
        object.__setattr__(self, "settled", Settled())

    def marked(self, marks: int) -> Iterator[Rule]:
        """The rules, as written."""
        return (self.rules[number] for number in numbers(marks))

    def guards(self, key: str) -> bool:
        """Whether a rule asks for approvals of what this key signs: then no rule without them allows that."""
        return bool(self.approving and self.approving & self.index.about_key(key))

    def looks(self, key: str) -> bool:
        """Whether a rule about this key looks at what is signed: then nothing is signed with it that nobody saw."""
        return bool(self.looking and self.looking & self.index.about_key(key))

    def guarding(self, key: str) -> tuple[Rule, ...]:
        """The rules that do, as written."""
        return tuple(self.marked(self.approving & self.index.about_key(key)))

    @property
    def guardians(self) -> tuple[Rule, ...]:
        """All rules that ask for approvals, as written."""
        return tuple(self.marked(self.approving))


def signs(rule: Rule) -> bool:
    """Whether all that it is about is signing: only then can it look at what is signed."""
    return rule.actions <= SIGNING_ACTIONS
