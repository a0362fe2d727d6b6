"""How commands show a key."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import click

from signer.cli.output import complain, show_json, table
from signer.domain.keys import Origin

# For life: that a private key was in a file is not undone by removing the file.
ORIGINS: Mapping[str, str] = MappingProxyType(
    {
        Origin.IMPORTED: "imported: its private key was once in a file, and whoever has a copy signs as it",
        Origin.PUBLIC_KEY: "a public key alone: its private key is not in a token of this service, it only verifies",
    }
)


def show_key(key: Mapping[str, Any], *, as_json: bool) -> None:
    """Write a key, as the service's document has it, for people or as it is."""
    for warning in key.get("warnings", ()):
        complain(f"warning: {warning}")
    if as_json:
        show_json(key)
        return
    blind = ", signs blind" if key["blind_sign"] else ""
    tokens = ", ".join(key["tokens"])
    click.echo(f"key {key['name']}: {key['algorithm']}, purpose {key['purpose']}, tokens {tokens}{blind}")
    rows = [
        (version["version"], version["state"], version["signature_count"], version["last_signed_at"],
         version["not_after"], version["fingerprint"])
        for version in key["versions"]
    ]  # fmt: skip
    headings = ("VERSION", "STATE", "SIGNATURES", "LAST SIGNED", "NOT AFTER", "FINGERPRINT")
    ends = [version.get("tokens_valid_until", "") for version in key["versions"]]
    if "" in ends:
        click.echo(table(headings, rows))
    else:
        wider = [(*row[:-1], end, row[-1]) for row, end in zip(rows, ends, strict=True)]
        click.echo(table((*headings[:-1], "TOKENS UNTIL", headings[-1]), wider))
    for version in key["versions"]:
        if version["origin"] in ORIGINS:
            click.echo(f"version {version['version']} is {ORIGINS[version['origin']]}")
