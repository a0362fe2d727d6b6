"""The rules in force, as data, and found by whom and what they are about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from signer.domain.access.actions import KEY_ACTIONS, SIGNING_ACTIONS, Action
from signer.domain.access.combinations import Every
from signer.domain.access.decisions import ApprovalDemand
from signer.domain.access.limits import LimitDemand
from signer.domain.access.patterns import Patterns
from signer.domain.access.rollback import VersionDemand
from signer.domain.keys import is_name

DEFAULT_TIMEZONE = "UTC"
MAX_KEPT = 256
NO_KEYS = Patterns(())
WITHOUT_CONDITIONS = Every(conditions=())
Numbered = tuple[int, "Rule"]


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
    """

    revision: int
    sha256: str
    rules: tuple[Rule, ...]
    timezone: str = DEFAULT_TIMEZONE
    _index: _Index = field(init=False, repr=False, compare=False)
    _guards: _Places = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", _Index(self.rules))
        guards = [(number, rule) for number, rule in enumerate(self.rules) if rule.approvals]
        object.__setattr__(self, "_guards", _Places(guards))

    def about(self, principals: Iterable[str], action: Action, key: str | None) -> list[Rule]:
        """The rules about one of the principals, the action, and the key where it is done with one; as written."""
        found: dict[int, Rule] = {}
        for name in principals:
            found.update(self._index.rules(name, action, key))
        return [found[number] for number in sorted(found)]

    def about_any_key(self, principals: Iterable[str], action: Action) -> list[Rule]:
        """The rules about one of the principals and the action, whatever the key; as written."""
        found: dict[int, Rule] = {}
        for name in principals:
            found.update(self._index.all_rules(name, action))
        return [found[number] for number in sorted(found)]

    def guards(self, key: str) -> bool:
        """Whether a rule asks for approvals of what this key signs: then no rule without them allows that."""
        return bool(self._guards.of(key))

    def guarding(self, key: str) -> tuple[Rule, ...]:
        """The rules that do, as written."""
        return tuple(rule for _, rule in sorted(dict(self._guards.of(key)).items()))

    @property
    def guardians(self) -> tuple[Rule, ...]:
        """All rules that ask for approvals, as written."""
        return tuple(rule for _, rule in self._guards.all)


class _Places:
    """Rules by the names of their keys; those whose patterns have wild cards are tried one by one, once for a name."""

    __slots__ = ("_by_key", "_kept", "_wild", "all")

    def __init__(self, rules: Iterable[Numbered]) -> None:
        self.all = tuple(rules)
        self._by_key: dict[str, list[Numbered]] = {}
        self._wild = tuple(each for each in self.all if each[1].keys.wild)
        self._kept: dict[str, tuple[Numbered, ...]] = {}
        for each in self.all:
            for key in each[1].keys.literal:
                self._by_key.setdefault(key, []).append(each)

    def of(self, key: str) -> tuple[Numbered, ...]:
        """Those about the key of this name; one may come twice."""
        found = self._kept.get(key)
        if found is None:
            found = tuple(self._found(key))
            # Names come from outside: what is kept of them is bounded.
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            if is_name(key):
                self._kept[key] = found
        return found

    def _found(self, key: str) -> Iterator[Numbered]:
        yield from self._by_key.get(key, ())
        for each in self._wild:
            if any(pattern.fits(key) for pattern in each[1].keys.wild):
                yield each


class _Index:
    """Rules by principal and action, so that what thousands of them say of others costs nothing."""

    __slots__ = ("_places",)

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        gathered: dict[tuple[str, Action], list[Numbered]] = {}
        for number, rule in enumerate(rules):
            for principal in rule.principals:
                for action in rule.actions:
                    gathered.setdefault((principal, action), []).append((number, rule))
        self._places = {place: _Places(found) for place, found in gathered.items()}

    def rules(self, principal: str, action: Action, key: str | None) -> Iterable[Numbered]:
        """Those about the key, or about an action that needs none."""
        places = self._places.get((principal, action))
        if places is None:
            return ()
        if action not in KEY_ACTIONS:
            return places.all
        return places.of(key) if key is not None else ()

    def all_rules(self, principal: str, action: Action) -> Iterable[Numbered]:
        """Those about any key."""
        places = self._places.get((principal, action))
        return places.all if places is not None else ()


def signs(rule: Rule) -> bool:
    """Whether all that it is about is signing: only then can it look at what is signed."""
    return rule.actions <= SIGNING_ACTIONS
