"""docs/device.md and the command's part of commands.md against the package: settings, files, codes, commands."""

from __future__ import annotations

import argparse

from device import errors
from device.asking import ASKED_AT
from device.bundle import KEPT
from device.command.arguments import parser
from device.command.main import ExitCode
from device.errors import DeviceError
from device.key_ring import ANNOUNCED, KEY, NEXT_KEY
from device.keys import KeyKind
from device.settings import NAMES
from device.store import LOCK
from device.tokens import FILE
from device.transport import ServerTrust
from tests.docs.pages import quoted, section

PAGE = "device.md"
COMMANDS = "operations/commands.md"


def test_every_setting_is_listed_with_its_choices() -> None:
    rows = section(PAGE, "Settings").table("setting").records()
    assert {quoted(row["setting"])[0] for row in rows} == NAMES
    meanings = {quoted(row["setting"])[0]: quoted(row["meaning"]) for row in rows}
    assert meanings["key_type"] == [kind.value for kind in KeyKind]
    assert [each for each in meanings["server_trust"] if each.islower()] == [trust.value for trust in ServerTrust]


def test_every_file_of_the_state_is_listed() -> None:
    rows = section(PAGE, "Its key").table("file in the state directory").rows
    listed = {quoted(row[0])[0] for row in rows} - {"certificate-….pem", "recalled-….list"}
    assert listed == {KEY, NEXT_KEY, ANNOUNCED, FILE, ASKED_AT, KEPT, LOCK}


def test_every_code_is_listed() -> None:
    rows = section(PAGE, "When it is refused").table("code").rows
    listed = [code for row in rows for code in quoted(row[0])]
    real = {each.code for each in vars(errors).values() if isinstance(each, type) and issubclass(each, DeviceError)}
    assert (set(listed), len(set(listed))) == (real - {DeviceError.code}, len(listed))


def test_commands_options_and_exit_codes_are_listed() -> None:
    made = parser()
    (commands,) = (action for action in made._actions if isinstance(action, argparse._SubParsersAction))
    every = [made, *commands.choices.values()]
    options = {name for each in every for action in each._actions for name in action.option_strings} - {"-h", "--help"}
    found = section(COMMANDS, "`artifact-device`")
    assert {quoted(row[0])[0] for row in found.table("command or option").rows} == options | set(commands.choices)
    assert {int(row[0]) for row in found.table("exit code").rows} == set(ExitCode)
