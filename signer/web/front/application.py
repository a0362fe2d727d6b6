"""The front as an ASGI application: every request gets an id, an answer or a problem document, and one log line.

1. A request is authenticated, and its action allowed, before a byte of its body is read or asked for.
2. Nothing here waits for a thread but through ``Rooms``.
3. What is not served by its deadline is refused, not forgotten: one for all that a request waits for.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any

from signer.application import Application
from signer.domain.access.actions import SIGNING_ACTIONS
from signer.domain.credentials import PeerKind
from signer.domain.identity import Identity
from signer.errors import CredentialsMissing, EncodingNotSupported, MethodNotAllowed, RouteNotFound
from signer.logs import tell
from signer.web.dialect_paths import DialectPaths
from signer.web.dialect_routes import EVERY_ROUTE
from signer.web.front.batches import BatchHandlers
from signer.web.front.bridge import Bridge
from signer.web.front.ci import CiHandlers
from signer.web.front.deadline import Deadlines
from signer.web.front.devices import DeviceHandlers
from signer.web.front.gateway import GatewayHandlers
from signer.web.front.key_sets import KeySetHandlers
from signer.web.front.log import LogHandlers
from signer.web.front.messages import Answer, Receive, Request, Send
from signer.web.front.metrics import CONTENT_TYPE, Metrics
from signer.web.front.openapi import OpenApiHandlers
from signer.web.front.operations import Operations
from signer.web.front.peers import Network, Peers
from signer.web.front.rooms import Rooms
from signer.web.front.signing import SigningHandlers
from signer.web.front.signserver import SignServerHandlers
from signer.web.front.users import UserHandlers
from signer.web.front.vault import VaultHandlers
from signer.web.refusals import refused
from signer.web.routes import RouteTable

logger = logging.getLogger("artifact-signer.request")

Handler = Callable[..., Awaitable[Answer]]


class Front:
    """The routes over a running application, for one event loop. ``timeout``: seconds that a request may take."""

    def __init__(  # noqa: PLR0913  (all that it uses, by keyword)
        self,
        application: Application,
        *,
        timeout: float,
        rooms: Rooms,
        bridge: Bridge,
        metrics: Metrics,
        listed: Sequence[Network] = (),
        proxies: Sequence[Network] = (),
        tellers: Sequence[Network] = (),
        dialects: DialectPaths | None = None,
    ) -> None:
        self._application = application
        self._deadlines = Deadlines(timeout)
        self._metrics = metrics
        self._listed = tuple(listed)
        self._peers = Peers(proxies, tellers)
        self._rooms = rooms
        self._bridge = bridge
        self._table = RouteTable(EVERY_ROUTE)
        self._dialects = dialects or DialectPaths()
        signing = SigningHandlers(application, rooms=rooms, metrics=metrics)
        batches = BatchHandlers(application, rooms=rooms, metrics=metrics)
        operations = Operations(application, authenticate=self._authenticated)
        log = LogHandlers(application, rooms=rooms)
        ci = CiHandlers(application, rooms=rooms)
        gateway = GatewayHandlers(application, metrics=metrics)
        users = UserHandlers(application)
        devices = DeviceHandlers(application, rooms=rooms)
        key_sets = KeySetHandlers(application)
        openapi = OpenApiHandlers(url=application.url, rooms=rooms)
        self._handlers: Mapping[str, Handler] = {
            "user_token_keys": key_sets.users,
            "device_token_keys": key_sets.devices,
            "sign": signing.sign,
            "sign_batch": batches.sign,
            "sign_artifact": signing.sign_artifact,
            "register_head": signing.register_head,
            "healthz": operations.healthz,
            "readyz": operations.readyz,
            "metrics": self._metrics_text,
            "exchange_ci_token": ci.exchange,
            "verify_device_token": gateway.verify_device_token,
            "verify_user_token": gateway.verify_user_token,
            "login": users.login,
            "create_personal_token": users.create_personal_token,
            "authenticate_device": devices.authenticate,
            "change_device_key": devices.change_key,
            "renew_device_certificate": devices.renew_certificate,
            "log_checkpoint": log.checkpoint,
            "log_keys": log.keys,
            "log_recalled": log.recalled,
            "log_tile": log.tile,
            "log_bundle": log.bundle,
            "log_entries": log.entries,
            "log_proof": log.proof,
            "show_openapi": openapi.show,
            **_of_dialects(application, rooms, metrics),
        }

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request."""
        started = time.monotonic()
        deadline = self._deadlines.one()
        request = Request(scope, receive, self._peers.of(scope), deadline, self._dialects.route_path(scope["raw_path"]))
        try:
            answer = await deadline.within(self._answer(request))
        except asyncio.CancelledError:
            _log(request, started, status=None, code="client-gone")
            raise
        except Exception as error:  # noqa: BLE001  (the one place that answers for all of them)
            answer = _refusal(request, error)
        code = answer.problem.code if answer.problem else None
        reason = answer.problem.reason if answer.problem else None
        _log(request, started, status=answer.status, code=code, reason=reason)
        self._metrics.answered(request.route, answer.status, code, time.monotonic() - started)
        await answer.send(send, request.request_id, request.family)

    async def _answer(self, request: Request) -> Answer:
        match = self._table.match(request.route_path)
        if match is None or (match.internal and request.peer.kind is not PeerKind.GATEWAY):
            raise RouteNotFound
        if request.method == "OPTIONS":
            return Answer(headers=(("Allow", ", ".join(match.allowed)),))
        route = match.route(request.method)
        if route is None:
            raise MethodNotAllowed(allowed=match.allowed)
        request.route, request.for_gateways = route.name, route.internal
        if route.asks_who and not (route.for_listed_addresses and self._is_listed(request.peer.address)):
            request.identity = await self._authenticated(request)
            # Whether somebody may ask for a signature is for its handler, which has refusals put on record.
            if route.action is not None and route.action not in SIGNING_ACTIONS:
                key = match.values[0] if route.names_key else None
                await self._application.admission.require(request.identity, route.action, key, route.extent)
        encoding = request.header(b"content-encoding")
        if encoding is not None and encoding.strip().lower() not in ("", "identity"):
            raise EncodingNotSupported(encoding=encoding)
        if route.in_front:
            return await self._handlers[route.name](request, *match.values)
        body = await request.body.whole(self._application.limits.json)
        return await self._rooms.requests.run(self._bridge.call, request, body)

    async def _metrics_text(self, _request: Request) -> Answer:
        return Answer(content_type=CONTENT_TYPE, body=await self._rooms.requests.run(self._metrics.text))

    def _is_listed(self, client: str | None) -> bool:
        if client is None or not self._listed:
            return False
        address = ipaddress.ip_address(client)
        return any(address in network for network in self._listed)

    async def _authenticated(self, request: Request) -> Identity:
        authenticator = self._application.authenticator
        with self._metrics.deciding:
            credentials = request.credentials
            if not credentials.given:
                raise CredentialsMissing
            known = authenticator.remembered(credentials)
        if known is not None:
            return known
        return await self._rooms.requests.run(authenticator.authenticate, credentials)


