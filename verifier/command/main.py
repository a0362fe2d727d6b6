"""``artifact-verify``: is this artifact valid, signed by which key, and what is in it?

The exit code is the worst of all artifacts, from best to worst: 0 valid (or inspected), 3 not readable, 1 not
valid; 2 means that the command could not begin (arguments, keys). 130 after Ctrl-C, 141 where nobody reads the
output any more, 3 also where the output cannot be written. Results go to standard output, everything else to
standard error.
"""

from __future__ import annotations

import errno
import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from verifier.command.arguments import STANDARD_INPUT, Arguments, plain
from verifier.command.outcome import PROGRAM, ExitCode, Outcome, worst
from verifier.errors import FindingsRefused, KeyLoadError, LogError, NoKeys, VerificationError

if TYPE_CHECKING:
    from verifier.evidence import Evidence, Inspection
    from verifier.interruptible import InterruptibleReader
    from verifier.keys import TrustStore
    from verifier.log import LogDemand, LogTrust, RecalledList


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with ``argv`` (by default the process's); returns the exit code that the process ends with."""
    # Importing makes many objects and no garbage, so looking for it would only cost start-up time.
    gc.disable()
    try:
        _prepare_output()
        code = _run(argv)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return ExitCode.NOBODY_READS
    except OSError as error:
        # Artifacts and keys that cannot be read are outcomes; what is left is standard output.
        _discard_output()
        sys.stderr.write(f"{PROGRAM}: cannot write the report: {error.strerror}\n")
        return ExitCode.UNREADABLE
    finally:
        # The process ends now: what there is need not be looked through once more to be given up.
        gc.freeze()
    return code


def parse(words: Sequence[str]) -> Arguments:
    """Read the arguments; ends the process with code 2, and usage, where they are wrong."""
    values = plain(words)
    if values is None:
        from verifier.command import usage

        values = usage.parse(words)
    return Arguments(**values)


def _run(argv: Sequence[str] | None) -> ExitCode:
    arguments = parse(sys.argv[1:] if argv is None else argv)
    try:
        trust = None if arguments.inspect else _trusted(arguments)
        log, recalled = _log_trust(arguments), _recalled(arguments)
    except (KeyLoadError, LogError) as error:
        _report_usage(error, arguments)
        return ExitCode.USAGE
    outcomes = []
    for path, problem in _paths(arguments):
        outcome = Outcome(path=path, result=problem or _result(path, trust, log, recalled, arguments))
        outcomes.append(outcome)
        if not arguments.json:
            from verifier.command import report_text

            report_text.report(outcome)
        gc.enable()  # by now everything is imported
    if arguments.json:
        from verifier.command import report_json

        report_json.report(outcomes, trust=trust, exit_code=worst(outcomes))
    return worst(outcomes)


def _paths(arguments: Arguments) -> Iterator[tuple[str, OSError | None]]:
    """Those of the artifacts, each with the reason why it cannot be read, where that is known already."""
    for path in arguments.artifact:
        if path != STANDARD_INPUT and os.path.isdir(path):  # noqa: PTH112 - importing pathlib costs start-up time
            from verifier.command.folders import artifacts

            yield from artifacts(path)
        else:
            yield path, None


def _trusted(arguments: Arguments) -> TrustStore:
    from verifier.keys import TrustStore

    if not arguments.key:
        raise NoKeys
    return TrustStore.load(arguments.key)


def _log_trust(arguments: Arguments) -> LogTrust | None:
    if not arguments.log_key:
        return None
    from verifier.command import log_demand

    return log_demand.log_trust(arguments)


def _recalled(arguments: Arguments) -> RecalledList | None:
    if arguments.recalled is None:
        return None
    from verifier.command import log_demand

    return log_demand.recalled_list(arguments.recalled, arguments)


def _demand(path: str, log: LogTrust | None, arguments: Arguments) -> LogDemand | None:
    if log is None:
        return None
    from verifier.command import log_demand

    return log_demand.demand(path, log, arguments)


def _result(
    path: str, trust: TrustStore | None, log: LogTrust | None, recalled: RecalledList | None, arguments: Arguments
) -> Evidence | Inspection | VerificationError | OSError:
    from verifier import verification
    from verifier.command.progress import progress_bar

    try:
        with _opened(path) as stream, progress_bar(path, stream, wanted=not arguments.no_progress) as progress:
            if trust is not None:
                demand = _demand(path, log, arguments)
                return verification.verify(
                    stream,
                    trust=trust,
                    strict=arguments.strict,
                    progress=progress,
                    log=demand,
                    recalled=recalled,
                )
            inspection = verification.inspect(stream, progress=progress)
    except (VerificationError, OSError) as error:
        return error
    if arguments.strict and inspection.findings:
        return FindingsRefused(findings=inspection.findings)
    return inspection


@contextmanager
def _opened(path: str) -> Iterator[BinaryIO | InterruptibleReader]:
    if path != STANDARD_INPUT:
        # Unbuffered: chunks are large already, and a buffer would copy them once more.
        with open(path, "rb", buffering=0) as stream:  # noqa: PTH123 - importing pathlib costs start-up time
            yield stream
    elif sys.stdin is None:
        raise OSError(errno.EBADF, "standard input is closed")
    else:
        from verifier.interruptible import interruptible

        with interruptible(sys.stdin.fileno()) as source:
            yield source


def _report_usage(error: KeyLoadError | LogError, arguments: Arguments) -> None:
    if arguments.json:
        from verifier.command import report_json

        report_json.report_usage(error, exit_code=ExitCode.USAGE)
    else:
        from verifier.command import report_text

        report_text.complain(error)


def _prepare_output() -> None:
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started the command; the exit code still counts
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - for the process
        # A name that the terminal's character set lacks is shown as an escape.
        getattr(getattr(sys, name), "reconfigure", lambda **_: None)(errors="backslashreplace")


def _discard_output() -> None:
    """Let standard output go nowhere: the interpreter flushes it once more when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
