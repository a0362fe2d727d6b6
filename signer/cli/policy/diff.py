"""``policy diff``: two policies by their rules, whatever their texts look like."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from signer.cli.output import note, printable, show_json
from signer.cli.policy.inputs import FILE, policy_of_file

if TYPE_CHECKING:
    from signer.domain.access.changes import RuleChange


@click.command()
@click.argument("old", type=FILE)
@click.argument("new", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="write a JSON document")
def diff(old: Path, new: Path, *, as_json: bool) -> None:
    """Say which rules of the policy in OLD are not the same in the one in NEW."""
    from signer.domain.access.changes import rule_changes

    before, after = policy_of_file(old), policy_of_file(new)
    changes = rule_changes(before, after)
    zones = (before.timezone, after.timezone)
    if as_json:
        document = {"changes": [_document(change) for change in changes], "timezone": list(zones)}
        show_json(document)
        return
    for change in changes:
        click.echo(printable(f"{change.change.value} rule {change.name}"))
        for line in _lines(change):
            click.echo(printable(line))
    if zones[0] != zones[1]:
        click.echo(f"changed timezone\n- {zones[0]}\n+ {zones[1]}")
    if not changes and zones[0] == zones[1]:
        note("both say the same" if before.sha256 == after.sha256 else "both have the same rules, in another order")


def _lines(change: RuleChange) -> list[str]:
    before, after = _members(change)
    lines = []
    for member in dict.fromkeys([*before, *after]):
        old, new = before.get(member), after.get(member)
        if old != new:
            lines += [f"- {member} = {_text(old)}"] if old is not None else []
            lines += [f"+ {member} = {_text(new)}"] if new is not None else []
    return lines


def _document(change: RuleChange) -> dict[str, Any]:
    before, after = _members(change)
    return {"rule": change.name, "change": change.change.value, "before": before or None, "after": after or None}


def _members(change: RuleChange) -> tuple[dict[str, Any], dict[str, Any]]:
    from signer.domain.access.canonical import rule_document

    before, after = ({} if rule is None else rule_document(rule) for rule in (change.before, change.after))
    return before, after


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
