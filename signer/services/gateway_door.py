"""Whether a gateway may let a request in: a user's token at the door for users, a device's at that for devices.

1. The gateway says what it asks about, or is told that it does not.
2. There is exactly one token. The services behind read it without checking anything, so what they could read otherwise
   than it is read here proves nothing: a second field, another scheme or spelling of it, blanks, text behind it.
3. The signature is verified before anybody is asked: what strangers make up costs no look at the database.
4. A device's token goes with the certificate of its key, where there is one.
5. What is on record is asked each time. Only then does anybody learn anything but that the token is not valid.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence

from signer.domain.credentials import Credentials
from signer.domain.forwarded import ForwardedRequest
from signer.domain.request_rates import RequestRates
from signer.domain.token_claims import TokenKind, VerifiedToken
from signer.errors import (
    AddonNotEnabled,
    CredentialsRejected,
    RequestsLimited,
    TokenNotAdmitted,
    TokenRefused,
)
from signer.errors.device_certificates import DeviceCertificateRefused
from signer.services.device_certificates import DeviceCertificates
from signer.services.token_ports import TokenStates, TokenVerifier

# As every one of Mender's clients writes it.
_BEARER = re.compile(r"Bearer ([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)")
NO_TOKEN, SEVERAL_FIELDS, NOT_A_BEARER = "no-token", "several-fields", "not-a-bearer"


class GatewayDoor:
    """Both doors, for one event loop."""

    def __init__(
        self,
        *,
        verifier: TokenVerifier,
        states: TokenStates,
        certificates: DeviceCertificates,
        rates: Mapping[TokenKind, RequestRates],
        addons: Collection[str],
        monotonic: Callable[[], float],
    ) -> None:
        """``addons``: those that this installation's devices have."""
        self._verifier = verifier
        self._states = states
        self._certificates = certificates
        self._rates = rates
        self._addons = frozenset(addons)
        self._monotonic = monotonic

    async def admit(
        self, kind: TokenKind, authorization: Sequence[str], asked: ForwardedRequest, credentials: Credentials
    ) -> VerifiedToken:
        """The token by which the request may go on. ``authorization``: every field of that name.

        ``credentials``: with the certificate that the gateway tells of.

        Raises ``TokenNotAdmitted``; for a token that holds ``AddonNotEnabled`` or ``RequestsLimited``; and
        ``TokenStatesUnavailable`` or what the database raises where it cannot be known.
        """
        unverified = _token(authorization)
        await self._verifier.keep_current()
        try:
            token = self._verifier.verify(unverified, kind)
            standing = await self._states.check(token)
            if kind is TokenKind.DEVICE:
                await self._certificates.beside(standing, credentials)
        except (CredentialsRejected, DeviceCertificateRefused, TokenRefused) as error:
            raise TokenNotAdmitted(reason=str(error)) from None
        self._require_addon(kind, asked)
        wait = self._rates[kind].wait(token.subject, self._monotonic())
        if wait > 0:
            raise RequestsLimited(retry_after=wait)
        return token

    def _require_addon(self, kind: TokenKind, asked: ForwardedRequest) -> None:
        addon = asked.addon if kind is TokenKind.DEVICE else None
        if addon is not None and addon not in self._addons:
            raise AddonNotEnabled(addon=addon)


def _token(authorization: Sequence[str]) -> str:
    if len(authorization) != 1:
        raise TokenNotAdmitted(reason=SEVERAL_FIELDS if authorization else NO_TOKEN)
    found = _BEARER.fullmatch(authorization[0])
    if found is None:
        raise TokenNotAdmitted(reason=NOT_A_BEARER)
    return found[1]
