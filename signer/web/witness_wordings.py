"""How refusals by witnesses, and of their requests, are told."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from signer import errors
from signer.web.wording import Wording

WITNESS_WORDINGS: Mapping[type[Exception], Wording] = MappingProxyType(
    {
        errors.WitnessRequestMalformed: Wording(status=400, detail="the request cannot be read: {problem}"),
        errors.WitnessBodyTooLarge: Wording(status=413, detail="the request has more than {limit} bytes"),
        errors.WitnessLogUnknown: Wording(
            status=404,
            detail="the witness does not watch the log {origin}",
            hint="start the witness with the --log-key of that log",
        ),
        errors.WitnessCheckpointMissing: Wording(status=404, detail="there is nothing at this address"),
        errors.WitnessSignatureRefused: Wording(
            status=403, detail="the checkpoint is not signed by a key of the log: {problem}"
        ),
        errors.WitnessSizeConflict: Wording(status=409, detail="the witness holds a checkpoint of {size} leaves"),
        errors.WitnessProofRefused: Wording(
            status=422, detail="the checkpoint of {size} leaves is not shown to continue that of {old_size}"
        ),
        errors.WitnessKeyInvalid: Wording(status=500, detail="the witness's key in {path} cannot be used: {problem}"),
        errors.WitnessStateInvalid: Wording(
            status=500,
            detail="the witness's state in {path} cannot be believed: {problem}",
            hint="put it back from its backup only if nothing was signed since; else make a new witness with a new key",
        ),
        errors.WitnessStateMissing: Wording(
            status=500,
            detail="there is a key in {key}, and no state of its witness in {path}",
            hint="without it the witness could be led back to an older log: put it back, or begin with a new key",
        ),
        errors.WitnessStateInUse: Wording(
            status=503, detail="another process holds {path}", hint="one state and one key are for one witness"
        ),
        errors.WitnessUnreachable: Wording(
            status=503,
            transient=True,
            detail="the witness {witness} does not answer: {reason}",
            hint="look at the witness, and at its url and ca_file in the configuration",
        ),
        errors.WitnessRefused: Wording(
            status=503,
            detail="the witness {witness} refuses the log's checkpoint with HTTP status {status}",
            hint="404: it does not watch this log; 403: it does not know the log's key; 422: look at what it holds",
        ),
        errors.WitnessAnswerInvalid: Wording(
            status=503,
            detail="what the witness {witness} answers cannot be believed: {problem}",
            hint="look at its url and verifier_key in the configuration",
        ),
        errors.WitnessDisagrees: Wording(
            status=503,
            detail="the witness {witness} holds {size} leaves of another history, signed by the log's key",
            hint="the log showed two histories: find out who changed the database",
        ),
    }
)
