"""Puts together what signs digests: the switch of each key, heads that were shown before, and the signatures."""

from __future__ import annotations

from signer.application import RequestLimits
from signer.approval_bootstrap import ApprovalParts
from signer.artifacts import Form, UploadReader
from signer.domain.requests import SigningRequest
from signer.services.access import Access
from signer.services.artifact_signing import ArtifactSigning
from signer.services.blind_switch import BlindSwitch
from signer.services.clock import RecordedClock
from signer.services.digest_signing import DigestServices, DigestSigning
from signer.services.known_records import KnownRecords
from signer.services.ports import KeyStore, Recorder
from signer.services.registered_heads import RegisteredHeads


def digest_services(
    approvals: ApprovalParts,
    records: KnownRecords,
    signing: ArtifactSigning,
    access: Access,
    clock: RecordedClock,
    *,
    store: KeyStore,
    recorder: Recorder,
    limits: RequestLimits,
) -> DigestServices:
    """``limits``: of the heads that are read again."""

    def read(head: bytes) -> SigningRequest:
        # Whether signatures that it carried were to be dropped was said when it was registered.
        reader = UploadReader(form=Form.ANY, limits=limits.verifier, head_bytes=limits.head_bytes, replace=True)
        reader.feed(head)
        return reader.finish()

    heads = RegisteredHeads(
        records=records, store=approvals.registered_heads, recorder=recorder, clock=approvals.clock, read=read
    )
    return DigestServices(
        switch=BlindSwitch(store=store, clock=clock, access=access, guard=approvals.guard),
        heads=heads,
        signing=DigestSigning(records=records, signing=signing, heads=heads),
    )
