"""docs/operations/commands.md against the commands: every command, argument, option and exit code."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

import click
import pytest

from signer.cli.exit_codes import INTERNAL, INTERRUPTED, REFUSED, UNREACHABLE, WAITING
from signer.cli.main import cli
from tests.docs.pages import DOCS, ROOT, Section, quoted, section, sections
from verifier.command import usage
from verifier.command.outcome import ExitCode

PAGE = "operations/commands.md"
_COMMAND = re.compile(r"`(artifact-signer(?: [a-z][a-z-]*)+)((?: [A-Z]+)*)`")


def _walk(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from _walk(found, f"{path} {name}")


COMMANDS = dict(_walk(cli, "artifact-signer"))


def _documented() -> dict[str, tuple[list[str], Section]]:
    """Each command by its words: its arguments and its section."""
    found = {}
    for item in sections(PAGE):
        command = _COMMAND.fullmatch(item.heading)
        if command:
            found[command[1]] = (command[2].split(), item)
    return found


DOCUMENTED = _documented()


def _options(command: click.Command) -> list[click.Option]:
    return [item for item in command.params if isinstance(item, click.Option) and not (item.is_eager or item.hidden)]


def test_every_command_is_documented_and_every_documented_command_exists() -> None:
    assert set(DOCUMENTED) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_lists_its_arguments(name: str) -> None:
    arguments = [item.make_metavar(click.Context(COMMANDS[name])) for item in COMMANDS[name].params
                 if isinstance(item, click.Argument)]  # fmt: skip
    assert DOCUMENTED[name][0] == [argument.strip("[]. ") for argument in arguments]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_lists_its_options_and_no_others(name: str) -> None:
    listed = {option for row in DOCUMENTED[name][1].table("option").rows for option in quoted(row[0])}
    assert listed == {spelling for item in _options(COMMANDS[name]) for spelling in item.opts}


@pytest.mark.parametrize("name", COMMANDS)
def test_required_options_are_said_to_be_and_defaults_are_the_real_ones(name: str) -> None:
    for row in DOCUMENTED[name][1].table("option").records():
        (option,) = (item for item in _options(COMMANDS[name]) if quoted(row["option"])[0] in item.opts)
        if option.envvar:
            assert quoted(row["default"]) == [option.envvar]
        else:
            assert (row["default"] == "required") is option.required, option.opts
        if isinstance(option.default, str | int) and not isinstance(option.default, bool) and not option.required:
            assert quoted(row["default"]) == [str(option.default)], option.opts


@pytest.mark.parametrize("name", COMMANDS)
def test_the_choices_of_an_option_are_listed(name: str) -> None:
    for row in DOCUMENTED[name][1].table("option").records():
        (option,) = (item for item in _options(COMMANDS[name]) if quoted(row["option"])[0] in item.opts)
        if isinstance(option.type, click.Choice) and "as for" not in row["meaning"]:
            assert list(dict.fromkeys(quoted(row["meaning"])))[: len(option.type.choices)] == list(option.type.choices)


def test_the_age_of_a_pending_version_is_the_real_one() -> None:
    from signer.services.reconciliation import DEFAULT_PENDING_AGE

    (row,) = (row for row in DOCUMENTED["artifact-signer doctor"][1].table("option").rows if "pending" in row[0])
    assert quoted(row[1]) == [f"{DEFAULT_PENDING_AGE.total_seconds():.0f}"]


def test_the_exit_codes_of_artifact_signer_are_listed() -> None:
    listed = {int(row[0]) for row in section(PAGE, "`artifact-signer`").table("exit code").rows}
    assert listed == {0, REFUSED, click.UsageError.exit_code, UNREACHABLE, WAITING, INTERNAL, INTERRUPTED}


def test_the_exit_codes_of_artifact_verify_are_listed() -> None:
    listed = {int(row[0]) for row in section(PAGE, "`artifact-verify`").table("exit code").rows}
    assert listed == set(ExitCode)


class _Captured(Exception):
    def __init__(self, parser: argparse.ArgumentParser) -> None:
        super().__init__()
        self.parser = parser


def test_the_arguments_and_options_of_artifact_verify_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    def capture(parser: argparse.ArgumentParser, *_: object) -> None:
        raise _Captured(parser)

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", capture)
    with pytest.raises(_Captured) as captured:
        usage.parse([])
    actions = [action for action in captured.value.parser._actions if "--help" not in action.option_strings]
    real = {spelling for action in actions for spelling in action.option_strings or [str(action.metavar)]}
    table = section(PAGE, "`artifact-verify`").table("argument or option")
    assert {name for row in table.rows for name in quoted(row[0])} == real


def test_every_command_that_a_page_shows_exists_with_its_options() -> None:
    for page in [*DOCS.rglob("*.md"), ROOT / "README.md"]:
        for line in page.read_text(encoding="utf-8").splitlines():
            for words, options in _shown(line):
                known = {option for item in COMMANDS[words].params for option in item.opts}
                assert options <= {*known, "--help"}, (page, line)


def _shown(line: str) -> Iterator[tuple[str, set[str]]]:
    """The commands in a line of a shell example or a sentence, with the long options that follow."""
    for start in re.finditer(r"artifact-signer(?= [a-z])", line):
        rest = re.split(r"[`|&;#)]|(?<=\S)\. ", line[start.start() :])[0].split()
        path = rest[0]
        for word in rest[1:]:
            if f"{path} {word}" not in COMMANDS and not any(name.startswith(f"{path} {word} ") for name in COMMANDS):
                break
            path += f" {word}"
        if path in COMMANDS:
            yield path, {word.partition("=")[0] for word in rest if word.startswith("--")}
