"""Sentences about signatures over digests, and about the words in which other products ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from signer.errors import blind
from signer.web.wording import Wording

DIALECT_WORDINGS: Mapping[type[Exception], Wording] = MappingProxyType(
    {
        blind.BlindSignNotForPurpose: Wording(
            status=400, detail="key {key} is for {purpose}, only artifact keys sign digests"
        ),
        blind.HeadRequired: Wording(
            status=422,
            detail="a manifest alone cannot be registered",
            hint="send the head of the artifact: version, manifest and header",
        ),
        blind.HeadsExhausted: Wording(
            status=429,
            transient=True,
            detail="{limit} heads of this caller are registered, which is all that there may be",
            hint="wait as long as Retry-After says, or have those signed that are registered",
        ),
        blind.DialectValueInvalid: Wording(status=400, detail="{parameter} has to be {allowed}"),
        blind.BlindSignOff: Wording(
            status=403,
            detail="key {key} signs no digests",
            hint="send the head of the artifact, or let the key: artifact-signer keys blind-sign {key} --on",
        ),
        blind.VersionNotActive: Wording(
            status=400,
            detail="version {version} of key {key} does not sign, version {active} does",
            hint="set VAULT_KEY_VERSION={active} where clients ask for a version",
        ),
    }
)
