"""``/api/management/v2/devauth``: devices, for those who administer them, as Mender's own clients ask.

What these clients do not know is added: why a key gets no token, and the planned change of a key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from flask import Response, g, request
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from signer.domain.access.actions import Action
from signer.domain.devices import AuthStatus, Device, DeviceStatus
from signer.domain.timestamps import Moment, rfc3339
from signer.errors import DeviceKnown, InvalidRequest
from signer.services.device_documents import DeviceDocument, device_document
from signer.services.device_ports import DeviceQuery
from signer.services.devices import Preauthorization, Replacement
from signer.web.context import answer, authorised, json_body, service
from signer.web.environ import PROBLEM
from signer.web.parsing import MAX_ID, parsed
from signer.web.problems import problem_of

CREATED, NO_CONTENT, CONFLICT = 201, 204, 409
DEFAULT_PER_PAGE, MAX_PER_PAGE = 20, 500
MAX_IDS = 500
YEAR_SECONDS = 365 * 24 * 3600


class MenderBody(BaseModel):
    """A JSON body of Mender's clients: members that it does not name are left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class SearchBody(MenderBody):
    """``POST …/devices/search``: each one, or a list."""

    status: str | list[str] = []
    id: str | list[str] = []


class PreauthorizationBody(MenderBody):
    """``POST …/devices``."""

    identity_data: dict[str, Any]
    pubkey: str
    force: bool = False


class StatusBody(MenderBody):
    """``PUT …/status``."""

    status: str


class ReplacementBody(MenderBody):
    """``POST …/replace``. ``expires_in``, ``overlap``: seconds."""

    pubkey: str
    expires_in: int | None = Field(None, ge=60, le=YEAR_SECONDS)
    overlap: int = Field(0, ge=0, le=YEAR_SECONDS)


class AwaitedAuthSet(TypedDict):
    """A key that is awaited in the place of another."""

    id: str
    status: AuthStatus
    replaces: str | None
    valid_until: Moment | None


def list_devices() -> Response:
    """A page of devices."""
    authorised(Action.MANAGE_DEVICES)
    return _page(request.args.getlist("status"), request.args.getlist("id"))


def search_devices() -> Response:
    """The same, asked in a body."""
    authorised(Action.MANAGE_DEVICES)
    body = parsed(SearchBody, json_body())
    return _page(_several(body.status), _several(body.id))


def count_devices() -> Response:
    """How many there are."""
    authorised(Action.MANAGE_DEVICES)
    statuses = _statuses(request.args.getlist("status")[:1])
    return answer({"count": service().administration.devices.count(statuses[0] if statuses else None)})


def show_device(device: str) -> Response:
    """One."""
    authorised(Action.MANAGE_DEVICES)
    return answer(_document(service().administration.devices.device(device)))


def preauthorize_device() -> Response:
    """Have a device accepted as soon as it asks."""
    identity = authorised(Action.MANAGE_DEVICES)
    body = parsed(PreauthorizationBody, json_body())
    new = Preauthorization(
        unverified_identity=json.dumps(body.identity_data), unverified_pem=body.pubkey, force=body.force
    )
    device, done = service().administration.devices.preauthorize(new, actor=identity.name)
    if not done:
        return _known(device)
    return _nothing(CREATED, {"Location": f"devices/{device.id}"})


def decommission_device(device: str) -> Response:
    """Let a device be none of the installation's."""
    identity = authorised(Action.MANAGE_DEVICES)
    service().administration.devices.decommission(device, actor=identity.name)
    return _nothing(NO_CONTENT)


def show_auth_set(device: str, auth_set: str) -> Response:
    """What was decided about a key."""
    authorised(Action.MANAGE_DEVICES)
    found = service().administration.devices.device(device).set_of(auth_set)
    return answer({"status": found.status.value})


def decide_auth_set(device: str, auth_set: str) -> Response:
    """Accept, reject or hold back a key."""
    identity = authorised(Action.MANAGE_DEVICES)
    status = parsed(StatusBody, json_body()).status
    service().administration.devices.decide(device, auth_set, status, actor=identity.name)
    return _nothing(NO_CONTENT)


