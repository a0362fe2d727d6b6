"""``artifact-signer log monitor``: what nobody expects in a log, and whether it is one log."""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from signer.cli.log_keys import log_keys
from signer.cli.output import complain, printable

if TYPE_CHECKING:
    from signer.answers import ClientError
    from signer.errors import SignerError
    from signer.monitor.findings import Finding
    from verifier.errors import VerifierKeyInvalid
    from verifier.log import VerifierKey

SHOWN = ("time", "actor", "key", "key_version", "artifact", "manifest_sha256")
LONGEST_PAUSE_SECONDS = 86400.0
SHORTEST_PAUSE_SECONDS = 0.1


@click.command()
@click.option("--log-key", "keys", metavar="VKEY", multiple=True, required=True, help="the log: its key, or file")
@click.option("--log-origin", metavar="NAME", help="name of the log, for a log key in PEM")
@click.option("--state", type=click.Path(path_type=Path, dir_okay=False), required=True, help="file of what was seen")
@click.option("--expect", type=click.Path(path_type=Path, dir_okay=False), help="TOML file of what is expected")
@click.option("--allow-emergency", is_flag=True, help="tell signatures in an emergency no more than others")
@click.option("--once", is_flag=True, help="look once, as it does without --follow")
@click.option(
    "--follow",
    type=click.FloatRange(SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS),
    metavar="SECONDS",
    help="look again after so long, until it is stopped",
)
@click.option("--json", "as_json", is_flag=True, help="write a JSON document on each line")
def monitor(
    *,
    keys: tuple[str, ...],
    log_origin: str | None,
    state: Path,
    expect: Path | None,
    allow_emergency: bool,
    once: bool,
    follow: float | None,
    as_json: bool,
) -> int:
    """Follow a log from outside; exit status 1: something unexpected, 2: could not look, 3: it is not one log."""
    if once and follow is not None:
        raise click.UsageError("--once and --follow exclude each other")
    if follow is not None and not math.isfinite(follow):
        raise click.UsageError("--follow is a number of seconds")
    from signer.monitor.watching import Outcome
    from verifier.errors import VerifierKeyInvalid

    desk = Desk(as_json=as_json)
    try:
        with _stoppable() as stopped:
            watched = _Watched(keys=log_keys(keys, log_origin), state=state, expect=expect, calm=allow_emergency)
            return _watch(desk, watched, follow, stopped)
    except (VerifierKeyInvalid, OSError) as error:
        desk.trouble(error)
        return Outcome.NOT_LOOKED


class Desk:
    """Tells what is found: on standard output, and what is wrong as a whole on standard error too."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self.told = False

    def tell(self, finding: Finding) -> None:
        """A line for a finding."""
        self.told = True
        if self._as_json:
            self._document(finding.document())
            return
        facts = (f"{name}={finding.leaf[name]}" for name in SHOWN if name in finding.leaf)
        click.echo(printable(" ".join([str(finding.index), f"{finding.kind.value}: {finding.why}", *facts])))

    def alarm(self, error: SignerError | ClientError) -> None:
        """A sentence, and a document where those are asked for."""
        from signer.answers import ClientError
        from signer.web.problems import problem_of

        if isinstance(error, ClientError):
            complain(error.sentence, hint=error.hint)
            document: dict[str, Any] = {"kind": "service-not-asked", "why": error.sentence}
        else:
            problem = problem_of(error)
            complain(problem.detail, hint=problem.hint)
            document = {"kind": problem.code, "why": problem.detail, **problem.facts}
        if self._as_json:
            self._document(document)

    def trouble(self, error: VerifierKeyInvalid | OSError) -> None:
        """A sentence, where files of its own cannot be used."""
        from signer.web.problems import problem_of

        if isinstance(error, OSError):
            complain(f"{error.filename or 'the system'}: {(error.strerror or type(error).__name__).lower()}")
        else:
            problem = problem_of(error)
            complain(problem.detail, hint=problem.hint)

    @staticmethod
    def _document(document: dict[str, Any]) -> None:
        click.echo(json.dumps(document))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watched:
    """Which log, where it is kept what was seen of it, and what is expected. ``calm``: emergencies are."""

    keys: dict[str, tuple[VerifierKey, ...]]
    state: Path
    expect: Path | None
    calm: bool


def _watch(desk: Desk, watched: _Watched, follow: float | None, stopped: threading.Event) -> int:
    from signer.answers import ClientError
    from signer.cli.connection import connected
    from signer.errors import LogInconsistent, SignerError
    from signer.log.http_source import HttpSource
    from signer.monitor.expectations import load_expectations
    from signer.monitor.following import Follower
    from signer.monitor.seen import read_seen, state_lock, write_seen
    from signer.monitor.watching import Outcome, Watch, worse

    state, expect = watched.state, watched.expect
    if len(watched.keys) != 1:
        raise click.UsageError("the keys of --log-key are of several logs")
    ((origin, keys),) = watched.keys.items()
    try:
        with state_lock(state), connected() as client:
            follower = Follower(
                source=HttpSource(client),
                log_keys=keys,
                expectations=load_expectations(expect) if expect is not None else None,
                tell=desk.tell,
                keep=lambda seen: write_seen(state, seen),
                allow_emergency=watched.calm,
            )
            watch = Watch(
                follower=follower,
                seen=read_seen(state, origin),
                contradicted=lambda seen, error: write_seen(state, seen, error),
                alarm=desk.alarm,
                wait=stopped.wait,
                monotonic=time.monotonic,
            )
            if follow is not None:
                return watch.until_stopped(follow, lambda: desk.told)
            return worse(watch.once(), Outcome.UNEXPECTED if desk.told else Outcome.NOTHING)
    except LogInconsistent as error:
        desk.alarm(error)
        return Outcome.INCONSISTENT
    except (SignerError, ClientError) as error:
        desk.alarm(error)
        return Outcome.NOT_LOOKED


@contextmanager
def _stoppable() -> Iterator[threading.Event]:
    """Set by what stops services, so that what is under way ends in order."""
    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
