"""Every route, once: what the front serves, what Flask serves, and what a path may look like.

1. A path is matched as the bytes that were sent. Literal parts have one spelling; a parameter is one part, without a
   slash, encoded or not. Whatever else a proxy might take for the same path is no route. ``{tile}`` alone is all of
   the rest, as it was sent: the log's readers know one spelling of that.
2. HEAD is answered where GET is; OPTIONS tells the methods.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from signer.domain.access.actions import Action
from signer.services.access import Extent

KEYS = "/v1/keys"
KEY = f"{KEYS}/{{key}}"
VERSIONS = f"{KEY}/versions"
VERSION = f"{VERSIONS}/{{number}}"
API_TOKENS = "/v1/api-tokens"
API_TOKEN = f"{API_TOKENS}/{{name}}"
APPROVALS = "/v1/approvals"
LOG = "/v1/log"
POLICY = "/v1/policy"
PEOPLE = "/v1/people"
PERSON = f"{PEOPLE}/{{name}}"
CLIENT_CERTIFICATES = "/v1/client-certificates"
DEVICE_CERTIFICATES = "/v1/device-certificates"
SERVER_CERTIFICATES = "/v1/server-certificates"
SERVER_CERTIFICATE = f"{SERVER_CERTIFICATES}/{{name}}"
GROUPS = "/v1/groups"
GROUP = f"{GROUPS}/{{name}}"
USERS = "/v1/users"
USER = f"{USERS}/{{email}}"
USERADM = "/api/management/v1/useradm"
DEVAUTH = "/api/management/v2/devauth"
DEVICE = f"{DEVAUTH}/devices/{{device}}"
AUTH_SET = f"{DEVICE}/auth/{{auth_set}}"
AUTHENTICATION = "/api/devices/v1/authentication"
# What gateways ask and nobody else: it has no credentials of its own.
INTERNAL = "/api/internal/"
AUTOMATIC = frozenset({"HEAD", "OPTIONS"})
# One spelling, and no more than the database counts.
NUMBER_PATTERN = "[1-9][0-9]{0,8}"
# Where the paths lead that were asked for last, as long as they are no longer than this.
PATHS_KEPT, LONGEST_KEPT = 1024, 256
_NUMBER = re.compile(NUMBER_PATTERN.encode("ascii"))
_PARAMETER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A method on a path.

    Attributes:
        action: what its caller must be allowed to do; None asks for nothing.
        extent: with how many keys, for an action that is done with one: the one of the path, or where it names none,
            some or all.
        for_all_proved: whoever has proved who they are may, whatever else they may do.
        own: what users have for themselves; other callers have nothing there.
        for_listed_addresses: whoever has an address that the settings list needs no credentials.
    """

    method: str
    path: str
    name: str
    action: Action | None
    extent: Extent = Extent.ONE
    in_front: bool = False
    for_all_proved: bool = False
    own: bool = False
    for_listed_addresses: bool = False

    @property
    def asks_who(self) -> bool:
        """Whether its caller needs credentials."""
        return self.action is not None or self.for_all_proved or self.own

    @property
    def flask_rule(self) -> str:
        """The path in Flask's words."""
        return _PARAMETER.sub(r"<\1>", self.path).replace("<number>", "<version:number>")

    @property
    def names_key(self) -> bool:
        """Whether its path names a key."""
        return "{key}" in self.path

    @property
    def internal(self) -> bool:
        """Whether it is there for a gateway alone, over the socket that is its own."""
        return self.path.startswith(INTERNAL)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the path's parameters."""
        return tuple(_PARAMETER.findall(self.path))


def _front(method: str, path: str, name: str, action: Action | None) -> Route:
    return Route(method=method, path=path, name=name, action=action, in_front=True)


def _flask(method: str, path: str, name: str, action: Action | None, extent: Extent = Extent.ONE) -> Route:
    return Route(method=method, path=path, name=name, action=action, extent=extent)


