"""Reading a policy: TOML in, rules out, or every problem with the rule and the member that has it.

Strict: what is not known is an error, a rule that could never do anything is one too, and nothing is guessed.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from signer.domain.access.actions import KEY_ACTIONS, SIGNING_ACTIONS, Action
from signer.domain.access.canonical import FORM_VERSION, policy_of
from signer.domain.access.decisions import ApprovalDemand
from signer.domain.access.emergencies import PERSON
from signer.domain.access.limits import LARGEST_COUNT, LimitDemand, Period
from signer.domain.access.policy import DEFAULT_TIMEZONE, NO_KEYS, WITHOUT_CONDITIONS, Effect, Policy, Rule
from signer.domain.access.reading_conditions import When, read_when
from signer.domain.access.tables import MAX_TEXT, Problems, Table, shown
from signer.domain.keys import is_name
from signer.errors import PolicyInvalid

MAX_POLICY_BYTES = 1 << 20
MAX_RULES = 10_000
MAX_APPROVAL_GROUPS = 16
MAX_APPROVALS = 100
NO_CONDITIONS = When(conditions=WITHOUT_CONDITIONS, version=None, looks_at_content=False)
# What stands before the first colon, and the form of what stands behind it.
_NAME = re.compile(r"[^\s*][^*]*(?<!\s)")
PRINCIPALS = {
    "api-token": _NAME,
    "mtls": re.compile(r"[^:*\s]+:[^\s*][^*]*(?<!\s)"),
    "ci": re.compile(r"[^/*\s]+/[^\s*][^*]*(?<!\s)"),
    "user": re.compile(r"[^@*\s]+@[^@*\s]+"),
    "person": _NAME,
    "group": _NAME,
    "role": _NAME,
}


def parse_policy(text: str, *, revision: int = 0) -> Policy:
    """The policy that the text says; raises ``PolicyInvalid``. ``revision`` is not in the text."""
    problems = Problems()
    table = Table(_toml(text), "", problems)
    version = table.take("version")
    if isinstance(version, bool) or version != FORM_VERSION:
        table.wrong("version", f"must be {FORM_VERSION}")
    timezone = table.text("timezone", default=DEFAULT_TIMEZONE)
    zone = _zone(table, timezone)
    rules = _rules(table, zone)
    table.end()
    if problems.sentences:
        raise PolicyInvalid(problems=tuple(problems.sentences))
    return policy_of(rules, revision=revision, timezone=timezone)


def is_principal(text: str) -> bool:
    """Whether a rule may be about whoever is named so: a kind and a name, written in full."""
    kind, _, name = text.partition(":")
    form = PRINCIPALS.get(kind)
    return form is not None and len(text) <= MAX_TEXT and text.isprintable() and form.fullmatch(name) is not None


def _toml(text: str) -> dict[str, Any]:
    if len(text.encode("utf-8", "surrogatepass")) > MAX_POLICY_BYTES:
        raise PolicyInvalid(problems=(f"it has more than {MAX_POLICY_BYTES} bytes",))
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise PolicyInvalid(problems=(f"is not TOML: {shown(str(error))}",)) from None


def _zone(table: Table, name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        table.wrong("timezone", "must be a time zone of the IANA database, such as Europe/Berlin")
        return ZoneInfo(DEFAULT_TIMEZONE)


def _rules(table: Table, zone: ZoneInfo) -> tuple[Rule, ...]:
    value = table.take("rules") if table.has("rules") else []
    if not isinstance(value, list) or len(value) > MAX_RULES:
        table.wrong("rules", f"must be a list of at most {MAX_RULES} tables")
        return ()
    rules, names = [], set[str]()
    for number, item in enumerate(value, start=1):
        name = item.get("name") if isinstance(item, dict) else None
        place = f"rule {name}" if isinstance(name, str) and is_name(name) else f"rule number {number}"
        rule = _rule(Table(item, place, table.problems), zone)
        if rule.name in names:
            table.wrong(place, "another rule has this name")
        names.add(rule.name)
        rules.append(rule)
    return tuple(rules)


def _rule(table: Table, zone: ZoneInfo) -> Rule:
    name = table.text("name")
    if not is_name(name):
        table.wrong("name", "must be 1 to 63 of a-z, 0-9, dot, hyphen, underscore, with a letter or digit first")
    effect = table.word("effect", Effect)
    principals = tuple(sorted(table.texts("principals")))
    for principal in principals:
        if not is_principal(principal):
            table.wrong("principals", f"{shown(principal)} is not KIND:NAME in full, of {', '.join(PRINCIPALS)}")
    actions = frozenset(map(Action, table.words("actions", Action)))
    keys = table.patterns("keys") if table.has("keys") else NO_KEYS
    when = NO_CONDITIONS
    if table.has("when"):
        when = read_when(Table(table.take("when"), table.place_of("when"), table.problems), zone)
    approvals, limits = _approvals(table), _limits(table)
    emergency = _emergency(table, approvals)
    table.end()
    rule = Rule(
        name=name,
        effect=effect,
        principals=principals,
        actions=actions,
        keys=keys,
        when=when.conditions,
        version=when.version,
        approvals=approvals,
        emergency=emergency,
        limits=limits,
    )
    _fits_together(table, rule, looks_at_content=when.looks_at_content)
    return rule


def _approvals(table: Table) -> tuple[ApprovalDemand, ...]:
    if not table.has("approvals"):
        return ()
    demands = []
    for number, value in enumerate(table.tables("approvals"), start=1):
        demand = Table(value, f"{table.place_of('approvals')}[{number}]", table.problems)
        demands.append(
            ApprovalDemand(group=demand.text("group"), count=demand.number("count", least=1, most=MAX_APPROVALS))
        )
        demand.end()
    if len(demands) > MAX_APPROVAL_GROUPS:
        table.wrong("approvals", f"must have at most {MAX_APPROVAL_GROUPS} groups")
    if len({demand.group for demand in demands}) != len(demands):
        table.wrong("approvals", "must not have a group twice")
    return tuple(sorted(demands, key=lambda demand: demand.group))


def _emergency(table: Table, approvals: tuple[ApprovalDemand, ...]) -> tuple[str, ...]:
    if not table.has("emergency"):
        return ()
    if not approvals:
        table.wrong("emergency", "is for rules that ask for approvals: there is nothing to pass")
    people = table.texts("emergency")
    for person in people:
        if not person.startswith(PERSON) or not is_principal(person):
            table.wrong("emergency", f"{shown(person)} is not {PERSON}NAME: people decide of emergencies")
    return tuple(sorted(people))


def _limits(table: Table) -> tuple[LimitDemand, ...]:
    if not table.has("limits"):
        return ()
    limits = Table(table.take("limits"), table.place_of("limits"), table.problems)
    found = tuple(
        LimitDemand(period=period, count=limits.number(period.value, least=1, most=LARGEST_COUNT))
        for period in Period
        if limits.has(period.value)
    )
    limits.end()
    if not found:
        table.wrong("limits", f"must have one of {', '.join(Period)}")
    return found


def _fits_together(table: Table, rule: Rule, *, looks_at_content: bool) -> None:
    if bool(rule.actions & KEY_ACTIONS) != bool(rule.keys.all):
        without = "are for actions that are done with a key" if rule.keys.all else "must say with which keys"
        table.wrong("keys", without)
    if not rule.actions <= SIGNING_ACTIONS:
        alone = f"is for {' and '.join(sorted(SIGNING_ACTIONS))} alone, make a rule of its own of the others"
        if looks_at_content:
            table.wrong("when", f"what it asks of an artifact {alone}")
        if rule.approvals:
            table.wrong("approvals", alone)
        if rule.limits:
            table.wrong("limits", alone)
    if rule.effect is Effect.DENY:
        if rule.version is not None:
            table.wrong("when.version", "is for rules that allow")
        if rule.approvals:
            table.wrong("approvals", "is for rules that allow")
        if rule.limits:
            table.wrong("limits", "is for rules that allow")
