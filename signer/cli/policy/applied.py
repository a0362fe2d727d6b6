"""``policy show`` and ``policy apply``: the policy of a service, or of an installation on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from signer.cli.access_sources import opened
from signer.cli.connection import either_option, json_option
from signer.cli.output import note, printable, show_json, table
from signer.cli.policy.futile import tell_futile
from signer.errors import InvalidRequest


@click.command()
@click.option("--revision", type=click.IntRange(min=1), help="one that was in force; default: the one that is")
@click.option("--all", "everything", is_flag=True, help="list all revisions, without their texts")
@json_option
@either_option
def show(*, revision: int | None, everything: bool, as_json: bool, config: Path | None) -> None:
    """Write the text of the policy in force to standard output."""
    if everything and revision is not None:
        raise click.UsageError("--all lists every revision, --revision shows one")
    with opened(config, "policy show") as access:
        document: Mapping[str, Any] = access.revisions() if everything else access.policy(revision)
    if as_json:
        show_json(document)
    elif everything:
        rows = [
            (each["revision"], each["applied_at"], each["actor"], "yes" if each["break_glass"] else "", each["reason"])
            for each in document["revisions"]
        ]
        click.echo(table(("REVISION", "APPLIED", "BY", "GLASS BROKEN", "REASON"), rows))
    else:
        note(f"revision {document['revision']}, applied {document['applied_at']} by {document['actor']}")
        # As it was applied, so that it can be changed and applied again.
        click.echo(document["text"], nl=False)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True))
@click.option("--reason", help="why; on record, needed unless --dry-run or --break-glass")
@click.option("--expected", type=click.IntRange(min=1), help="the revision that it was made for; another is refused")
@click.option("--dry-run", is_flag=True, help="say what would change and for whom, and change nothing")
@click.option("--break-glass", metavar="REASON", help="past what guards the policy; on record, loudly")
@json_option
@either_option
def apply(
    file: Path,
    *,
    reason: str | None,
    expected: int | None,
    dry_run: bool,
    break_glass: str | None,
    as_json: bool,
    config: Path | None,
) -> None:
    """Put the policy in FILE in force."""
    if break_glass is not None and (config is None or dry_run or reason is not None):
        raise click.UsageError("--break-glass needs --config, is no dry run, and is the reason")
    given = break_glass if break_glass is not None else reason
    if given is None and not dry_run:
        raise click.UsageError("give a --reason")
    text = _text(file)
    with opened(config, "policy apply") as access:
        if dry_run:
            _tell_preview(access.preview(text, expected), as_json=as_json)
            return
        applied = access.apply(text, given or "", expected, break_glass=break_glass is not None)
    if as_json:
        show_json(applied)
    note(f"the policy is at revision {applied['revision']}")
    tell_futile(applied["futile"])


def _text(file: Path) -> str:
    try:
        with click.open_file(str(file), "rb") as opened_file:
            content: bytes = opened_file.read()
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidRequest(problems=(f"{file} is not UTF-8",)) from None


def _tell_preview(preview: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        show_json(preview)
        return
    rows = [
        (
            each["change"],
            each["rule"],
            ", ".join(each["principals"]),
            ", ".join(each["concerned"]) or "nobody on record",
        )
        for each in preview["changes"]
    ]
    click.echo(table(("CHANGE", "RULE", "ABOUT", "NOW"), rows))
    note(f"it would be revision {preview['revision']}, of {preview['rules']} rules; nothing was changed")
    if preview["approvals"]:
        demanded = ", ".join(f"{each['count']} of {each['group']}" for each in preview["approvals"])
        note(f"people have to approve it first: {demanded}")
    tell_futile(preview["futile"])
    note(printable(f"who could apply the next one: {', '.join(preview['administrators'])}"))
