"""The arguments of ``artifact-verify`` by argparse: help, usage, and what is wrong with them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from verifier.command.arguments import FLAGS, KEY, STANDARD_INPUT, Arguments
from verifier.command.outcome import PROGRAM

_DESCRIPTION = "Verify Mender Artifacts as devices do: valid means that every client accepts it."
_EPILOG = """\
exit codes:
  0  every artifact is valid (or was inspected)
  1  an artifact is not valid
  2  the arguments or the keys cannot be used; nothing was verified
  3  an artifact cannot be read
the worst one counts: 2, then 1, then 3, then 0

examples:
  artifact-verify --key release.pem update.mender
  curl -s https://example.com/update.mender | artifact-verify --key keys/ -
  artifact-verify --inspect unknown.mender
  artifact-verify --inspect --json /srv/artifacts
"""
_WIDTH = 100


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Of a fixed width: asking the terminal imports a good part of the standard library."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=24, width=_WIDTH)


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        sys.stdout.write(f"{parser.prog} {version('artifact-signer')}\n")
        parser.exit()


def parse(words: Sequence[str]) -> dict[str, Any]:
    """The fields of ``Arguments``; ends the process with code 2, and usage, where they are wrong."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "artifact",
        nargs="+",
        metavar="ARTIFACT",
        help="a file, - for standard input, or a directory: all *.mender below it",
    )
    parser.add_argument(
        KEY,
        action="append",
        default=[],
        metavar="FILE|DIR",
        help="a public key in PEM, or a directory of them; may be given several times",
    )
    _add_log(parser)
    _add_recalled(parser)
    for option, meaning in FLAGS.items():
        parser.add_argument(option, action="store_true", help=meaning)
    parser.add_argument(
        "--version", action=_Version, nargs=0, default=argparse.SUPPRESS, help="show the version, and end"
    )
    found = vars(parser.parse_args(words))
    fields: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}
    _check(parser, Arguments(**fields))
    return fields


def _check(parser: argparse.ArgumentParser, arguments: Arguments) -> None:
    if arguments.inspect and arguments.key:
        parser.error("--inspect does not check signatures, so it takes no --key")
    _check_log(parser, arguments)
    _check_recalled(parser, arguments)
    if arguments.artifact.count(STANDARD_INPUT) > 1:
        parser.error("standard input can be read only once")


def _add_log(parser: argparse.ArgumentParser) -> None:
    log = parser.add_argument_group("the record of the signature in a transparency log")
    log.add_argument(
        "--log-key",
        action="append",
        default=[],
        metavar="VKEY|FILE",
        help="a key of the log, as text or in a file; demands a proof that the signature is on record",
    )
    log.add_argument("--log-origin", metavar="NAME", help="the log's name, for a log key in PEM")
    log.add_argument("--proof", metavar="FILE", help="the artifact's proof; without it ARTIFACT.tlog-proof")
    log.add_argument("--proof-dir", metavar="DIR", help="where the proofs of several artifacts lie")
    log.add_argument(
        "--witness", action="append", default=[], metavar="VKEY|FILE", help="a key of a witness; may be repeated"
    )
    log.add_argument(
        "--allow-emergency", action="store_true", help="accept what was signed in an emergency, past its approvals"
    )
    log.add_argument("--witnesses", type=int, metavar="K", help="how many witnesses have to agree; without it all")


def _check_log(parser: argparse.ArgumentParser, arguments: Arguments) -> None:
    details = (arguments.log_origin, arguments.proof, arguments.proof_dir, arguments.witnesses)
    flags = arguments.witness or arguments.allow_emergency
    if not arguments.log_key and (flags or any(detail is not None for detail in details)):
        parser.error("a proof is checked with the key of its log: add --log-key")
    if arguments.inspect and arguments.log_key:
        parser.error("--inspect checks no proof, so it takes no --log-key")
    if arguments.proof is not None and (len(arguments.artifact) > 1 or arguments.proof_dir is not None):
        parser.error("--proof is the proof of one artifact; name a directory of them with --proof-dir")
    if arguments.log_key and STANDARD_INPUT in arguments.artifact and arguments.proof is None:
        parser.error("no proof lies beside standard input: name it with --proof")


def _add_recalled(parser: argparse.ArgumentParser) -> None:
    recalled = parser.add_argument_group("artifacts that were recalled")
    recalled.add_argument("--recalled", metavar="FILE", help="refuse what this signed list names")
    recalled.add_argument(
        "--recalled-key",
        action="append",
        default=[],
        metavar="VKEY|FILE",
        help="a key of the log that signs the list; without it those of --log-key",
    )
    recalled.add_argument("--recalled-version", type=int, metavar="N", help="refuse a list that is older")


def _check_recalled(parser: argparse.ArgumentParser, arguments: Arguments) -> None:
    if arguments.recalled is None:
        if arguments.recalled_key or arguments.recalled_version is not None:
            parser.error("--recalled names the list that is meant")
        return
    if arguments.inspect:
        parser.error("--inspect checks no list, so it takes no --recalled")
    if not arguments.recalled_key and not arguments.log_key:
        parser.error("a list is believed by the key of its log: add --recalled-key")
