"""What every command that asks the service has in common."""

from __future__ import annotations

import os

import click

from signer.client import Client, ClientSettings

json_option = click.option("--json", "as_json", is_flag=True, help="write the service's JSON document")


def connected() -> Client:
    """The client, as the environment says."""
    return Client(ClientSettings.from_environment(os.environ))
