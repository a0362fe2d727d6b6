"""Operations: is the process alive, and can the service sign?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from signer.application import Application
from signer.domain.access.actions import Action
from signer.domain.identity import Identity
from signer.errors import SignerError
from signer.services.access import Extent
from signer.web.documents import readiness_document
from signer.web.front.messages import Answer, Request, json_answer

SERVICE_UNAVAILABLE = 503


class Operations:
    """The routes of probes; without credentials they ask nothing of the database or the token."""

    def __init__(self, application: Application, *, authenticate: Callable[[Request], Awaitable[Identity]]) -> None:
        self._application = application
        self._authenticate = authenticate

    async def healthz(self, _request: Request) -> Answer:
        """The process answers. Says nothing of the token."""
        return json_answer({"status": "ok"})

    async def readyz(self, request: Request) -> Answer:
        """Whether a signature that is asked for now would be made; what is broken is for those with credentials."""
        readiness = self._application.readiness.current()
        document = readiness_document(readiness, names=await self._may_know(request))
        return json_answer(document, 200 if readiness.ready else SERVICE_UNAVAILABLE)

    async def _may_know(self, request: Request) -> bool:
        """Whether a credential came that lets one read every key. Others get what strangers get, also where it
        cannot be told.
        """
        if not request.credentials.given:
            return False
        try:
            request.identity = await self._authenticate(request)
            return await self._application.admission.admits(request.identity, Action.READ, Extent.ALL)
        except SignerError:
            return False
