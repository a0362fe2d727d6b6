"""Puts together what gateways are answered with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from signer.config import Settings
from signer.domain.request_rates import RequestRates
from signer.domain.token_claims import TokenKind
from signer.services.device_certificates import DeviceCertificates
from signer.services.gateway_door import GatewayDoor
from signer.services.token_ports import TokenStates, TokenVerifier
from signer.services.token_state_ports import RevisionWatch
from signer.services.token_states import KnownTokenStates
from signer.storage.database import Database
from signer.storage.device_revision_watch import revision_watch
from signer.storage.token_state_store import SqlTokenStateStore


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayParts:
    """What has an outside. ``watch`` is to be started and closed on the loop."""

    watch: RevisionWatch
    states: TokenStates
    monotonic: Callable[[], float]


def gateway_parts(database: Database, *, monotonic: Callable[[], float]) -> GatewayParts:
    """Of a process that has this database open."""
    watch = revision_watch(database)
    states = KnownTokenStates(store=SqlTokenStateStore(database=database), watch=watch, monotonic=monotonic)
    return GatewayParts(watch=watch, states=states, monotonic=monotonic)


def gateway_door(
    settings: Settings, parts: GatewayParts, *, verifier: TokenVerifier, certificates: DeviceCertificates
) -> GatewayDoor:
    """What lets requests in."""
    return GatewayDoor(
        verifier=verifier,
        states=parts.states,
        certificates=certificates,
        rates={
            TokenKind.DEVICE: RequestRates(settings.gateway.device_requests),
            TokenKind.USER: RequestRates(settings.gateway.user_requests),
        },
        addons=settings.device_tokens.addons,
        monotonic=parts.monotonic,
    )
