"""Why a log could not be followed from outside, and what shows that it is not one log."""

from __future__ import annotations

from dataclasses import dataclass

from signer.errors.base import SignerError


@dataclass(eq=False, kw_only=True)
class ExpectationsInvalid(SignerError):
    """The file of what a log is expected to hold cannot be used. ``problems``: one sentence each."""

    code = "expectations-invalid"
    path: str
    problems: tuple[str, ...]


@dataclass(eq=False, kw_only=True)
class MonitorStateInvalid(SignerError):
    """What a monitor remembers cannot be used; ``problem`` says why."""

    code = "monitor-state-invalid"
    path: str
    problem: str


@dataclass(eq=False, kw_only=True)
class CheckpointRefused(SignerError):
    """What the log shows as its checkpoint is none of its own; ``problem`` is the code of the refusal."""

    code = "checkpoint-refused"
    problem: str


@dataclass(eq=False, kw_only=True)
class LogInconsistent(SignerError):
    """The log shows a checkpoint that does not continue the one seen. ``seen``, ``shown``: the signed notes."""

    code = "log-inconsistent"
    seen_size: int
    shown_size: int
    seen: str
    shown: str


@dataclass(eq=False, kw_only=True)
class LogEntryWrong(SignerError):
    """What the log serves at ``index`` is not what its checkpoint covers. ``shown``: the signed note."""

    code = "log-entry-wrong"
    index: int
    shown: str


@dataclass(eq=False, kw_only=True)
class CheckpointStale(SignerError):
    """The log goes on showing a smaller checkpoint than was seen."""

    code = "checkpoint-stale"
    seen_size: int
    shown_size: int
