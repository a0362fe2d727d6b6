"""``artifact-signer users``: people who log in with a password, over the API or on the database.

1. A password comes from a file, or from standard input, and is shown nowhere.
2. What somebody does for themselves (``totp-enrol``, ``totp-confirm``, ``totp-disable``) is asked of the service with
   the token of their own login.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from signer.answers import ClientError
from signer.cli.connection import connected, either_option, json_option
from signer.cli.output import note, show_json, table
from signer.cli.user_import import import_users
from signer.cli.user_sources import opened
from signer.domain.users import DEFAULT_ROLE, LONGEST_PASSWORD

SECOND_FACTOR = "/api/management/v1/useradm/settings/2fa"
STANDARD_INPUT = "-"

reason_option = click.option("--reason", required=True, help="why; on record")
password_option = click.option(
    "--password-file",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    required=True,
    help="file that holds the password; - for standard input",
)


@click.group()
def users() -> None:
    """Keep users: people who log in with an address and a password."""


@users.command()
@click.argument("email")
@password_option
@click.option("--role", "roles", multiple=True, metavar="NAME", help="name that rules may use (repeat)")
@click.option("--person", metavar="NAME", help="whose it is")
@json_option
@either_option
def create(
    email: str, *, password_file: Path, roles: tuple[str, ...], person: str | None, as_json: bool, config: Path | None
) -> None:
    """Make the user EMAIL. Without --role they are a device-manager."""
    wanted = {"email": email, "password": _password(password_file), "roles": list(roles) or [DEFAULT_ROLE]}
    with opened(config, "create") as source:
        made = source.create(wanted if person is None else {**wanted, "person": person})
    if as_json:
        show_json(made)
    note(f"made the user {made['email']}, whom rules call user:{made['email']}")


@users.command("list")
@json_option
@either_option
def list_users(*, as_json: bool, config: Path | None) -> None:
    """List all users, disabled ones too."""
    with opened(config, "list") as source:
        found = source.all()
    if as_json:
        show_json(found)
        return
    rows = [
        (
            each["email"],
            ",".join(each["roles"]),
            each["person"],
            "yes" if each["second_factor"] else "no",
            each["last_login_at"],
            each["disabled_at"],
        )
        for each in found["users"]
    ]
    click.echo(table(("EMAIL", "ROLES", "PERSON", "SECOND FACTOR", "LAST LOGIN", "DISABLED"), rows))


@users.command()
@click.argument("email")
@json_option
@either_option
def show(email: str, *, as_json: bool, config: Path | None) -> None:
    """Show the user EMAIL."""
    with opened(config, "show") as source:
        found = source.one(email)
    if as_json:
        show_json(found)
        return
    rows = [(member, ",".join(value) if isinstance(value, list) else value) for member, value in found.items()]
    click.echo(table(("MEMBER", "VALUE"), rows))


@users.command()
@click.argument("email")
@reason_option
@either_option
def disable(email: str, *, reason: str, config: Path | None) -> None:
    """End every token of the user EMAIL, at once, and let them not log in."""
    with opened(config, "disable") as source:
        done = source.set_disabled(email, reason, disabled=True)
    note(f"disabled {email}: none of their tokens proves anything any more" if done else f"{email} was disabled before")


@users.command()
@click.argument("email")
@reason_option
@either_option
def enable(email: str, *, reason: str, config: Path | None) -> None:
    """Let the user EMAIL log in again."""
    with opened(config, "enable") as source:
        done = source.set_disabled(email, reason, disabled=False)
    note(f"enabled {email}; they have to log in again" if done else f"{email} is not disabled")


@users.command()
@click.argument("email")
@password_option
@either_option
def password(email: str, *, password_file: Path, config: Path | None) -> None:
    """Give the user EMAIL another password, and end their sessions."""
    text = _password(password_file)
    with opened(config, "password") as source:
        source.set_password(email, text)
    note(f"{email} has another password, and has to log in again")


@users.command()
@click.argument("email")
@click.option("--role", "names", multiple=True, metavar="NAME", help="name that rules may use (repeat)")
@either_option
def roles(email: str, *, names: tuple[str, ...], config: Path | None) -> None:
    """Give the user EMAIL these roles and no others; without --role, none."""
    with opened(config, "roles") as source:
        done = source.set_roles(email, list(names))
    told = ", ".join(sorted(set(names))) or "no roles"
    note(f"{email} has {told}" if done else f"{email} had {told} before")


@users.command("totp-reset")
@click.argument("email")
@reason_option
@either_option
def totp_reset(email: str, *, reason: str, config: Path | None) -> None:
    """Ask the user EMAIL for no second factor any more."""
    with opened(config, "totp-reset") as source:
        done = source.reset_second_factor(email, reason)
    note(f"{email} logs in without a code" if done else f"{email} has no second factor")


@users.command()
@click.argument("email")
@either_option
def delete(email: str, *, config: Path | None) -> None:
    """Forget the user EMAIL, and end every token of theirs."""
    with opened(config, "delete") as source:
        source.delete(email)
    note(f"deleted {email}")


@users.command("totp-enrol")
@password_option
@json_option
def totp_enrol(*, password_file: Path, as_json: bool) -> None:
    """Get a seed for your own second factor, shown this once."""
    current = _password(password_file)
    with connected() as client:
        made = client.ask(SECOND_FACTOR, {"current_password": current})
    if as_json:
        show_json(made)
    else:
        click.echo(made["secret"])
        click.echo(made["uri"])
    note("put it into an app, then: artifact-signer users totp-confirm CODE")


@users.command("totp-confirm")
@click.argument("code")
def totp_confirm(*, code: str) -> None:
    """Ask for a code at each login from now on; CODE is one that the app shows."""
    with connected() as client:
        client.ask(f"{SECOND_FACTOR}/confirm", {"token2fa": code})
    note("from now on logging in takes a code")


@users.command("totp-disable")
@click.argument("code")
@password_option
def totp_disable(*, code: str, password_file: Path) -> None:
    """Ask for no code any more; CODE is one that the app shows."""
    current = _password(password_file)
    with connected() as client:
        client.ask(f"{SECOND_FACTOR}/disable", {"current_password": current, "token2fa": code})
    note("logging in takes no code any more")


users.add_command(import_users)


def _password(path: Path) -> str:
    """The one line of the file, without its end."""
    limit = LONGEST_PASSWORD + 3
    try:
        if str(path) == STANDARD_INPUT:
            raw = sys.stdin.buffer.read(limit)
        else:
            with path.open("rb") as file:
                raw = file.read(limit)
        text = raw.decode("ascii").removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise ClientError(sentence=f"the password file {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ClientError(sentence=f"the password in {path} holds other characters than ASCII") from None
    return text
