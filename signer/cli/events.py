"""``artifact-signer events``: what happened to keys."""

from __future__ import annotations

import click

from signer.cli.connection import connected, json_option
from signer.cli.output import note, show_json, table


@click.command()
@click.option("--key", help="only events of this key")
@click.option("--after", type=click.IntRange(min=0), default=0, help="only events with a greater id")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@json_option
def events(*, key: str | None, after: int, limit: int, as_json: bool) -> None:
    """List what happened to keys: who, when, before and after."""
    parameters: dict[str, str | int] = {"after": after, "limit": limit}
    if key is not None:
        parameters["key"] = key
    with connected() as client:
        document = client.read("/v1/events", **parameters)
    if as_json:
        show_json(document)
        return
    rows = [
        (event["id"], event["at"], event["type"], event["actor"], event["key"], event["version"],
         _change(event["before"], event["after"]))
        for event in document["events"]
    ]  # fmt: skip
    click.echo(table(("ID", "WHEN", "EVENT", "WHO", "KEY", "VERSION", "CHANGE"), rows))
    if document["next_after"] is not None:
        note(f"there are more: --after {document['next_after']}")


def _change(before: dict[str, object], after: dict[str, object]) -> str:
    return ", ".join(
        f"{name}: {before[name]} -> {value}" if name in before else f"{name}: {value}" for name, value in after.items()
    )
