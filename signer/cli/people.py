"""``artifact-signer people``, ``identities`` and ``groups``: who stands behind credentials, and names for several."""

from __future__ import annotations

from pathlib import Path

import click

from signer.cli.access_sources import opened
from signer.cli.connection import either_option, json_option
from signer.cli.output import note, show_json, table

reason_option = click.option("--reason", required=True, help="why; on record")


@click.group()
def people() -> None:
    """Keep people: identities of theirs count once, and end together."""


@people.command("create")
@click.argument("name")
@click.option("--display", help="name to show; default: NAME")
@click.option("--email", help="address, to show")
@json_option
@either_option
def create_person(name: str, *, display: str | None, email: str | None, as_json: bool, config: Path | None) -> None:
    """Record the person NAME. Names are not used twice."""
    with opened(config, "people create") as access:
        made = access.create_person(name, display, email)
    if as_json:
        show_json(made)
    note(f"made {name}; give them identities with: artifact-signer identities assign IDENTITY {name}")


@people.command("list")
@json_option
@either_option
def list_people(*, as_json: bool, config: Path | None) -> None:
    """List all people, disabled ones too."""
    with opened(config, "people list") as access:
        found = access.people()
    if as_json:
        show_json(found)
        return
    rows = [
        (each["name"], each["display"], ", ".join(each["identities"]), ", ".join(each["groups"]), each["disabled_at"])
        for each in found["people"]
    ]
    click.echo(table(("NAME", "DISPLAY", "IDENTITIES", "GROUPS", "DISABLED"), rows))


@people.command("show")
@click.argument("name")
@json_option
@either_option
def show_person(name: str, *, as_json: bool, config: Path | None) -> None:
    """Show the person NAME."""
    with opened(config, "people show") as access:
        found = access.person(name)
    if as_json:
        show_json(found)
        return
    rows = [(member, ", ".join(value) if isinstance(value, list) else value) for member, value in found.items()]
    click.echo(table(("MEMBER", "VALUE"), rows))


@people.command("disable")
@click.argument("name")
@reason_option
@either_option
def disable_person(name: str, *, reason: str, config: Path | None) -> None:
    """End every credential and session of the person NAME, at once."""
    with opened(config, "people disable") as access:
        done = access.set_disabled(name, reason, disabled=True)
    note(
        f"disabled {name}: none of their identities proves anything any more" if done else f"{name} was disabled before"
    )


@people.command("enable")
@click.argument("name")
@reason_option
@either_option
def enable_person(name: str, *, reason: str, config: Path | None) -> None:
    """Let the credentials of the person NAME prove again what they did."""
    with opened(config, "people enable") as access:
        done = access.set_disabled(name, reason, disabled=False)
    note(f"enabled {name}" if done else f"{name} is not disabled")


@click.group()
def identities() -> None:
    """Say which identities are whose."""


@identities.command("list")
@json_option
@either_option
def list_identities(*, as_json: bool, config: Path | None) -> None:
    """List the identities that belong to a person."""
    with opened(config, "identities list") as access:
        found = access.identities()
    if as_json:
        show_json(found)
        return
    click.echo(table(("IDENTITY", "PERSON"), [(each["identity"], each["person"]) for each in found["identities"]]))


@identities.command()
@click.argument("identity")
@click.argument("person")
@either_option
def assign(identity: str, person: str, *, config: Path | None) -> None:
    """Give IDENTITY, such as mtls:CA:VALUE or ci:ISSUER/ID, to PERSON."""
    with opened(config, "identities assign") as access:
        access.assign(identity, person)
    note(f"{identity} belongs to {person}")


@identities.command()
@click.argument("identity")
@either_option
def unassign(identity: str, *, config: Path | None) -> None:
    """Take IDENTITY back from the person that it belongs to."""
    with opened(config, "identities unassign") as access:
        access.unassign(identity)
    note(f"{identity} belongs to nobody")


@click.group()
def groups() -> None:
    """Keep groups: what rules call several people or identities."""


@groups.command("create")
@click.argument("name")
@either_option
def create_group(name: str, *, config: Path | None) -> None:
    """Make the group NAME, without members."""
    with opened(config, "groups create") as access:
        access.create_group(name)
    note(f"made the group {name}; rules call it group:{name}")


@groups.command("list")
@json_option
@either_option
def list_groups(*, as_json: bool, config: Path | None) -> None:
    """List all groups with their members."""
    with opened(config, "groups list") as access:
        found = access.groups()
    if as_json:
        show_json(found)
        return
    click.echo(table(("NAME", "MEMBERS"), [(each["name"], ", ".join(each["members"])) for each in found["groups"]]))


@groups.command("show")
@click.argument("name")
@json_option
@either_option
def show_group(name: str, *, as_json: bool, config: Path | None) -> None:
    """Show the members of the group NAME, one a line."""
    with opened(config, "groups show") as access:
        found = access.group(name)
    if as_json:
        show_json(found)
        return
    for member in found["members"]:
        click.echo(member)


@groups.command()
@click.argument("group")
@click.argument("member")
@either_option
def add(group: str, member: str, *, config: Path | None) -> None:
    """Let MEMBER (person:NAME, or an identity) be in GROUP."""
    with opened(config, "groups add") as access:
        done = access.set_member(group, member, present=True)
    note(f"{member} is in {group}" if done else f"{member} was in {group} before")


@groups.command()
@click.argument("group")
@click.argument("member")
@either_option
def remove(group: str, member: str, *, config: Path | None) -> None:
    """Take MEMBER out of GROUP."""
    with opened(config, "groups remove") as access:
        done = access.set_member(group, member, present=False)
    note(f"{member} is in {group} no more" if done else f"{member} was not in {group}")
