"""Operations: is the process alive, and can it sign?"""

from __future__ import annotations

from flask import Blueprint, Response

from signer.errors import SignerError
from signer.web.context import answer, authenticated, service
from signer.web.documents import readiness_document

blueprint = Blueprint("ops", __name__)

SERVICE_UNAVAILABLE = 503


@blueprint.get("/healthz")
def healthz() -> Response:
    """The process answers. Says nothing of the token."""
    return answer({"status": "ok"})


@blueprint.get("/readyz")
def readyz() -> Response:
    """Whether a signature that is asked for now would be made; what is broken is for those with credentials."""
    readiness = service().readiness.current()
    document = readiness_document(readiness, names=_proved())
    return answer(document, 200 if readiness.ready else SERVICE_UNAVAILABLE)


def _proved() -> bool:
    """Whether a credential came that proves something. Others get what strangers get, also where none can be proved."""
    try:
        authenticated()
    except SignerError:
        return False
    return True