def dismiss_auth_set(device: str, auth_set: str) -> Response:
    """Take a key from a device."""
    identity = authorised(Action.MANAGE_DEVICES)
    service().administration.devices.dismiss(device, auth_set, actor=identity.name)
    return _nothing(NO_CONTENT)


def replace_device_key(device: str, auth_set: str) -> Response:
    """Plan the next key of an accepted device."""
    identity = authorised(Action.MANAGE_DEVICES)
    body = parsed(ReplacementBody, json_body())
    new = Replacement(
        unverified_pem=body.pubkey,
        awaited_for=None if body.expires_in is None else timedelta(seconds=body.expires_in),
        overlap=timedelta(seconds=body.overlap),
    )
    awaited = service().administration.devices.replace(device, auth_set, new, actor=identity.name)
    document: AwaitedAuthSet = {
        "id": awaited.id,
        "status": awaited.status,
        "replaces": awaited.replaces,
        "valid_until": rfc3339(awaited.valid_until),
    }
    return answer(document, CREATED)


def revoke_device_token(jti: str) -> Response:
    """Let one token hold no longer."""
    identity = authorised(Action.MANAGE_DEVICES)
    service().administration.devices.revoke_token(jti, actor=identity.name)
    return _nothing(NO_CONTENT)


def show_device_limit() -> Response:
    """How many devices may be accepted; -1: any number."""
    authorised(Action.MANAGE_DEVICES)
    limit = service().administration.devices.max_devices
    return answer({"limit": -1 if limit is None else limit})


def _nothing(status: int, headers: Mapping[str, str] = MappingProxyType({})) -> Response:
    """An answer without a body, and so without a media type."""
    response = Response(status=status, headers=dict(headers))
    del response.headers["Content-Type"]
    return response


def _page(unverified_statuses: list[str], unverified_ids: list[str]) -> Response:
    query = DeviceQuery(
        statuses=_statuses(unverified_statuses),
        ids=_ids(unverified_ids),
        page=_number("page", 1, MAX_ID // MAX_PER_PAGE),
        per_page=_number("per_page", DEFAULT_PER_PAGE, MAX_PER_PAGE),
    )
    page = service().administration.devices.devices(query)
    response = answer([_document(device) for device in page.devices])
    for relation, number in _links(query, more=page.more):
        response.headers.add("Link", f'<{request.path}?{_query(query, number)}>; rel="{relation}"')
    return response


def _links(query: DeviceQuery, *, more: bool) -> list[tuple[str, int]]:
    links = [("first", 1)]
    if query.page > 1:
        links.append(("prev", query.page - 1))
    if more:
        links.append(("next", query.page + 1))
    return links


def _query(query: DeviceQuery, page: int) -> str:
    asked = [("status", status.value) for status in query.statuses] + [("id", each) for each in query.ids]
    if request.method == "POST":  # what was asked stands in the body
        asked = []
    return urlencode([*asked, ("page", page), ("per_page", query.per_page)])


def _statuses(unverified: list[str]) -> tuple[DeviceStatus, ...]:
    known = {status.value: status for status in DeviceStatus}
    if not known.keys() >= set(unverified):
        raise InvalidRequest(problems=(f"status: must be one of {', '.join(known)}",))
    return tuple(known[each] for each in dict.fromkeys(unverified))


def _ids(unverified: list[str]) -> tuple[str, ...]:
    if len(unverified) > MAX_IDS:
        raise InvalidRequest(problems=(f"id: at most {MAX_IDS} are looked for at once",))
    return tuple(dict.fromkeys(unverified))


def _number(name: str, default: int, most: int) -> int:
    text = request.args.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and 1 <= int(text) <= most):
        raise InvalidRequest(problems=(f"{name}: must be a number from 1 to {most}",))
    return int(text)


def _several(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]


def _document(device: Device) -> DeviceDocument:
    return device_document(device, service().administration.devices.now())


def _known(device: Device) -> Response:
    """A refusal whose body is the device, as Mender's gateways read it, with what refusals have."""
    problem = problem_of(DeviceKnown(device=device.id))
    request.environ[PROBLEM] = problem
    told = {
        "error": problem.detail,
        "code": problem.code,
        "detail": problem.detail,
        "hint": problem.hint,
        "request_id": g.request_id,
    }
    return answer({**_document(device), **told}, CONFLICT)
