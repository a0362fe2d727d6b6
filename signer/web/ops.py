"""Operations: is the process alive, and can it sign?"""

from __future__ import annotations

from flask import Blueprint, Response

from signer.domain.timestamps import rfc3339
from signer.web.context import answer, service

blueprint = Blueprint("ops", __name__)

SERVICE_UNAVAILABLE = 503


@blueprint.get("/healthz")
def healthz() -> Response:
    """The process answers. Says nothing of the token."""
    return answer({"status": "ok"})


@blueprint.get("/readyz")
def readyz() -> Response:
    """Every active key has just made a verified signature; otherwise what is broken, and since when."""
    readiness = service().readiness.current()
    conditions = [
        {"name": item.name, "status": "ok" if item.code is None else "failed", "code": item.code,
         "vital": item.vital, "since": rfc3339(item.since)}
        for item in readiness.conditions
    ]  # fmt: skip
    document = {
        "status": "ready" if readiness.ready else "not-ready",
        "checked_at": rfc3339(readiness.checked_at),
        "conditions": conditions,
    }
    return answer(document, 200 if readiness.ready else SERVICE_UNAVAILABLE)
