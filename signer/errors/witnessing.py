"""Why a witness has not signed a checkpoint that it was shown: each an alarm, none a reason to sign nothing."""

from __future__ import annotations

from dataclasses import dataclass

from signer.errors.base import SignerError


@dataclass(eq=False, kw_only=True)
class WitnessUnreachable(SignerError):
    """The witness did not answer, or not in time, or not in HTTP; ``reason`` says which."""

    code = "witness-unreachable"
    witness: str
    reason: str


@dataclass(eq=False, kw_only=True)
class WitnessRefused(SignerError):
    """The witness refuses the checkpoint, with this HTTP status."""

    code = "witness-refused"
    witness: str
    status: int


@dataclass(eq=False, kw_only=True)
class WitnessAnswerInvalid(SignerError):
    """What the witness answered cannot be believed; ``problem`` says what is wrong."""

    code = "witness-answer-invalid"
    witness: str
    problem: str


@dataclass(eq=False, kw_only=True)
class WitnessDisagrees(SignerError):
    """The witness holds a checkpoint that the log's key signed, of another history than the log's."""

    code = "witness-disagrees"
    witness: str
    size: int
