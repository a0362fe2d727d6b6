"""Policies and requests drawn out of few words, so that rules often meet what is asked, and often just not.

Drawn by a generator of the standard library: a tree of strategies takes a hundred times as long for the same policy.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from signer.domain.access.actions import SIGNING_ACTIONS, Action
from signer.domain.access.canonical import policy_of
from signer.domain.access.combinations import All, Either, Every, Not
from signer.domain.access.conditions import (
    Attributes,
    Condition,
    ContentMember,
    Hours,
    Listed,
    Seen,
    Size,
    WithoutFindings,
)
from signer.domain.access.decisions import ApprovalDemand, KeyFacts
from signer.domain.access.patterns import Patterns
from signer.domain.access.policy import Effect, Policy, Rule
from signer.domain.access.rollback import VersionDemand
from signer.domain.access.versions import Order
from signer.domain.identity import Identity, Scope
from signer.domain.keys import Purpose
from signer.domain.requests import Checked, SigningRequest
from signer.domain.weeks import Window
from verifier import FindingCode

from .cases import artifact_seen, head_seen, manifest_seen

WORDS = ("a", "ab", "a-1", "b-1", "a/b", "rel-1-x", "a\n")
PATTERNS = ("a", "ab", "a*", "*1", "a*1", "**", "*", "a**b", "rel-*-x", "*b*", "rel-1-x*x", "*-*")
KEYS = ("fw", "fw-eu", "gw")
PEOPLE = ("ada", "bob")
PRINCIPALS = ("api-token:a", "api-token:b", "ci:x/1", "group:g", "role:r", "person:ada")
FOUND = (FindingCode.TYPE_INFO_EMPTY, FindingCode.FIELD_IGNORED, FindingCode.PAYLOAD_MODE)
ZONES = (ZoneInfo("UTC"), ZoneInfo("Asia/Kolkata"))
WEEK_TIMES = ("mon-fri 08:00-18:00", "sun 00:00-24:00", "sat 10:00-10:01")
LEAST = tuple(each for each in Checked if each is not Checked.BLIND)
DEEPEST, NESTED, MOST = 3, 0.3, 3
MONDAY = datetime(2026, 11, 30, tzinfo=UTC)

T = TypeVar("T")


class Drawn:
    """Draws by one seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def policy(self) -> Policy:
        """Up to a dozen rules."""
        return policy_of(tuple(map(self._rule, range(self._random.randrange(13)))), revision=1, timezone="UTC")

    def moment(self) -> datetime:
        """A moment of a week."""
        return MONDAY + timedelta(seconds=self._random.randrange(7 * 24 * 3600))

    def key(self) -> KeyFacts:
        """A key that may be asked for."""
        return KeyFacts(name=self._one((*KEYS, "fw\n")), purpose=self._one((None, Purpose.ARTIFACT, Purpose.ARTIFACT)))

    def action(self) -> Action:
        """Mostly signing."""
        return self._one((*SIGNING_ACTIONS, Action.SIGN, Action.SIGN, *Action))

    def identity(self) -> Identity:
        """Who asks."""
        scope = Scope(
            keys=self._one((Patterns.of("**"), Patterns.of("fw"), Patterns(()))),
            actions=frozenset(self._some(tuple(Action))),
        )
        return Identity(
            name=self._one(("api-token:a", "api-token:b", "ci:x/1")),
            role=self._one((None, "r")),
            person=self._one((None, *PEOPLE)),
            groups=frozenset(self._some(("g",))),
            scope=self._one((None, None, None, scope)),
        )

    def request(self) -> SigningRequest | None:
        """What was shown of an artifact; None: nothing."""
        shown = self._one((None, *LEAST, Checked.HEAD))
        files = self._some(("a", "ab", "a-1"), least=1)
        if shown is None or shown is Checked.MANIFEST:
            return None if shown is None else manifest_seen(*files)
        members: dict[str, Any] = {
            "artifact_name": self._one(WORDS),
            "artifact_group": self._one((None, *WORDS)),
            "device_types": self._one((self._some(WORDS, least=1), tuple(f"a-{n}" for n in range(65)), ("a",))),
            "payload_types": (self._one((None, *WORDS)),),
            "scripts": self._some(WORDS),
            "provides": {"a": self._one(WORDS)} if self._yes() else {},
            "depends": {"a": self._one(WORDS)} if self._yes() else {},
            "depends_artifact_names": self._some(WORDS),
            "findings": frozenset(self._some(FOUND)),
        }
        if shown is Checked.HEAD:
            return head_seen(*files, **members)
        return artifact_seen(*files, size=self._random.randrange(1, 5), **members)

    def _rule(self, number: int) -> Rule:
        """What the reader would refuse together may stand together here."""
        signing: tuple[frozenset[Action], ...] = (SIGNING_ACTIONS, frozenset({Action.SIGN}))
        others = (frozenset({Action.READ, Action.MANAGE}), frozenset({Action.ADMINISTER}))
        actions = self._one((*signing, *signing, *others))
        effect = self._one((Effect.ALLOW, Effect.ALLOW, Effect.DENY))
        allows = effect is Effect.ALLOW and actions <= SIGNING_ACTIONS
        approvals = self._one(((), (), (ApprovalDemand(group="qa", count=1),))) if allows else ()
        keys = Patterns.of(*self._some((*KEYS, "fw*", "*w", "**"), least=1))
        return Rule(
            name=f"r{number}",
            effect=effect,
            principals=self._some(PRINCIPALS, least=1),
            actions=actions,
            keys=Patterns(()) if Action.ADMINISTER in actions else keys,
            when=self._table(depth=0),
            version=self._version() if allows and self._yes() else None,
            approvals=approvals,
            emergency=self._one(((), ("person:ada",))) if approvals else (),
        )

    def _version(self) -> VersionDemand:
        source, prefix = self._one(("artifact_name", "provides:a")), self._one(("", "a-", "a", "rel-"))
        return VersionDemand(source=source, prefix=prefix, order=self._one(tuple(Order)), max_step=None)

    def _table(self, *, depth: int) -> Every:
        return Every(conditions=tuple(self._condition(depth) for _ in range(self._random.randrange(4))))

    def _tables(self, depth: int) -> tuple[Every, ...]:
        return tuple(self._table(depth=depth) for _ in range(self._random.randrange(1, 4)))

    def _condition(self, depth: int) -> Condition:
        if depth < DEEPEST and self._random.random() < NESTED:
            nested: tuple[Callable[[], Condition], ...] = (
                lambda: All(tables=self._tables(depth + 1)),
                lambda: Either(tables=self._tables(depth + 1)),
                lambda: Not(table=self._table(depth=depth + 1)),
            )
            return self._one(nested)()
        patterns = self._patterns()
        named = {name: self._patterns() for name in self._some(("a", "artifact_name"), least=1)}
        simple: tuple[Condition, ...] = (
            *(Listed(member=member, patterns=patterns) for member in ContentMember),
            Listed(member=ContentMember.SCRIPTS, patterns=Patterns(())),
            Attributes(member="provides", patterns=named),
            Attributes(member="depends", patterns=named),
            Size(most=self._random.randrange(1, 4)),
            WithoutFindings(codes=self._some(FOUND, least=1)),
            Seen(least=self._one(LEAST), guards=self._yes()),
            self._hours(),
        )
        return self._one(simple)

    def _hours(self) -> Hours:
        texts = self._some(WEEK_TIMES, least=1)
        return Hours(texts=texts, windows=tuple(map(Window.parse, texts)), zone=self._one(ZONES))

    def _patterns(self) -> Patterns:
        return Patterns.of(*self._some(PATTERNS, least=1))

    def _yes(self) -> bool:
        return self._random.random() < 1 / 2

    def _one(self, of: Sequence[T]) -> T:
        return self._random.choice(of)

    def _some(self, of: Sequence[T], *, least: int = 0) -> tuple[T, ...]:
        return tuple(self._random.sample(of, min(len(of), self._random.randrange(least, MOST + 1))))
