"""Puts together what gateways are answered with."""

from __future__ import annotations

from collections.abc import Callable

from signer.config import Settings
from signer.domain.request_rates import RequestRates
from signer.domain.token_claims import TokenKind
from signer.services.gateway_door import GatewayDoor
from signer.services.token_ports import TokenStates, TokenVerifier
from signer.services.token_state_ports import RevisionWatch
from signer.services.token_states import KnownTokenStates
from signer.storage.database import Database
from signer.storage.token_state_store import SqlTokenStateStore


def token_states(database: Database, watch: RevisionWatch, *, monotonic: Callable[[], float]) -> TokenStates:
    """What knows whether tokens hold."""
    return KnownTokenStates(store=SqlTokenStateStore(database=database), watch=watch, monotonic=monotonic)


def gateway_door(
    settings: Settings, *, verifier: TokenVerifier, states: TokenStates, monotonic: Callable[[], float]
) -> GatewayDoor:
    """What lets requests in."""
    return GatewayDoor(
        verifier=verifier,
        states=states,
        rates={
            TokenKind.DEVICE: RequestRates(settings.gateway.device_requests),
            TokenKind.USER: RequestRates(settings.gateway.user_requests),
        },
        addons=settings.device_tokens.addons,
        monotonic=monotonic,
    )
