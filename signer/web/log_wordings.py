"""How refusals because of the log are told."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from signer import errors
from signer.web.wording import Wording

LOG_WORDINGS: Mapping[type[Exception], Wording] = MappingProxyType(
    {
        errors.LogMissing: Wording(
            status=503, detail="the installation has no log", hint="artifact-signer log create --config FILE makes it"
        ),
        errors.LogDamaged: Wording(
            status=503,
            detail="leaf {index} of the log is not what can have been recorded: {problem}",
            hint="nothing is signed any more; artifact-signer log verify --config FILE examines all of it",
        ),
        errors.LogForked: Wording(
            status=503,
            detail="the log of {size} leaves in the database is another than the one that was verified",
            hint="nothing is signed any more; artifact-signer log verify --config FILE examines all of it",
        ),
        errors.LogRolledBack: Wording(
            status=503,
            detail="the database holds {found} leaves of the log, where {verified} were verified: it is an older state",
            hint="put the newest state of the database back",
        ),
        errors.LogStopped: Wording(
            status=503,
            detail="nothing is signed because of what the log was found to be: {reason}",
            hint="the service's log has one line that says what was found",
        ),
        errors.LogKeyMissing: Wording(
            status=503,
            detail="no key on record may sign checkpoints of the log {origin}",
            hint="artifact-signer log create --config FILE makes one, or enable the one there is",
        ),
        errors.LogOriginFixed: Wording(
            status=409,
            detail="the log is named {origin} for life, not {wanted}",
            hint="another name belongs to another log, with another database and other keys",
        ),
        errors.CheckpointUnavailable: Wording(
            status=503,
            transient=True,
            detail="no token signs checkpoints of the log now: {reason}",
            hint="the signature may be on record; the same request is answered when a token is back",
        ),
        errors.FailoverUnconfirmed: Wording(
            status=503,
            transient=True,
            detail="the database's server has changed, and these machines have not found their records: {machines}",
            hint="a machine that is gone for good: artifact-signer log resume --without MACHINE --config FILE",
        ),
        errors.MachineNotFound: Wording(
            status=404, detail="no machine is named {machine} on record", hint="on record are: {known}"
        ),
        errors.AccessTampered: Wording(
            status=503,
            detail="keys or credentials in the database are not those that the log says were put there",
            hint="find out who changed the database; put the state back that the log tells",
        ),
        errors.CheckpointFileMissing: Wording(
            status=503,
            detail="the file of the newest checkpoint is missing: {path}",
            hint="put it back, or artifact-signer log resume --no-file verifies the log from its beginning",
        ),
        errors.CheckpointFileDamaged: Wording(
            status=503,
            detail="the file of the newest checkpoint cannot be believed: {path} {problem}",
            hint="put it back, or artifact-signer log resume --no-file verifies the log from its beginning",
        ),
        errors.CheckpointFileInUse: Wording(
            status=503,
            detail="another process holds the file of the newest checkpoint: {path}",
            hint="stop that service first",
        ),
        errors.CheckpointNotWritten: Wording(
            status=503,
            detail="the newest checkpoint could not be made durable: {reason}",
            hint="look at the disk that log.checkpoint_file names; nothing is signed before it works again",
        ),
        errors.LogUnreadable: Wording(
            status=503,
            detail="{source} cannot be read: {reason}",
            hint="nothing was found out about the log",
        ),
        errors.LogStateUnusable: Wording(
            status=500,
            detail="{path}, which says how far the log was verified, cannot be used: {reason}",
            hint="without the file and the one beside it the log is verified from its beginning",
        ),
        errors.LogCheckInterrupted: Wording(
            status=500,
            detail="a process that verified a part of the log ended before it had an answer",
            hint="nothing was found out about the log; is there too little memory?",
        ),
        errors.LogPathInvalid: Wording(
            status=400,
            detail="the path is not the one spelling that a tile or a bundle has",
            hint="C2SP tlog-tiles: tile/LEVEL/NUMBER in groups of three digits, and .p/WIDTH where it is not full",
        ),
        errors.LogBeyondCheckpoint: Wording(
            status=404, detail="that lies beyond the newest checkpoint, which covers {size} leaves"
        ),
        errors.LogEntryNotFound: Wording(
            status=404, detail="no signature of the manifest {manifest_sha256} by key {key} is on record"
        ),
        errors.LogNotCertified: Wording(
            status=503, transient=True, detail="no checkpoint covers leaf {index} of the log yet", hint="try again"
        ),
        errors.LogNotWitnessed: Wording(
            status=503,
            transient=True,
            detail="no witness that this machine asks has signed a checkpoint over leaf {index} yet",
            hint="try again after log.witness_pause; artifact-signer doctor says which witness does not sign",
        ),
        errors.FolderTaken: Wording(
            status=409, detail="{path} holds something already", hint="a backup is made in a folder of its own"
        ),
        errors.BackupUnusable: Wording(
            status=422, detail="{path} is no backup that can be used: {problem}", hint="nothing was put back from it"
        ),
        errors.DatabaseTaken: Wording(
            status=409,
            detail="the database that is to be filled holds something already",
            hint="name an empty one in database.url; what is in this one stays",
        ),
        errors.RestoreRollsBack: Wording(
            status=409,
            detail="{path} says that this machine has seen {known} leaves of the log; the backup, of {restored}, does "
            "not begin with them",
            hint="look for a newer backup: what was signed since is not on record in this one",
        ),
    }
)
