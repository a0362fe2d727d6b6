"""``artifact-signer --help``: every command on one line, and nothing is imported for it."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from signer.cli.main import COMMANDS, cli

TERMINAL_COLUMNS = 80
HEAVY = (
    "alembic", "cryptography", "flask", "gunicorn", "hsm", "httpx", "pkcs11", "pydantic", "signer.config",
    "signer.domain", "signer.services", "sqlalchemy", "verifier",
)  # fmt: skip
# Prints the heavy modules that were imported, after the help.
PROBE = f"""
import sys
from signer.cli.main import run
code = run(sys.argv[1:])
print("imported:", *[name for name in {HEAVY!r} if name in sys.modules])
sys.exit(code)
"""


def probed(*arguments: str) -> tuple[list[str], str]:
    """The lines of the help, and the last one about imports."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    lines = done.stdout.splitlines()
    return lines[:-1], lines[-1]


@pytest.mark.parametrize("arguments", [("--help",), ("-h",), ("--version",)])
def test_help_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert probed(*arguments)[1] == "imported:"


def test_the_probe_sees_imports() -> None:
    assert probed("keys", "--help")[1].split()[1:] != []


def test_every_command_has_one_line_that_fits_a_terminal() -> None:
    lines, _ = probed("--help")
    listed = lines[lines.index("Commands:") + 1 :]
    assert [line.split()[0] for line in listed] == list(COMMANDS)
    for line in listed:
        assert len(line) <= TERMINAL_COLUMNS
        assert len(line.split()) > 2
        assert not line.endswith(".")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_where_the_table_says_and_has_that_name(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.name == name
    assert command.help
