"""The JSON documents of the routes, made from values of the domain, for comparing their members with the pages."""

from __future__ import annotations

from datetime import UTC, datetime

from hsm.algorithms import Algorithm
from signer.domain.keys import UNBOUNDED, Key, KeyVersion, Origin, Purpose, VersionState
from signer.domain.requests import ManifestSeen, Signature
from signer.services.log_proofs import InclusionProof
from signer.web.documents import key_document, signature_document
from signer.web.log_documents import recorded_members
from tests.artifacts import ArtifactBuilder
from verifier import Limits, Manifest

_NOW = datetime(2030, 1, 1, tzinfo=UTC)
_VERSION = KeyVersion(
    id=1,
    number=1,
    state=VersionState.ACTIVE,
    origin=Origin.GENERATED,
    cka_id=b"1",
    spki=b"",
    fingerprint="",
    tokens=(),
    home=(),
    created_at=_NOW,
    validity=UNBOUNDED,
    signature_count=0,
    last_signed_at=None,
    disabled_from=None,
)
_KEY = Key(
    id=1,
    name="k",
    purpose=Purpose.ARTIFACT,
    algorithm=Algorithm.ECDSA_P256,
    tokens=(),
    created_at=_NOW,
    created_by="",
    versions=(_VERSION,),
)
KEY_DOCUMENT = key_document(_KEY, {1: _NOW})
SIGNATURE_DOCUMENT = signature_document(
    Signature(encoded=b"", key="k", version=1, algorithm="ecdsa-p256", fingerprint="", index=0),
    ManifestSeen(manifest=Manifest.parse(ArtifactBuilder().manifest(), limits=Limits())),
    recorded_members(InclusionProof(index=0, size=1, root=b"", path=(), checkpoint=b"", leaf=b"{}")),
)
