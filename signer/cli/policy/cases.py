"""``policy test``: a table of cases beside a policy, each with what the rules have to answer."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from signer.cli.output import complain, note, printable
from signer.cli.policy.check import reason_of, word
from signer.cli.policy.inputs import FILE, chosen_policy, policy_options, shown
from signer.domain.access.actions import KEY_ACTIONS, SIGNING_ACTIONS, Action
from signer.domain.access.tables import Problems, Table
from signer.errors import PolicyCasesInvalid

if TYPE_CHECKING:
    from signer.domain.access.decisions import Decision
    from signer.domain.access.policy import Policy
    from signer.domain.identity import Identity

EXPECTED = ("allow", "deny", "approval", "emergency")
MAX_CASES_BYTES = 1 << 20
FAILED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One request, and what the rules have to answer. ``rule``: the one that has to decide; empty: any."""

    name: str
    identity: Identity
    action: Action
    key: str
    artifact: Path | None
    whole: bool
    emergency: bool
    at: datetime
    expect: str
    rule: str


@click.command("test")
@click.argument("file", type=FILE)
@policy_options
def test(file: Path, *, policy_file: Path | None, config: Path | None) -> int:
    """Try the cases in FILE; exit status 1: the rules answer one of them otherwise than it says."""
    policy = chosen_policy(policy_file, config, "policy test")
    cases = read_cases(file)
    failed = 0
    for case in cases:
        decision = _decided(policy, case)
        wrong = word(decision) != case.expect or (case.rule and decision.rule != case.rule)
        failed += bool(wrong)
        click.echo(printable(f"{'FAILED' if wrong else 'ok'}  {case.name}"))
        if wrong:
            expected = f"{case.expect} by {case.rule}" if case.rule else case.expect
            click.echo(printable(f"        expected {expected}, got {word(decision)}: {reason_of(decision)}"))
    if failed:
        complain(f"{failed} of {len(cases)} cases failed")
        return FAILED
    note(f"all {len(cases)} cases are answered as they say")
    return 0


def read_cases(file: Path) -> tuple[Case, ...]:
    """The cases of a file; raises ``PolicyCasesInvalid``."""
    problems = Problems()
    with file.open("rb") as opened:
        content = opened.read(MAX_CASES_BYTES + 1)
    if len(content) > MAX_CASES_BYTES:
        raise PolicyCasesInvalid(path=str(file), problems=(f"it has more than {MAX_CASES_BYTES} bytes",))
    try:
        table = Table(tomllib.loads(content.decode("utf-8")), "", problems)
    except (ValueError, RecursionError) as error:
        raise PolicyCasesInvalid(path=str(file), problems=(f"is not TOML: {error}",)) from None
    cases = tuple(
        _case(Table(item, f"case number {number}", problems), file.parent)
        for number, item in enumerate(table.tables("cases"), start=1)
    )
    table.end()
    if problems.sentences:
        raise PolicyCasesInvalid(path=str(file), problems=tuple(problems.sentences))
    return cases


def _case(table: Table, folder: Path) -> Case:
    action = table.word("action", Action, default=Action.SIGN)
    artifact = table.text("artifact", default="")
    key = table.text("key", default="")
    if bool(key) != (action in KEY_ACTIONS):
        table.wrong("key", f"{action.value} is done {'without' if key else 'with'} one")
    if artifact and action not in SIGNING_ACTIONS:
        table.wrong("artifact", f"decides of signing, not of {action.value}")
    elif artifact and not (folder / artifact).is_file():
        table.wrong("artifact", f"there is no file {artifact}")
    emergency = table.flag("emergency")
    if emergency and action not in SIGNING_ACTIONS:
        table.wrong("emergency", f"passes approvals of signing, not of {action.value}")
    expect = table.text("expect")
    if expect not in EXPECTED:
        table.wrong("expect", f"must be one of {', '.join(EXPECTED)}")
    case = Case(
        name=table.text("name"),
        identity=_identity(table),
        action=action,
        key=key,
        artifact=folder / artifact if artifact else None,
        whole=table.flag("whole"),
        emergency=emergency,
        at=_moment(table),
        expect=expect,
        rule=table.text("rule", default=""),
    )
    table.end()
    return case


def _identity(table: Table) -> Identity:
    from signer.domain.identity import Identity

    groups = table.texts("groups") if table.has("groups") else ()
    role, person = table.text("role", default=""), table.text("person", default="")
    return Identity(name=table.text("as"), role=role or None, person=person or None, groups=frozenset(groups))


def _moment(table: Table) -> datetime:
    value = table.take("at") if table.has("at") else datetime.now(UTC)
    if not isinstance(value, datetime) or value.tzinfo is None:
        table.wrong("at", "must be a moment with its zone, such as 2030-01-07T08:00:00Z")
        return datetime.now(UTC)
    return value


def _decided(policy: Policy, case: Case) -> Decision:
    from signer.domain.access.deciding import decide
    from signer.domain.access.decisions import KeyFacts

    return decide(
        policy,
        case.identity,
        case.action,
        key=KeyFacts(name=case.key) if case.key else None,
        request=shown(case.artifact, whole=case.whole) if case.artifact is not None else None,
        at=case.at,
        emergency=case.emergency,
    )
