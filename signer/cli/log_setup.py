"""``artifact-signer log create`` and ``log resume``: the log of an installation on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import click

from signer.cli.local import config_option
from signer.cli.output import note, show_json
from signer.config import load_settings


@click.command()
@click.option("--origin", help="name of the log, for life; without it, one is made up")
@click.option("--token", "token", help="PKCS#11 token to make a key in; all configured ones without it")
@config_option
def create(*, origin: str | None, token: str | None, config: Path) -> None:
    """Make the log, a key for it in each token, log.vkey and the first checkpoint; what is there already stays."""
    from signer.log_creation import create_log

    made = create_log(load_settings(config, os.environ), origin=origin, token=token, directory=config.resolve().parent)
    note(f"{'made' if made.begun else 'found'} the log {made.origin} of {made.size} leaves")
    for key in made.new_keys:
        note(f"made key {key}")
    for sentence in made.warnings:
        note(sentence)
    note(f"verifier key: {made.verifier_key_file}")


@click.command()
@click.option("--without", "machine", help="name of a machine that is gone")
@click.option("--no-file", "no_file", is_flag=True, help="make the lost checkpoint file from the log, verified anew")
@click.option("--json", "as_json", is_flag=True, help="write a JSON document")
@config_option
def resume(*, machine: str | None, no_file: bool, config: Path, as_json: bool) -> None:
    """Let the log go on without a machine that is gone, or without the checkpoint file.

    Nobody can tell from the database alone whether it is an older one: compare size and root with what a witness,
    a monitor or another machine saw.
    """
    from signer.log_creation import resume_without_file, resume_without_machine

    if no_file is (machine is not None):
        raise click.UsageError("say what to go on without: --no-file or --without MACHINE")
    settings = load_settings(config, os.environ)
    if machine is not None:
        resume_without_machine(settings, machine)
        note(f"machine {machine} is not waited for any more")
        return
    resumed = resume_without_file(settings)
    if as_json:
        show_json({"origin": resumed.origin, "size": resumed.size, "root": resumed.root})
        return
    click.echo(f"{resumed.origin}\nsize {resumed.size}\nroot {resumed.root}")
    note("compare size and root with what a witness, a monitor or another machine saw last")
