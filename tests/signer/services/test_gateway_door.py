"""Who is let in at the doors of gateways."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from signer.domain.client_choices import Demand
from signer.domain.credentials import Credentials, Peer, PeerKind
from signer.domain.forwarded import ForwardedRequest
from signer.domain.request_rates import RequestRates
from signer.domain.token_claims import TokenKind, VerifiedToken
from signer.errors import (
    AddonNotEnabled,
    RequestsLimited,
    TokenNotAdmitted,
    TokenRefusal,
    TokenStatesUnavailable,
)
from signer.services.device_certificates import DeviceCertificates
from signer.services.gateway_door import GatewayDoor
from signer.services.token_states import KnownTokenStates
from tests.support.device_certificates import NoCertificates
from tests.support.gateway_tokens import MemoryStates, MemoryVerifier

TOKEN = "eyJh.eyJz.c2ln"
NOBODY = Credentials(peer=Peer(kind=PeerKind.GATEWAY), authorization=None)
INVENTORY = ForwardedRequest(method="PUT", uri="/api/devices/v1/inventory/device/attributes")
TERMINAL = ForwardedRequest(method="GET", uri="/api/devices/v1/deviceconnect/connect")


class Scene:
    """The doors, with everything behind them in memory."""

    def __init__(
        self, *, refusal: TokenRefusal | None = None, addons: Sequence[str] = ("troubleshoot",), per_minute: int = 0
    ) -> None:
        self.rows = MemoryStates(found={"device": None, "user": None})
        self.verifier = MemoryVerifier(refusal=refusal)
        self.now = 0.0
        self.door = GatewayDoor(
            verifier=self.verifier,
            states=KnownTokenStates(store=self.rows, watch=self.rows, monotonic=lambda: self.now),
            certificates=DeviceCertificates(
                reader=NoCertificates(), revoked=NoCertificates(), watch=self.rows, demand=Demand.OPTIONAL
            ),
            rates={kind: RequestRates(per_minute) for kind in TokenKind},
            addons=addons,
            monotonic=lambda: self.now,
        )

    def admit(
        self,
        *authorization: str,
        kind: TokenKind = TokenKind.DEVICE,
        asked: ForwardedRequest = INVENTORY,
    ) -> VerifiedToken:
        """By these ``Authorization`` fields."""
        return asyncio.run(self.door.admit(kind, authorization, asked, NOBODY))


@pytest.mark.parametrize("kind", TokenKind)
def test_a_token_of_the_door_is_let_in(kind: TokenKind) -> None:
    scene = Scene()
    assert scene.admit(f"Bearer {TOKEN}", kind=kind).subject == f"{kind.value}-1"
    assert scene.verifier.seen == [(TOKEN, kind)]
    assert scene.verifier.kept == 1


NOT_ONE_TOKEN = {
    "nothing": ((), "no-token"),
    "an empty field": (("",), "not-a-bearer"),
    "two fields": ((f"Bearer {TOKEN}", f"Bearer {TOKEN}"), "several-fields"),
    "two tokens in one field": ((f"Bearer {TOKEN}, Bearer {TOKEN}",), "not-a-bearer"),
    "another scheme": ((f"Basic {TOKEN}",), "not-a-bearer"),
    "another spelling of the scheme, which others read otherwise": ((f"bearer {TOKEN}",), "not-a-bearer"),
    "two blanks": ((f"Bearer  {TOKEN}",), "not-a-bearer"),
    "a tab": ((f"Bearer\t{TOKEN}",), "not-a-bearer"),
    "a blank at the end": ((f"Bearer {TOKEN} ",), "not-a-bearer"),
    "a new line at the end": ((f"Bearer {TOKEN}\n",), "not-a-bearer"),
    "text behind it": ((f"Bearer {TOKEN} more",), "not-a-bearer"),
    "two parts": (("Bearer eyJh.eyJz",), "not-a-bearer"),
    "four parts": ((f"Bearer {TOKEN}.more",), "not-a-bearer"),
    "no signature": (("Bearer eyJh.eyJz.",), "not-a-bearer"),
    "an API token": (("Bearer ast_0123456789ab_secret",), "not-a-bearer"),
    "characters of no token": (("Bearer eyJh.eyJz.c2l%6e",), "not-a-bearer"),
    "characters beyond ASCII": (("Bearer eyJh.eyJz.c2ín",), "not-a-bearer"),
}


@pytest.mark.parametrize("sentence", NOT_ONE_TOKEN)
def test_it_is_no_token(sentence: str) -> None:
    fields, reason = NOT_ONE_TOKEN[sentence]
    scene = Scene()
    with pytest.raises(TokenNotAdmitted) as refused:
        scene.admit(*fields)
    assert refused.value.reason == reason
    assert scene.verifier.seen == []


@pytest.mark.parametrize("refusal", TokenRefusal)
def test_why_a_token_is_refused_is_told_to_the_log_alone(refusal: TokenRefusal) -> None:
    scene = Scene(refusal=refusal)
    with pytest.raises(TokenNotAdmitted) as refused:
        scene.admit(f"Bearer {TOKEN}")
    assert refused.value.reason_for_log == refusal.value
    assert refused.value.facts == {}


def test_what_does_not_verify_costs_no_look_at_the_database() -> None:
    scene = Scene(refusal=TokenRefusal.SIGNATURE_INVALID)
    with pytest.raises(TokenNotAdmitted):
        scene.admit(f"Bearer {TOKEN}")
    assert (scene.rows.asked, scene.rows.read) == ([], 0)


def test_what_is_on_record_counts() -> None:
    scene = Scene()
    scene.admit(f"Bearer {TOKEN}")
    scene.rows.take("device-1", "device", TokenRefusal.AUTH_SET_NOT_ACCEPTED)
    with pytest.raises(TokenNotAdmitted) as refused:
        scene.admit(f"Bearer {TOKEN}")
    assert refused.value.reason == "auth-set-not-accepted"


def test_nobody_is_let_in_while_states_are_not_known() -> None:
    scene = Scene()
    scene.rows.unavailable = True
    with pytest.raises(TokenStatesUnavailable):
        scene.admit(f"Bearer {TOKEN}")


def test_an_addon_is_for_installations_that_have_it() -> None:
    assert Scene().admit(f"Bearer {TOKEN}", asked=TERMINAL).subject == "device-1"
    with pytest.raises(AddonNotEnabled) as refused:
        Scene(addons=("configure",)).admit(f"Bearer {TOKEN}", asked=TERMINAL)
    assert refused.value.addon == "troubleshoot"


def test_which_addons_there_are_is_told_to_no_stranger() -> None:
    with pytest.raises(TokenNotAdmitted):
        Scene(addons=(), refusal=TokenRefusal.SIGNATURE_INVALID).admit(f"Bearer {TOKEN}", asked=TERMINAL)


def test_users_need_no_addon() -> None:
    Scene(addons=()).admit(f"Bearer {TOKEN}", kind=TokenKind.USER, asked=TERMINAL)


def test_requests_of_one_subject_are_bounded_where_a_bound_is_set() -> None:
    scene = Scene(per_minute=3)
    for _ in range(3):
        scene.admit(f"Bearer {TOKEN}")
    with pytest.raises(RequestsLimited) as limited:
        scene.admit(f"Bearer {TOKEN}")
    assert limited.value.retry_after == pytest.approx(20.0)
    scene.admit(f"Bearer {TOKEN}", kind=TokenKind.USER)
    scene.now = 20.0
    scene.admit(f"Bearer {TOKEN}")
