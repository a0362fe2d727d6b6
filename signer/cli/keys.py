"""``artifact-signer keys``: keys and their life, over the service's API."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Any, TypeVar

import click

from signer.cli import certificates, key_imports, key_plan
from signer.cli.connection import connected, json_option
from signer.cli.key_options import ALGORITHMS, PURPOSES, validity_of, validity_options
from signer.cli.key_output import show_key
from signer.cli.output import note, show_json, table
from signer.client import key_path

SHORT_FINGERPRINT = 16
MAX_PEM_BYTES = 32768

Command = TypeVar("Command", bound=Callable[..., Any])


def pair_options(command: Command) -> Command:
    """The options that name a pair in the token; exactly one is needed."""
    for option in (
        click.option("--cka-id", metavar="HEX", help="CKA_ID of the pair in the token"),
        click.option("--label", help="CKA_LABEL of the pair in the token"),
        click.option(
            "--public-key",
            type=click.File("rb"),
            metavar="FILE",
            help="its public key or certificate, PEM, where the token shows neither",
        ),
    ):
        command = option(command)
    return command


# Among what else a new key is given.
BLIND_SIGN = click.option(
    "--blind-sign", is_flag=True, default=None, help="signs digests too, of which it sees nothing else"
)


@click.group()
def keys() -> None:
    """Create, list and look after signing keys."""


@keys.command()
@click.argument("name")
@click.option("--algorithm", type=click.Choice(ALGORITHMS), required=True)
@click.option("--purpose", type=click.Choice(PURPOSES), default="artifact", show_default=True)
@click.option("--token", "tokens", multiple=True, help="token to live in (repeat; all configured ones)")
@BLIND_SIGN
@validity_options
@json_option
def create(name: str, *, algorithm: str, purpose: str, tokens: tuple[str, ...], as_json: bool, **bounds: Any) -> None:
    """Create the key NAME: a pair generated in the token, which signs at once."""
    document = {
        "name": name,
        "algorithm": algorithm,
        "purpose": purpose,
        "tokens": tokens,
        **validity_of(bounds),
    }
    with connected() as client:
        key = client.ask("/v1/keys", document)
    show_key(key, as_json=as_json)


@keys.command()
@click.argument("name")
@click.option("--algorithm", type=click.Choice(ALGORITHMS), required=True)
@click.option("--purpose", type=click.Choice(PURPOSES), default="artifact", show_default=True)
@click.option("--token", "tokens", multiple=True, help="token to live in (repeat; all configured ones)")
@BLIND_SIGN
@pair_options
@validity_options
@json_option
def adopt(
    name: str,
    *,
    algorithm: str,
    purpose: str,
    tokens: tuple[str, ...],
    cka_id: str | None,
    label: str | None,
    public_key: IO[bytes] | None,
    as_json: bool,
    **bounds: Any,
) -> None:
    """Create the key NAME from a pair that is in the token already."""
    document = {
        "name": name,
        "algorithm": algorithm,
        "purpose": purpose,
        "tokens": tokens,
        "adopt": _selector(cka_id, label, public_key),
        **validity_of(bounds),
    }
    with connected() as client:
        key = client.ask("/v1/keys", document)
    show_key(key, as_json=as_json)


@keys.command("list")
@json_option
def list_keys(*, as_json: bool) -> None:
    """List all keys and their versions."""
    with connected() as client:
        document = client.read("/v1/keys")
    if as_json:
        show_json(document)
        return
    rows = [
        (key["name"], key["purpose"], key["algorithm"], version["version"], version["state"],
         version["signature_count"], (version["fingerprint"] or "-")[:SHORT_FINGERPRINT])
        for key in document["keys"]
        for version in key["versions"]
    ]  # fmt: skip
    if not rows:
        note("there are no keys yet: artifact-signer keys create NAME --algorithm ecdsa-p256")
        return
    click.echo(table(("KEY", "PURPOSE", "ALGORITHM", "VERSION", "STATE", "SIGNATURES", "FINGERPRINT"), rows))


@keys.command()
@click.argument("name")
@json_option
def show(name: str, *, as_json: bool) -> None:
    """Show the key NAME with all its versions."""
    with connected() as client:
        show_key(client.read(key_path(name)), as_json=as_json)


@keys.command("public-key")
@click.argument("name")
@click.option("--version", "number", type=click.IntRange(min=1), help="version (the active one)")
def public_key(name: str, *, number: int | None) -> None:
    """Write the public key of NAME as PEM, the form that devices read."""
    with connected() as client:
        if number is None:
            number = client.read(key_path(name))["active_version"]
        if number is None:
            raise click.UsageError(f"key {name} has no active version, name one with --version")
        click.echo(client.text(key_path(name, "versions", number, "public-key")), nl=False)


@keys.command()
@click.argument("name")
@click.option("--token", "tokens", multiple=True, help="token to live in (repeat; where the key lives now)")
@pair_options
@validity_options
@json_option
def prepare(
    name: str,
    *,
    tokens: tuple[str, ...],
    cka_id: str | None,
    label: str | None,
    public_key: IO[bytes] | None,
    as_json: bool,
    **bounds: Any,
) -> None:
    """Prepare the next version of NAME: published, so that devices learn it, but not signing yet."""
    document: dict[str, Any] = {**({"tokens": tokens} if tokens else {}), **validity_of(bounds)}
    if cka_id or label or public_key:
        document["adopt"] = _selector(cka_id, label, public_key)
    with connected() as client:
        show_key(client.ask(key_path(name, "versions"), document), as_json=as_json)


@keys.command()
@click.argument("name")
@json_option
def rotate(name: str, *, as_json: bool) -> None:
    """Let the next version of NAME sign from now on; the old one verifies on."""
    with connected() as client:
        show_key(client.ask(key_path(name, "rotate")), as_json=as_json)


@keys.command("blind-sign")
@click.argument("name")
@click.option("--on/--off", "allowed", required=True, help="sign digests from now on, or no longer")
@json_option
def blind_sign(name: str, *, allowed: bool, as_json: bool) -> None:
    """Let NAME sign digests, of which nothing else is seen, or no longer."""
    with connected() as client:
        show_key(client.ask(key_path(name, "blind-sign"), {"allowed": allowed}), as_json=as_json)


def _version_command(step: str, help_text: str) -> click.Command:
    """A command for a step that needs nothing but the version's number."""

    @click.command(step, help=help_text)
    @click.argument("name")
    @click.option("--version", "number", type=click.IntRange(min=1), required=True)
    @json_option
    def command(name: str, *, number: int, as_json: bool) -> None:
        with connected() as client:
            show_key(client.ask(key_path(name, "versions", number, step)), as_json=as_json)

    return command


