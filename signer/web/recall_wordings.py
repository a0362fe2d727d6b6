"""How refusals because of recalls are told."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from signer.errors import recalls
from signer.web.wording import Wording

RECALL_WORDINGS: Mapping[type[Exception], Wording] = MappingProxyType(
    {
        recalls.ManifestRecalled: Wording(
            status=409,
            detail="the manifest {manifest_sha256} was recalled: no key signs it any more",
            hint="make the release anew, with other contents; artifact-signer log search --type release-recalled "
            "says who recalled it, and why",
        ),
        recalls.ManifestNotSigned: Wording(
            status=404,
            detail="no signature of the manifest {manifest_sha256} is on record, so there is nothing to recall",
            hint="artifact-verify shows the SHA-256 of an artifact's manifest",
        ),
        recalls.RecallsExhausted: Wording(
            status=409,
            detail="{limit} manifests were recalled, and a list for devices names no more",
            hint="rotate the key, and let devices trust the new version alone",
        ),
    }
)
