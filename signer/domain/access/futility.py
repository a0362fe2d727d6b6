"""What of a policy can do nothing as things are: names that nothing and nobody has, and keys that approvals guard.

It is told and not refused: a key may be made after its rule, and a pipeline configured later. Roles are names that any
credential may get, and patterns with wild cards are written for keys to come; neither is told for being nobody's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from signer.domain.access.actions import SIGNING_ACTIONS, Action
from signer.domain.access.policy import Effect, Policy, Rule
from signer.domain.keys import Purpose

MAX_TOLD = 100


class Futility(StrEnum):
    """Why a member of a rule can do nothing."""

    UNKNOWN_KEY = "unknown-key"  # no key has the name
    OTHER_PURPOSE = "other-purpose"  # the key signs no artifacts
    GUARDED_KEY = "guarded-key"  # another rule asks for approvals of it, and this one for none
    UNKNOWN_PRINCIPAL = "unknown-principal"  # nobody can prove to be that


@dataclass(frozen=True, slots=True, kw_only=True)
class Futile:
    """A rule, and what in it can do nothing: the name or pattern of a key, or a principal."""

    rule: str
    why: Futility
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """What there is now. ``keys``: by name; ``somebody``: whether anybody can prove to be this principal, no role."""

    keys: Mapping[str, Purpose]
    somebody: Callable[[str], bool]


def futile(policy: Policy, present: Present | None) -> tuple[Futile, ...]:
    """As written, at most ``MAX_TOLD``. Without ``present`` only what the rules say of each other is looked at."""
    return tuple(islice(_all(policy, present), MAX_TOLD))


def _all(policy: Policy, present: Present | None) -> Iterator[Futile]:
    for rule in policy.rules:
        if present is not None:
            yield from _of_nobody(rule, present)
            yield from _of_no_key(rule, present)
        if rule.effect is Effect.ALLOW and rule.actions & SIGNING_ACTIONS and not rule.approvals:
            yield from _guarded(policy, rule, {} if present is None else present.keys)


def _of_nobody(rule: Rule, present: Present) -> Iterator[Futile]:
    for principal in rule.principals:
        if not principal.startswith("role:") and not present.somebody(principal):
            yield Futile(rule=rule.name, why=Futility.UNKNOWN_PRINCIPAL, about=principal)


def _of_no_key(rule: Rule, present: Present) -> Iterator[Futile]:
    for name in sorted(rule.keys.literal):
        purpose = present.keys.get(name)
        if purpose is None and Action.MANAGE not in rule.actions:  # who may manage it may make it
            yield Futile(rule=rule.name, why=Futility.UNKNOWN_KEY, about=name)
        elif purpose not in (None, Purpose.ARTIFACT) and rule.actions <= SIGNING_ACTIONS:
            yield Futile(rule=rule.name, why=Futility.OTHER_PURPOSE, about=name)


def _guarded(policy: Policy, rule: Rule, keys: Mapping[str, Purpose]) -> Iterator[Futile]:
    """A pattern with a wild card counts where keys fit it, and all of them are guarded."""
    for pattern in rule.keys.all:
        names = [pattern.text] if pattern.is_literal else [name for name in keys if pattern.fits(name)]
        if names and all(map(policy.guards, names)):
            yield Futile(rule=rule.name, why=Futility.GUARDED_KEY, about=pattern.text)
