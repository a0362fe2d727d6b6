"""``artifact-device``: a device's key and token, from scripts and timers.

Exit codes: 0 done; 1 refused, and the same again would be; 2 arguments or settings are wrong; 3 try again later: the
service cannot be reached, is busy, or has not confirmed yet; 130 after Ctrl-C. Results go to standard output,
everything else to standard error.
"""

from __future__ import annotations

import enum
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from device.bootstrap import Device, open_device
from device.command import report
from device.command.arguments import PROGRAM, Arguments, parse
from device.command.wording import hint, sentence
from device.errors import DeviceError, SettingsInvalid
from device.recalled import RecalledLists
from device.settings import read_settings


class ExitCode(enum.IntEnum):
    """What the command's exit code means."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    LATER = 3
    INTERRUPTED = 128 + 2  # SIGINT
    NOBODY_READS = 128 + 13  # SIGPIPE


def _recalled(device: Device) -> RecalledLists:
    if device.recalled is None:
        raise SettingsInvalid(problem="recalled_keys is missing: no list of recalled artifacts could be believed")
    return device.recalled


VERBS: Mapping[str, Callable[[Device, str], report.Document]] = {
    "bootstrap": lambda device, _: report.of_bootstrap(device.client.bootstrap()),
    "authenticate": lambda device, _: report.of_authentication(device.client.authenticate()),
    "token": lambda device, _: report.of_token(device.client.token()),
    "rotate-key": lambda device, _: report.of_rotation(device.client.rotate_key()),
    "renew-certificate": lambda device, _: report.of_renewal(device.client.renew_certificate()),
    "take-recalled": lambda device, path: report.of_recalled(_recalled(device).take_file(Path(path))),
    "check-recalled": lambda device, manifest: report.of_check(_recalled(device).require(manifest)),
    "status": lambda device, _: report.of_status(device),
}
# What is printed alone where no JSON is asked for, so that scripts can take it as it is.
ALONE = {"bootstrap": "public_key", "token": "token"}


def main(words: Sequence[str] | None = None) -> int:
    """Run the command with ``words`` (by default the process's); returns the exit code."""
    try:
        code = _run(parse(words))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.NOBODY_READS
    return code


def _run(arguments: Arguments) -> ExitCode:
    try:
        device = open_device(read_settings(arguments.config))
        document = VERBS[arguments.command](device, arguments.about or "")
    except DeviceError as error:
        return _refused(error, arguments)
    _say(document, arguments)
    return ExitCode.DONE


def _say(document: report.Document, arguments: Arguments) -> None:
    if arguments.json:
        text = json.dumps(document, indent=2)
    elif arguments.command in ALONE:
        text = str(document[ALONE[arguments.command]]).rstrip("\n")
    else:
        text = "\n".join(report.lines(document))
    sys.stdout.write(text + "\n")


def _refused(error: DeviceError, arguments: Arguments) -> ExitCode:
    if arguments.json:
        sys.stdout.write(json.dumps({"code": error.code, **error.facts}, indent=2) + "\n")
    sys.stderr.write(f"{PROGRAM}: {sentence(error)} [{error.code}]\n")
    advice = hint(error)
    if advice is not None:
        sys.stderr.write(f"hint: {advice}\n")
    if isinstance(error, SettingsInvalid):
        return ExitCode.USAGE
    return ExitCode.LATER if error.later else ExitCode.REFUSED
