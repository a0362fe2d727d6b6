"""Refusals because of the log: it is not there, is damaged, or is not the one that was certified."""

from __future__ import annotations

from dataclasses import dataclass

from signer.errors.base import SignerError


@dataclass(eq=False, kw_only=True)
class LogMissing(SignerError):
    """The installation has no log yet: nothing can be recorded."""

    code = "log-missing"


@dataclass(eq=False, kw_only=True)
class LogDamaged(SignerError):
    """What the database holds at ``index`` is not what can have been recorded there. ``problem``: what is wrong."""

    code = "log-damaged"
    index: int
    problem: str


@dataclass(eq=False, kw_only=True)
class LogForked(SignerError):
    """The log of ``size`` leaves in the database is another than the one that was verified. Roots in hex."""

    code = "log-forked"
    size: int
    expected: str
    found: str


@dataclass(eq=False, kw_only=True)
class LogRolledBack(SignerError):
    """The database holds fewer leaves (``found``) than were verified (``verified``): an older state was put back."""

    code = "log-rolled-back"
    verified: int
    found: int


@dataclass(eq=False, kw_only=True)
class LogStopped(SignerError):
    """Nothing is signed any more, because of what the log was found to be. ``reason``: the code of that."""

    code = "log-stopped"
    reason: str


@dataclass(eq=False, kw_only=True)
class LogKeyMissing(SignerError):
    """No key on record may sign checkpoints of the log ``origin``."""

    code = "log-key-missing"
    origin: str


@dataclass(eq=False, kw_only=True)
class LogOriginFixed(SignerError):
    """The log has a name for life, ``origin``, and it is not the one that was asked for."""

    code = "log-origin-fixed"
    origin: str
    wanted: str


@dataclass(eq=False, kw_only=True)
class CheckpointUnavailable(SignerError):
    """No token signs checkpoints now: what is on record cannot be given out. ``reason``: the code of that."""

    code = "checkpoint-unavailable"
    reason: str


@dataclass(eq=False, kw_only=True)
class FailoverUnconfirmed(SignerError):
    """The database's server has changed, and ``machines`` have not found their part of the log in it yet."""

    code = "failover-unconfirmed"
    machines: tuple[str, ...]


@dataclass(eq=False, kw_only=True)
class MachineNotFound(SignerError):
    """No machine of this name has the log on record."""

    code = "machine-not-found"
    machine: str
    known: tuple[str, ...]


@dataclass(eq=False, kw_only=True)
class AccessTampered(SignerError):
    """Tables that give power are not what the log says of them. ``revision``: of the last change in the log."""

    code = "access-tampered"
    revision: int
    expected: str
    found: str


@dataclass(eq=False, kw_only=True)
class CheckpointFileMissing(SignerError):
    """The file with the newest checkpoint is not there, so nobody knows whether the database is an older one."""

    code = "checkpoint-file-missing"
    path: str


@dataclass(eq=False, kw_only=True)
class CheckpointFileDamaged(SignerError):
    """The file with the newest checkpoint cannot be believed. ``problem``: what is wrong with it."""

    code = "checkpoint-file-damaged"
    path: str
    problem: str


@dataclass(eq=False, kw_only=True)
class CheckpointFileInUse(SignerError):
    """Another process holds the file with the newest checkpoint."""

    code = "checkpoint-file-in-use"
    path: str


@dataclass(eq=False, kw_only=True)
class CheckpointNotWritten(SignerError):
    """The newest checkpoint could not be made durable; ``reason`` is the system's. Nothing more is signed."""

    code = "checkpoint-not-written"
    path: str
    reason: str


# What stands in the way of every signature, whatever is asked for.
LOG_FAULTS = (
    LogMissing,
    LogDamaged,
    LogForked,
    LogRolledBack,
    LogStopped,
    LogKeyMissing,
    AccessTampered,
    FailoverUnconfirmed,
    CheckpointUnavailable,
    CheckpointFileMissing,
    CheckpointFileDamaged,
    CheckpointFileInUse,
    CheckpointNotWritten,
)


# What is found once is found for good: the log, or what gives power, is not what was verified.
TAMPERING = (AccessTampered, LogDamaged, LogForked, LogRolledBack)
