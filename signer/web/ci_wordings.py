"""Sentences about identities of CI jobs. That a token is refused is worded like any other credential."""

from __future__ import annotations

from collections.abc import Mapping

from signer import errors
from signer.web.wording import Wording

CI_WORDINGS: Mapping[type[Exception], Wording] = {
    errors.CiKeysUnavailable: Wording(
        status=503,
        transient=True,
        detail="the keys that the token would verify with cannot be fetched from its issuer now",
        hint="try again with the same token and nonce; the service's log says what is wrong",
    ),
    errors.CiSessionsExhausted: Wording(
        status=429,
        transient=True,
        detail="as many sessions of {identity} hold as may at the same time",
        hint="use a session for all that a job signs; the token is not used, it can be shown again later",
    ),
    errors.CiSessionNotFound: Wording(
        status=404,
        detail="there is no CI session {session} that still holds",
        hint="artifact-signer ci-sessions list shows all",
    ),
}
