"""Who may ask, as OpenAPI has it: by which credentials."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from signer.web.families import Family, family_of
from signer.web.openapi.operation import Operation
from signer.web.routes import Route

API_TOKEN, CI_SESSION, CLIENT_CERTIFICATE = "apiToken", "ciSession", "clientCertificate"
USER_TOKEN, DEVICE_TOKEN, PASSWORD, NOTHING = "userToken", "deviceToken", "password", ""
BEARER = {"type": "http", "scheme": "bearer"}

SECURITY: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        API_TOKEN: {**BEARER, "description": "An API token."},
        CI_SESSION: {**BEARER, "description": "A session of a CI job, which `POST /v1/auth/ci` gives for its token."},
        CLIENT_CERTIFICATE: {
            "type": "mutualTLS",
            "description": "A certificate of a configured CA for identities.",
        },
        USER_TOKEN: {**BEARER, "bearerFormat": "JWT", "description": "A token of a user, or a personal access token."},
        DEVICE_TOKEN: {**BEARER, "bearerFormat": "JWT", "description": "A token of a device."},
        "vaultToken": {
            "type": "apiKey",
            "in": "header",
            "name": "X-Vault-Token",
            "description": "Any of the bearer tokens, where Vault's clients put one.",
        },
        PASSWORD: {"type": "http", "scheme": "basic", "description": "E-mail address and password of a user."},
    }
)
VAULT = ("vaultToken", API_TOKEN, CI_SESSION, CLIENT_CERTIFICATE, USER_TOKEN)
PROVED = (API_TOKEN, CI_SESSION, CLIENT_CERTIFICATE, USER_TOKEN)


def security(route: Route, operation: Operation) -> list[dict[str, list[str]]]:
    """What may be shown; one of it is enough."""
    names = operation.security or _of(route)
    return [{name: []} if name else {} for name in names]


def _of(route: Route) -> tuple[str, ...]:
    if route.own:
        return (USER_TOKEN,)
    if not route.asks_who:
        return (NOTHING,)
    if family_of(route.path) is Family.VAULT:
        return VAULT
    return (*PROVED, NOTHING) if route.for_listed_addresses else PROVED