FORCE = click.option("--force", metavar="REASON", help="end tokens that still hold; REASON goes on record")


@keys.command()
@click.argument("name")
@click.option("--version", "number", type=click.IntRange(min=1), required=True)
@FORCE
@json_option
def retire(name: str, *, number: int, force: str | None, as_json: bool) -> None:
    """Publish a version of NAME no longer: no device needs it any more."""
    with connected() as client:
        show_key(client.ask(key_path(name, "versions", number, "retire"), _forced(force)), as_json=as_json)


keys.add_command(_version_command("disable", "Switch a version of NAME off: it neither signs nor is published."))
keys.add_command(_version_command("enable", "Switch a version of NAME on again."))
for _command in (*certificates.COMMANDS, *key_imports.COMMANDS, *key_plan.COMMANDS):
    keys.add_command(_command)


@keys.command()
@click.argument("name")
@click.option("--version", "number", type=click.IntRange(min=1), required=True)
@click.option("--confirm", metavar="NAME", help="the key's name again, instead of being asked for it")
@FORCE
@json_option
def destroy(name: str, *, number: int, confirm: str | None, force: str | None, as_json: bool) -> None:
    """Remove a disabled version of NAME from the tokens, for ever."""
    with connected() as client:
        version = next((v for v in client.read(key_path(name))["versions"] if v["version"] == number), None)
        if version is not None:
            note(f"version {number} of key {name} last signed: {version['last_signed_at'] or 'never'}")
        if confirm is None:
            confirm = click.prompt(f"type the name of the key to destroy its version {number}", err=True)
        show_key(
            client.ask(key_path(name, "versions", number, "destroy"), {"confirmation": confirm, **_forced(force)}),
            as_json=as_json,
        )


def _selector(cka_id: str | None, label: str | None, public_key: IO[bytes] | None) -> dict[str, str]:
    if (cka_id is None) == (label is None):
        raise click.UsageError("name the pair with exactly one of --cka-id and --label")
    selector = {"cka_id": cka_id} if cka_id is not None else {"label": label or ""}
    if public_key is not None:
        # More than any public key or certificate; the service says what is wrong with it.
        selector["public_key"] = public_key.read(MAX_PEM_BYTES).decode("ascii", "replace")
    return selector


def _forced(reason: str | None) -> dict[str, str]:
    return {} if reason is None else {"force": reason}