def _of_dialects(application: Application, rooms: Rooms, metrics: Metrics) -> Mapping[str, Handler]:
    vault = VaultHandlers(application, metrics=metrics)
    signserver = SignServerHandlers(application, rooms=rooms, metrics=metrics)
    return {
        "vault_read_key": vault.read_key,
        "vault_sign": vault.sign,
        "vault_sign_by": vault.sign,
        "vault_verify": vault.verify,
        "vault_verify_by": vault.verify,
        "signserver_process": signserver.process,
    }


def _refusal(request: Request, error: Exception) -> Answer:
    refusal = refused(
        error, method=request.method, path=request.path, request_id=request.request_id, family=request.family
    )
    return Answer(
        status=refusal.status,
        content_type=request.family.refusal_media_type,
        body=refusal.problem.document(request.request_id, request.family),
        headers=refusal.headers,
        problem=refusal.problem,
    )


def _log(request: Request, started: float, *, status: int | None, code: str | None, reason: str | None = None) -> None:
    level = logging.INFO if code is None else logging.WARNING
    if code is None and request.for_gateways:
        # One for each request of the gateway's clients, which its own log has: to write them costs as much as all else.
        level = logging.DEBUG
    if not logger.isEnabledFor(level):
        # Before anything is made of it.
        return
    tell(
        logger,
        level,
        f"{request.method} {request.path} {status if status is not None else 'unanswered'}",
        {
            "request_id": request.request_id,
            "identity": request.identity.name if request.identity else None,
            "client": request.peer.address,
            "code": code,
            "reason": reason,
            "milliseconds": round((time.monotonic() - started) * 1000, 1),
        },
    )