def _own(method: str, path: str, name: str, *, in_front: bool = False) -> Route:
    return Route(method=method, path=path, name=name, action=None, in_front=in_front, own=True)


def _hashes(path: str, name: str) -> Route:
    """What tells hashes of the log, and nothing of what they stand for."""
    return Route(method="GET", path=path, name=name, action=None, in_front=True, for_all_proved=True)


ROUTES: tuple[Route, ...] = (
    _front("POST", f"{KEY}/signatures", "sign", Action.SIGN),
    _front("POST", f"{KEY}/signatures/batch", "sign_batch", Action.SIGN),
    _front("POST", f"{KEY}/artifacts", "sign_artifact", Action.SIGN),
    _front("POST", f"{KEY}/heads", "register_head", Action.SIGN),
    _front("POST", "/v1/auth/ci", "exchange_ci_token", None),
    _front("GET", f"{INTERNAL}v1/devauth/tokens/verify", "verify_device_token", None),
    _front("POST", f"{INTERNAL}v1/devauth/tokens/verify", "verify_device_token", None),
    _front("GET", f"{INTERNAL}v1/useradm/auth/verify", "verify_user_token", None),
    _front("POST", f"{INTERNAL}v1/useradm/auth/verify", "verify_user_token", None),
    _front("GET", "/.well-known/jwks/user-token.json", "user_token_keys", None),
    _front("GET", "/.well-known/jwks/device-token.json", "device_token_keys", None),
    _front("GET", "/healthz", "healthz", None),
    _front("GET", "/readyz", "readyz", None),
    Route(
        method="GET",
        path="/metrics",
        name="metrics",
        action=Action.READ,
        extent=Extent.ALL,
        in_front=True,
        for_listed_addresses=True,
    ),
    _flask("GET", KEYS, "list_keys", Action.READ, Extent.SOME),
    _flask("POST", KEYS, "create_key", Action.MANAGE, Extent.SOME),
    _flask("GET", KEY, "show_key", Action.READ),
    _flask("GET", f"{KEY}/public-keys", "public_keys", Action.READ),
    _flask("POST", f"{KEY}/rotate", "rotate_key", Action.MANAGE),
    _flask("POST", f"{KEY}/blind-sign", "turn_blind_sign", Action.MANAGE),
    _flask("POST", VERSIONS, "prepare_version", Action.MANAGE),
    _flask("GET", f"{VERSION}/public-key", "public_key", Action.READ),
    _flask("POST", f"{VERSION}/retire", "retire_version", Action.MANAGE),
    _flask("POST", f"{VERSION}/disable", "disable_version", Action.MANAGE),
    _flask("POST", f"{VERSION}/enable", "enable_version", Action.MANAGE),
    _flask("POST", f"{VERSION}/destroy", "destroy_version", Action.MANAGE),
    _flask("GET", f"{VERSION}/certificate", "show_certificate", Action.READ),
    _flask("POST", f"{VERSION}/certificate", "issue_certificate", Action.MANAGE),
    _flask("PUT", f"{VERSION}/certificate", "import_certificate", Action.MANAGE),
    _flask("POST", f"{VERSION}/csr", "request_certificate", Action.MANAGE),
    _flask("GET", "/v1/events", "list_events", Action.READ_LOG),
    _flask("GET", POLICY, "show_policy", Action.READ_LOG),
    _flask("POST", POLICY, "apply_policy", Action.ADMINISTER),
    _flask("GET", f"{POLICY}/revisions", "list_policies", Action.READ_LOG),
    _flask("POST", f"{POLICY}/preview", "preview_policy", Action.ADMINISTER),
    _flask("GET", f"{POLICY}/floors", "list_floors", Action.READ_LOG),
    _flask("POST", f"{POLICY}/floors", "set_floor", Action.ADMINISTER),
    _flask("GET", PEOPLE, "list_people", Action.READ_LOG),
    _flask("POST", PEOPLE, "create_person", Action.ADMINISTER),
    _flask("GET", PERSON, "show_person", Action.READ_LOG),
    _flask("POST", f"{PERSON}/disable", "disable_person", Action.ADMINISTER),
    _flask("POST", f"{PERSON}/enable", "enable_person", Action.ADMINISTER),
    _flask("GET", "/v1/identities", "list_identities", Action.READ_LOG),
    _flask("POST", "/v1/identities/assign", "assign_identity", Action.ADMINISTER),
    _flask("POST", "/v1/identities/unassign", "unassign_identity", Action.ADMINISTER),
    _flask("GET", f"{CLIENT_CERTIFICATES}/revoked", "list_revoked_certificates", Action.READ_LOG),
    _flask("POST", f"{CLIENT_CERTIFICATES}/revoke", "revoke_client_certificate", Action.ADMINISTER),
    _flask("GET", DEVICE_CERTIFICATES, "list_device_certificates", Action.MANAGE_DEVICES),
    _flask("POST", DEVICE_CERTIFICATES, "issue_device_certificate", Action.MANAGE_DEVICES),
    _flask("POST", f"{DEVICE_CERTIFICATES}/revoke", "revoke_device_certificate", Action.MANAGE_DEVICES),
    _flask("GET", f"{DEVICE_CERTIFICATES}/{{ca}}/revoked", "list_revoked_serials", Action.MANAGE_DEVICES),
    _flask("GET", f"{DEVICE_CERTIFICATES}/{{ca}}/crl", "device_revocation_list", None),
    _flask("GET", SERVER_CERTIFICATES, "list_server_certificates", Action.READ_LOG),
    _flask("GET", SERVER_CERTIFICATE, "show_server_certificates", Action.READ_LOG),
    _flask("POST", f"{SERVER_CERTIFICATE}/create", "create_server_certificate", Action.ADMINISTER),
    _flask("POST", f"{SERVER_CERTIFICATE}/csr", "request_server_certificate", Action.ADMINISTER),
    _flask("POST", f"{SERVER_CERTIFICATE}/import", "import_server_certificate", Action.ADMINISTER),
    _flask("POST", f"{SERVER_CERTIFICATE}/switch", "switch_server_certificate", Action.ADMINISTER),
    _flask("POST", f"{SERVER_CERTIFICATE}/retire", "retire_server_certificate", Action.ADMINISTER),
    Route(
        method="GET",
        path=f"{SERVER_CERTIFICATE}/bundle",
        name="server_certificate_bundle",
        action=None,
        for_all_proved=True,
    ),
    _flask("GET", GROUPS, "list_groups", Action.READ_LOG),
    _flask("POST", GROUPS, "create_group", Action.ADMINISTER),
    _flask("GET", GROUP, "show_group", Action.READ_LOG),
    _flask("POST", f"{GROUP}/add", "add_group_member", Action.ADMINISTER),
    _flask("POST", f"{GROUP}/remove", "remove_group_member", Action.ADMINISTER),
    _flask("GET", APPROVALS, "list_approvals", Action.APPROVE, Extent.SOME),
    _flask("GET", f"{APPROVALS}/{{approval}}", "show_approval", Action.APPROVE, Extent.SOME),
    _flask("POST", f"{APPROVALS}/{{approval}}/votes", "vote", Action.APPROVE, Extent.SOME),
    _flask("GET", API_TOKENS, "list_api_tokens", Action.ADMINISTER),
    _flask("POST", API_TOKENS, "create_api_token", Action.ADMINISTER),
    _flask("GET", API_TOKEN, "show_api_token", Action.ADMINISTER),
    _flask("POST", f"{API_TOKEN}/revoke", "revoke_api_token", Action.ADMINISTER),
    _flask("POST", f"{API_TOKEN}/reinstate", "reinstate_api_token", Action.ADMINISTER),
    _flask("GET", USERS, "list_users", Action.MANAGE_USERS),
    _flask("POST", USERS, "create_user", Action.MANAGE_USERS),
    _flask("GET", USER, "show_user", Action.MANAGE_USERS),
    _flask("POST", f"{USER}/disable", "disable_user", Action.MANAGE_USERS),
    _flask("POST", f"{USER}/enable", "enable_user", Action.MANAGE_USERS),
    _flask("POST", f"{USER}/roles", "set_user_roles", Action.MANAGE_USERS),
    _flask("POST", f"{USER}/password", "set_user_password", Action.MANAGE_USERS),
    _flask("POST", f"{USER}/totp-reset", "reset_user_second_factor", Action.MANAGE_USERS),
    _flask("POST", f"{USER}/delete", "delete_user", Action.MANAGE_USERS),
    _front("POST", f"{USERADM}/auth/login", "login", None),
    _flask("POST", f"{USERADM}/auth/logout", "logout", None),
    _flask("GET", f"{USERADM}/users", "list_mender_users", Action.MANAGE_USERS),
    _flask("POST", f"{USERADM}/users", "create_mender_user", Action.MANAGE_USERS),
    _own("GET", f"{USERADM}/users/{{user}}", "show_mender_user"),
    _own("PUT", f"{USERADM}/users/{{user}}", "change_mender_user"),
    _flask("DELETE", f"{USERADM}/users/{{user}}", "delete_mender_user", Action.MANAGE_USERS),
    _own("GET", f"{USERADM}/settings/tokens", "list_personal_tokens"),
    _own("POST", f"{USERADM}/settings/tokens", "create_personal_token", in_front=True),
    _own("DELETE", f"{USERADM}/settings/tokens/{{jti}}", "delete_personal_token"),
    _own("POST", f"{USERADM}/settings/2fa", "enrol_second_factor"),
    _own("POST", f"{USERADM}/settings/2fa/confirm", "confirm_second_factor"),
    _own("POST", f"{USERADM}/settings/2fa/disable", "disable_second_factor"),
    _flask("GET", "/v1/ci-sessions", "list_ci_sessions", Action.READ_LOG),
    _flask("POST", "/v1/ci-sessions/revoke", "revoke_ci_sessions", Action.ADMINISTER),
    _front("POST", f"{AUTHENTICATION}/auth_requests", "authenticate_device", None),
    _front("PUT", f"{AUTHENTICATION}/key", "change_device_key", None),
    _front("POST", "/api/devices/v1/certificates", "renew_device_certificate", None),
    _flask("GET", f"{DEVAUTH}/devices", "list_devices", Action.MANAGE_DEVICES),
    _flask("POST", f"{DEVAUTH}/devices", "preauthorize_device", Action.MANAGE_DEVICES),
    _flask("POST", f"{DEVAUTH}/devices/search", "search_devices", Action.MANAGE_DEVICES),
    _flask("GET", f"{DEVAUTH}/devices/count", "count_devices", Action.MANAGE_DEVICES),
    _flask("GET", DEVICE, "show_device", Action.MANAGE_DEVICES),
    _flask("DELETE", DEVICE, "decommission_device", Action.MANAGE_DEVICES),
    _flask("DELETE", AUTH_SET, "dismiss_auth_set", Action.MANAGE_DEVICES),
    _flask("GET", f"{AUTH_SET}/status", "show_auth_set", Action.MANAGE_DEVICES),
    _flask("PUT", f"{AUTH_SET}/status", "decide_auth_set", Action.MANAGE_DEVICES),
    _flask("POST", f"{AUTH_SET}/replace", "replace_device_key", Action.MANAGE_DEVICES),
    _flask("DELETE", f"{DEVAUTH}/tokens/{{jti}}", "revoke_device_token", Action.MANAGE_DEVICES),
    _flask("GET", f"{DEVAUTH}/limits/max_devices", "show_device_limit", Action.MANAGE_DEVICES),
    Route(method="GET", path="/v1/openapi.json", name="show_openapi", action=None, in_front=True, for_all_proved=True),
    _hashes(f"{LOG}/checkpoint", "log_checkpoint"),
    _hashes(f"{LOG}/keys", "log_keys"),
    _hashes(f"{LOG}/recalled", "log_recalled"),
    _flask("POST", f"{LOG}/recall", "recall_release", Action.MANAGE, Extent.SOME),
    _hashes(f"{LOG}/proof", "log_proof"),
    _hashes(f"{LOG}/tile/{{tile}}", "log_tile"),
    _front("GET", f"{LOG}/tile/entries/{{tile}}", "log_bundle", Action.READ_LOG),
    _front("GET", f"{LOG}/entries", "log_entries", Action.READ_LOG),
)


