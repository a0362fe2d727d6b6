"""What is wanted of ``artifact-signer sign``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from signer.cli.signing.places import Place
from signer.client import Asked, ClientCertificate
from verifier.log import LogTrust


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """How all artifacts of one call are signed.

    Attributes:
        whole: every byte is sent, not the head alone.
        proves: a proof is written for each.
        trust: the log that has to have signed it, and how many of which witnesses.
        witness_wait: seconds to wait for those.
        certificate: who asks, in the place of whom the environment says.
        emergency: why approvals shall be passed; None where they shall not.
        patience: seconds to wait for approvals; 0: not at all.
        describes: what was written is told for programs.
    """

    key: str
    whole: bool
    replace: bool
    proves: bool
    trust: LogTrust | None
    witness_wait: float
    certificate: ClientCertificate | None
    emergency: str | None
    patience: float
    describes: bool

    @property
    def awaits_witnesses(self) -> bool:
        """Whether a proof is wanted that witnesses signed too."""
        return self.trust is not None and self.trust.demanded > 0

    @property
    def demands_proof(self) -> bool:
        """Whether nothing is written without one."""
        return self.proves or self.trust is not None

    @property
    def asked(self) -> Asked:
        """How the service is asked."""
        return Asked(replace=self.replace, emergency=self.emergency)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One artifact. ``artifact``: ``-`` for standard input; ``place``: None for standard output."""

    artifact: Path
    place: Place | None
    proof: Path | None

    @property
    def output(self) -> str:
        """The output as it was named."""
        return "-" if self.place is None else str(self.place.shown)
