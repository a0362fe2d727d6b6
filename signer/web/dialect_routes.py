"""The routes of other products' clients, in the same table as the service's own."""

from __future__ import annotations

from signer.domain.access.actions import Action
from signer.web.families import SIGNSERVER_PREFIX, VAULT_PREFIX
from signer.web.routes import ROUTES, Route


def _front(method: str, path: str, name: str, action: Action) -> Route:
    return Route(method=method, path=path, name=name, action=action, in_front=True)


DIALECT_ROUTES: tuple[Route, ...] = (
    _front("GET", f"{VAULT_PREFIX}keys/{{key}}", "vault_read_key", Action.READ),
    *(
        _front(method, f"{VAULT_PREFIX}{verb}/{{key}}{path}", f"vault_{verb}{suffix}", action)
        for verb, action in (("sign", Action.SIGN_BLIND), ("verify", Action.READ))
        for path, suffix in (("", ""), ("/{hash}", "_by"))
        for method in ("POST", "PUT")
    ),
    _front("POST", f"{SIGNSERVER_PREFIX}rest/v1/workers/{{key}}/process", "signserver_process", Action.SIGN_BLIND),
)
EVERY_ROUTE = (*ROUTES, *DIALECT_ROUTES)
