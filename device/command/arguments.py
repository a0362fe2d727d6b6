"""The words after ``artifact-device``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PROGRAM = "artifact-device"
CONFIG = Path("/etc/artifact-device.toml")
COMMANDS = {
    "bootstrap": "make the device's key at the first start, and print its public half",
    "authenticate": "ask for a new token and keep it",
    "token": "print the token, a new one where it has ended or is about to",
    "rotate-key": "change the device's key, or end a change that was broken off",
    "renew-certificate": "have the certificate renewed that the device shows, where it is due",
    "status": "say what there is, without asking the service",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """What was asked for."""

    command: str
    config: Path
    json: bool


def parser() -> argparse.ArgumentParser:
    """What is understood."""
    made = argparse.ArgumentParser(prog=PROGRAM, description="A device's key and token.", allow_abbrev=False)
    made.add_argument("--config", type=Path, default=CONFIG, metavar="FILE", help=f"settings (default: {CONFIG})")
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, meaning in COMMANDS.items():
        command = commands.add_parser(name, help=meaning, description=meaning.capitalize() + ".", allow_abbrev=False)
        command.add_argument("--json", action="store_true", help="print one JSON document")
    return made


def parse(words: Sequence[str] | None) -> Arguments:
    """Ends the process with code 2, and usage, where the words are wrong."""
    return Arguments(**vars(parser().parse_args(words)))
