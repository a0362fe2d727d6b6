"""The words after ``artifact-device``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# What stands after a command, and what it is.
ARGUMENTS = {
    "take-recalled": ("list", "file of the list, or - for standard input"),
    "check-recalled": ("manifest", "SHA-256 of the artifact's manifest, as artifact-verify shows it"),
}
PROGRAM = "artifact-device"
CONFIG = Path("/etc/artifact-device.toml")
COMMANDS = {
    "bootstrap": "make the device's key at the first start, and print its public half",
    "authenticate": "ask for a new token and keep it",
    "token": "print the token, a new one where it has ended or is about to",
    "rotate-key": "change the device's key, or end a change that was broken off",
    "renew-certificate": "have the certificate renewed that the device shows, where it is due",
    "take-recalled": "keep a list of recalled artifacts as the newest",
    "check-recalled": "say whether an artifact may be installed, as far as the kept list tells",
    "status": "say what there is, without asking the service",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """What was asked for."""

    command: str
    config: Path
    json: bool
    about: str | None = None


def parser() -> argparse.ArgumentParser:
    """What is understood."""
    made = argparse.ArgumentParser(prog=PROGRAM, description="A device's key and token.", allow_abbrev=False)
    made.add_argument("--config", type=Path, default=CONFIG, metavar="FILE", help=f"settings (default: {CONFIG})")
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, meaning in COMMANDS.items():
        command = commands.add_parser(name, help=meaning, description=meaning.capitalize() + ".", allow_abbrev=False)
        if name in ARGUMENTS:
            shown, about = ARGUMENTS[name]
            command.add_argument("about", metavar=shown.upper(), help=about)
        command.add_argument("--json", action="store_true", help="print one JSON document")
    return made


def parse(words: Sequence[str] | None) -> Arguments:
    """Ends the process with code 2, and usage, where the words are wrong."""
    return Arguments(**vars(parser().parse_args(words)))
