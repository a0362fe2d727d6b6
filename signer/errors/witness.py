"""Refusals of a witness, and of what a witness is asked for or keeps."""

from __future__ import annotations

from dataclasses import dataclass

from signer.errors.base import SignerError


@dataclass(eq=False, kw_only=True)
class WitnessRequestMalformed(SignerError):
    """Not a request of C2SP tlog-witness; ``problem`` says what is wrong."""

    code = "witness-request-malformed"
    problem: str


@dataclass(eq=False, kw_only=True)
class WitnessBodyTooLarge(SignerError):
    """The request is larger than any checkpoint with its proof."""

    code = "witness-body-too-large"
    limit: int


@dataclass(eq=False, kw_only=True)
class WitnessLogUnknown(SignerError):
    """The witness does not watch the log of this origin."""

    code = "witness-log-unknown"
    origin: str


@dataclass(eq=False, kw_only=True)
class WitnessCheckpointMissing(SignerError):
    """The witness has nothing at this address: no route, no log that it watches, or no checkpoint of it yet."""

    code = "witness-checkpoint-missing"


@dataclass(eq=False, kw_only=True)
class WitnessSignatureRefused(SignerError):
    """No line of the log's keys, or a line in the name of one that does not verify; ``problem`` is its code."""

    code = "witness-signature-refused"
    problem: str


@dataclass(eq=False, kw_only=True)
class WitnessSizeConflict(SignerError):
    """The witness holds a checkpoint of another size than it was believed to hold."""

    code = "witness-size-conflict"
    size: int


@dataclass(eq=False, kw_only=True)
class WitnessProofRefused(SignerError):
    """The checkpoint is not shown to continue the one that the witness holds."""

    code = "witness-proof-refused"
    old_size: int
    size: int


@dataclass(eq=False, kw_only=True)
class WitnessKeyInvalid(SignerError):
    """The file of a witness's key cannot be used; ``problem`` says why."""

    code = "witness-key-invalid"
    path: str
    problem: str


@dataclass(eq=False, kw_only=True)
class WitnessStateInvalid(SignerError):
    """What a witness remembers cannot be believed; ``problem`` says why."""

    code = "witness-state-invalid"
    path: str
    problem: str


@dataclass(eq=False, kw_only=True)
class WitnessStateMissing(SignerError):
    """There is a witness's key, and nothing of what was signed with it."""

    code = "witness-state-missing"
    path: str
    key: str


@dataclass(eq=False, kw_only=True)
class WitnessStateInUse(SignerError):
    """Another process holds the state of this witness."""

    code = "witness-state-in-use"
    path: str
