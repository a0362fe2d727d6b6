"""``artifact-signer tokens``: what the PKCS#11 modules show, without login."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from signer.cli.local import config_option
from signer.cli.output import printable, show_json
from signer.config import load_settings


@click.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="write a JSON document")
def tokens(config: Path, *, as_json: bool) -> int:
    """List modules, slots and tokens with their mechanisms, free space and flags. Nothing logs in."""
    from signer.doctor.tokens import listed

    modules = listed(load_settings(config, os.environ))
    if as_json:
        show_json({"schema": 1, "modules": [module.document() for module in modules]})
    else:
        for module in modules:
            for line in _lines(module.document()):
                click.echo(printable(line))
    return 0 if all(module.error is None for module in modules) else 1


def _lines(module: dict[str, Any]) -> Iterable[str]:
    yield f"module {module['module']}"
    if module["error"]:
        yield f"  failed: {module['error']}"
        return
    for slot in module["slots"]:
        yield f"  slot {slot['slot_id']}: {slot['slot_description']}"
        yield f"    token          {_quoted(slot['label'])}, serial {slot['serial'] or '-'}"
        yield f"    configured as  {slot['configured_as'] or '-'}"
        yield f"    made by        {slot['manufacturer']}, {slot['model']}"
        yield f"    flags          {', '.join(slot['flags']) or '-'}"
        yield f"    free memory    {_of(slot['free_memory'], slot['total_memory'], ' bytes')}"
        yield f"    sessions       {_of(slot['sessions'], slot['max_sessions'], '')}"
        yield f"    mechanisms     {', '.join(slot['mechanisms'])}"


def _quoted(label: str) -> str:
    return f'"{label}"' if label else "not initialised"


def _of(part: int | None, whole: int | None, unit: str) -> str:
    if part is None:
        return "not told"
    return f"{part}{unit}" if not whole else f"{part} of {whole}{unit}"
