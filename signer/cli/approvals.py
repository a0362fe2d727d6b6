"""``artifact-signer approvals``: what waits for people, and what they say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from signer.cli.approval_sources import OverTheApi, opened
from signer.cli.connection import connected, either_option, json_option
from signer.cli.output import note, printable, show_json, table

Document = Mapping[str, Any]
reason_option = click.option("--reason", help="why; on record")
_HEADING = ("id", "state", "kind", "about", "requester", "expires_at")


@click.group()
def approvals() -> None:
    """See what waits for approvals, approve it, reject it."""


@approvals.command("list")
@json_option
@either_option
def list_approvals(*, as_json: bool, config: Path | None) -> None:
    """List what waits, and what was rejected, the oldest first."""
    with opened(config) as source:
        found = source.all()
    if as_json:
        show_json(found)
        return
    rows = [(*(each[name] for name in _HEADING), _demanded(each["lacking"])) for each in found["approvals"]]
    click.echo(table(("ID", "STATE", "KIND", "ABOUT", "ASKED BY", "EXPIRES", "MISSING"), rows))


@approvals.command()
@click.argument("approval", metavar="ID")
@json_option
@either_option
def show(approval: str, *, as_json: bool, config: Path | None) -> None:
    """Show what ID is about, with all that it is approved by: names, files, scripts, what differs from the last one."""
    with opened(config) as source:
        found = source.one(approval)
    if as_json:
        show_json(found)
        return
    _tell(found)
    if found["kind"] == "signature":
        _tell_artifact(found["artifact"])
    else:
        click.echo(table(("MEMBER", "VALUE"), [(name, _plain(value)) for name, value in found["change"].items()]))
    note(f"approve it with: artifact-signer approvals approve {approval} --sha256 {found['sha256']}")


@approvals.command()
@click.argument("approval", metavar="ID")
@click.option("--sha256", required=True, help="digest of what you saw; another one is refused")
@reason_option
@json_option
def approve(approval: str, *, sha256: str, reason: str | None, as_json: bool) -> None:
    """Approve ID."""
    _vote(approval, "approve", sha256, reason, as_json=as_json)


@approvals.command()
@click.argument("approval", metavar="ID")
@click.option("--sha256", help="digest of what you saw; another one is refused")
@reason_option
@json_option
def reject(approval: str, *, sha256: str | None, reason: str | None, as_json: bool) -> None:
    """Reject ID, for good."""
    _vote(approval, "reject", sha256, reason, as_json=as_json)


def _vote(approval: str, decision: str, sha256: str | None, reason: str | None, *, as_json: bool) -> None:
    with connected() as client:
        found = OverTheApi(client).vote(approval, decision, sha256, reason)
    if as_json:
        show_json(found)
    missing = f", missing: {_demanded(found['lacking'])}" if found["lacking"] else ""
    note(printable(f"{approval} is {found['state']}{missing}"))


def _tell(found: Document) -> None:
    names = ("about", "kind", "key", "key_version", "rule", "requester", "person", "created_at", "expires_at", "state")
    rows = [(name, found[name]) for name in names]
    rows += [("asks for", _demanded(found["demands"])), ("missing", _demanded(found["lacking"]))]
    rows += [(each["decision"], _voted(each)) for each in found["votes"]]
    click.echo(table(("MEMBER", "VALUE"), [*rows, ("sha256", found["sha256"])]))


def _tell_artifact(artifact: Document) -> None:
    if not artifact["shown"]:
        note("nothing is kept of this artifact that could be shown")
        return
    listed = {"files", "scripts", "difference", "shown"}
    click.echo(table(("MEMBER", "VALUE"), [(name, _plain(artifact[name])) for name in artifact if name not in listed]))
    rows = [(each["name"], each.get("size", ""), each["sha256"]) for each in artifact["files"]]
    click.echo(table(("FILE", "SIZE", "SHA256"), rows))
    for script in artifact.get("scripts", ()):
        click.echo(f"--- {script['name']} ({script['size']} bytes, sha256 {script['sha256']})")
        for line in script.get("text", "not shown: too long, or a program").splitlines():
            # Whatever is in it moves no cursor.
            click.echo(printable(line))
    _tell_difference(artifact["difference"])


def _tell_difference(difference: Document | None) -> None:
    if difference is None:
        note("no artifact of this key for these devices is known to compare with")
        return
    rows = [(each["member"], _plain(each["before"]), _plain(each["after"])) for each in difference["changes"]]
    click.echo(table(("DIFFERS", "SIGNED LAST", "NOW"), rows))


def _voted(vote: Document) -> str:
    counted = f" for {vote['counts_for']}" if vote["counts_for"] else ""
    reason = f": {vote['reason']}" if vote["reason"] else ""
    return f"{vote['person']} ({vote['identity']}){counted}{reason}"


def _demanded(demands: list[Document]) -> str:
    return ", ".join(f"{each['count']} of {each['group']}" for each in demands)


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
