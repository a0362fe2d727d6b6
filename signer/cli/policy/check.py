"""``policy check``: what the rules say to one request, rule by rule, without asking for anything."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from signer.cli.connection import json_option
from signer.cli.output import printable, show_json, table
from signer.cli.policy.futile import tell_futile
from signer.cli.policy.inputs import FILE, chosen_policy, policy_options, shown
from signer.domain.access.actions import KEY_ACTIONS, SIGNING_ACTIONS, Action

if TYPE_CHECKING:
    from signer.domain.access.decisions import Decision
    from signer.domain.access.explaining import RuleAnswer
    from signer.domain.identity import Identity

DENIED = 1
WAITING = 4


@click.command()
@click.argument("artifact", type=FILE, required=False)
@click.option("--as", "name", metavar="IDENTITY", required=True, help="who asks, such as api-token:build")
@click.option("--group", "groups", multiple=True, help="a group of theirs; repeat it for more")
@click.option("--person", help="the person whose identity it is")
@click.option("--role", help="the role on the credential")
@click.option("--key", help="name of the key")
@click.option("--action", type=click.Choice([each.value for each in Action]), default="sign", help="what is to be done")
@click.option("--whole", is_flag=True, help="all of the artifact is shown, not its head alone")
@click.option("--emergency", is_flag=True, help="approvals are to be passed")
@click.option("--at", type=click.DateTime(["%Y-%m-%dT%H:%M:%S"]), help="the moment, in UTC; default: now")
@json_option
@policy_options
def check(  # noqa: PLR0913  (one for each option)
    artifact: Path | None,
    *,
    name: str,
    groups: tuple[str, ...],
    person: str | None,
    role: str | None,
    key: str | None,
    action: str,
    whole: bool,
    emergency: bool,
    at: datetime | None,
    as_json: bool,
    policy_file: Path | None,
    config: Path | None,
) -> int:
    """Say what the rules answer; exit status 0: allowed, 1: denied, 4: it needs approval."""
    from signer.domain.access.deciding import decide
    from signer.domain.access.decisions import KeyFacts
    from signer.domain.access.explaining import explain
    from signer.domain.access.futility import futile
    from signer.domain.identity import Identity
    from signer.services.access_documents import futile_documents

    wanted = Action(action)
    if (wanted in KEY_ACTIONS) != (key is not None):
        raise click.UsageError(f"{action} is done {'with' if wanted in KEY_ACTIONS else 'without'} a --key")
    if artifact is not None and wanted not in SIGNING_ACTIONS:
        raise click.UsageError(f"an artifact decides of signing, not of {action}")
    if emergency and wanted not in SIGNING_ACTIONS:
        raise click.UsageError(f"approvals are of signing, not of {action}")
    policy = chosen_policy(policy_file, config, "policy check")
    identity = Identity(name=name, role=role, person=person, groups=frozenset(groups))
    asked: dict[str, Any] = {
        "key": KeyFacts(name=key) if key is not None else None,
        "request": shown(artifact, whole=whole) if artifact is not None else None,
        "at": at.replace(tzinfo=UTC) if at is not None else datetime.now(UTC),
        "emergency": emergency,
    }
    decision = decide(policy, identity, wanted, **asked)
    answers = explain(policy, identity, wanted, **asked)
    # What is on record is not asked for; what the rules say of each other is.
    tell_futile(futile_documents(futile(policy, None)))
    if as_json:
        show_json(_document(decision, answers))
    else:
        _tell(decision, answers, identity)
    return {"deny": DENIED, "approval": WAITING}.get(word(decision), 0)


def word(decision: Decision) -> str:
    """A decision in one word, as cases expect it."""
    from signer.domain.access.decisions import Allow, Deny

    if isinstance(decision, Allow):
        return "emergency" if decision.emergency else "allow"
    return "deny" if isinstance(decision, Deny) else "approval"


def reason_of(decision: Decision) -> str:
    """Why, in one line."""
    from signer.domain.access.decisions import Deny

    return decision.reason if isinstance(decision, Deny) else f"by the rule {decision.rule}"


def _tell(decision: Decision, answers: Sequence[RuleAnswer], identity: Identity) -> None:
    click.echo(printable(f"{word(decision)}: {reason_of(decision)}"))
    rows = [(each.rule.name, each.says.value, each.condition or "", each.sentence or "") for each in answers]
    if rows:
        click.echo(table(("RULE", "SAYS", "CONDITION", "WHY"), rows))
    else:
        click.echo(printable(f"there are no rules, so {identity.name} may do nothing"))


def _document(decision: Decision, answers: Sequence[RuleAnswer]) -> dict[str, Any]:
    return {
        "decision": word(decision),
        "reason": reason_of(decision),
        "rule": decision.rule,
        "rules": [
            {
                "name": each.rule.name,
                "says": each.says.value,
                "condition": each.condition,
                "why": each.sentence,
            }
            for each in answers
        ],
    }