@dataclass(slots=True)
class _Node:
    literals: dict[bytes, _Node] = field(default_factory=dict)
    number: _Node | None = None
    name: _Node | None = None
    rest: _Node | None = None
    routes: dict[str, Route] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A path that leads somewhere.

    Attributes:
        routes: its route for each method.
        values: its parameters, in the order of the path.
        internal: only a gateway may ask; all methods of a path are alike.
    """

    routes: Mapping[str, Route]
    values: tuple[str, ...]
    internal: bool

    def route(self, method: str) -> Route | None:
        """The route for a method; HEAD has that of GET."""
        return self.routes.get("GET" if method == "HEAD" else method)

    @property
    def allowed(self) -> tuple[str, ...]:
        """The methods that an ``Allow`` header names."""
        automatic = AUTOMATIC if "GET" in self.routes else AUTOMATIC - {"HEAD"}
        return tuple(sorted(self.routes.keys() | automatic))


class RouteTable:
    """Finds routes by the raw bytes of a path."""

    def __init__(self, routes: tuple[Route, ...] = ROUTES) -> None:
        self._root = _Node()
        for route in routes:
            self._add(route)
        self._known = lru_cache(maxsize=PATHS_KEPT)(self._found)

    def match(self, raw_path: bytes) -> Match | None:
        """Where a path leads, or None."""
        # Paths come from outside: what is kept of them is bounded.
        return self._known(raw_path) if len(raw_path) <= LONGEST_KEPT else self._found(raw_path)

    def _found(self, raw_path: bytes) -> Match | None:
        if raw_path[:1] != b"/":
            return None
        node, parts = self._root, raw_path[1:].split(b"/")
        values: list[str] = []
        for number, part in enumerate(parts):
            following = node.literals.get(part)
            if following is None and node.rest is not None:
                return _rest(node.rest, values, b"/".join(parts[number:]))
            if following is None:
                following, value = _parameter(node, part)
                if following is None:
                    return None
                values.append(value)
            node = following
        return _match(node, *values) if node.routes else None

    def _add(self, route: Route) -> None:
        node = self._root
        for part in route.path[1:].split("/"):
            if part == "{number}":
                node.number = node.number or _Node()
                node = node.number
            elif part == "{tile}":
                node.rest = node.rest or _Node()
                node = node.rest
            elif part.startswith("{"):
                node.name = node.name or _Node()
                node = node.name
            else:
                node = node.literals.setdefault(part.encode("ascii"), _Node())
        node.routes[route.method] = route


def _rest(node: _Node, values: list[str], rest: bytes) -> Match | None:
    # Not decoded: a part that is encoded is no part of the one spelling.
    return _match(node, *values, rest.decode("ascii")) if rest and rest.isascii() else None


def _match(node: _Node, *values: str) -> Match:
    internal = any(route.internal for route in node.routes.values())
    return Match(routes=node.routes, values=values, internal=internal)


def _parameter(node: _Node, part: bytes) -> tuple[_Node | None, str]:
    if node.number is not None and _NUMBER.fullmatch(part):
        return node.number, part.decode("ascii")
    if node.name is None or not part:
        return None, ""
    decoded = unquote_to_bytes(part) if b"%" in part else part
    try:
        value = decoded.decode("utf-8")
    except UnicodeDecodeError:
        return None, ""
    return (None, "") if "/" in value else (node.name, value)
