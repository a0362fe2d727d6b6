"""Sentences about tokens of users and devices. That one is refused is worded like any other credential."""

from __future__ import annotations

from collections.abc import Mapping

from signer import errors
from signer.web.wording import Wording

ISSUED_TOKEN_WORDINGS: Mapping[type[Exception], Wording] = {
    errors.TokenKeyMissing: Wording(
        status=503,
        detail="there is no key named {key} that signs tokens",
        hint="artifact-signer keys create {key} --purpose {purpose} makes it",
    ),
    errors.TokensLimited: Wording(
        status=429,
        transient=True,
        detail="as many tokens as may be had at a time were given out",
        hint="wait as long as Retry-After says; use the token that is there",
    ),
    errors.TokensStillValid: Wording(
        status=409,
        detail="tokens that version {version} of key {key} signed hold until {tokens_valid_until}",
        hint="wait until then; --force REASON refuses them from now on, and whoever has one logs in or asks again",
    ),
    errors.TokenStatesUnavailable: Wording(
        status=503, transient=True, detail="whether the token still holds cannot be known now", hint="try again"
    ),
}
