"""Puts together what signs artifacts: the steps of a signature, one by one, together, and in groups of single calls."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from signer.domain.keys import Key, KeyVersion
from signer.services.artifact_signing import ArtifactSigning
from signer.services.clock import SteadyClock
from signer.services.known_records import KnownRecords
from signer.services.ports import Recorder
from signer.services.signature_approvals import SignatureApprovals
from signer.services.signing import AsyncMessageSigner
from signer.services.signing_gathering import SigningGathering
from signer.services.signing_steps import SigningSteps
from signer.services.stages import Stages


def artifact_signing(  # noqa: PLR0913  (all that it uses, by keyword)
    records: KnownRecords,
    *,
    approvals: SignatureApprovals,
    signer: AsyncMessageSigner,
    recorder: Recorder,
    quarantine: Callable[[Key, KeyVersion], None],
    clock: SteadyClock,
    clock_tolerance: timedelta,
    timeout: float,
    observe: Callable[[BaseException], None],
    stages: Stages,
) -> ArtifactSigning:
    """For one event loop. ``timeout``: seconds for each call in all."""
    steps = SigningSteps(
        records=records,
        approvals=approvals,
        recorder=recorder,
        quarantine=quarantine,
        clock=clock,
        clock_tolerance=clock_tolerance,
    )
    gathering = SigningGathering(
        records=records, steps=steps, signer=signer, recorder=recorder, clock=clock, timeout=timeout, stages=stages
    )
    return ArtifactSigning(
        records=records,
        steps=steps,
        gathering=gathering,
        signer=signer,
        recorder=recorder,
        clock=clock,
        timeout=timeout,
        observe=observe,
        stages=stages,
    )
