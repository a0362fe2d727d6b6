"""The WSGI application of one worker process, built after the fork."""

from __future__ import annotations

from wsgiref.types import WSGIApplication

from signer.bootstrap import Runtime
from signer.config import Settings
from signer.web.app import Services, WebLimits, create_app
from signer.web.bodies import BodyLimit


def web_application(settings: Settings, runtime: Runtime) -> WSGIApplication:
    """The routes over a runtime's services."""
    service, limits = runtime.service, settings.limits
    return create_app(
        Services(
            signing=service.signing,
            lifecycle=service.lifecycle,
            certificates=service.certificates,
            publication=service.publication,
            readiness=service.readiness,
            store=service.parts.store,
            authenticator=service.parts.authenticator,
            spool=service.spool,
            limits=WebLimits(
                artifact=BodyLimit(octets=limits.artifact_bytes, setting="limits.artifact_bytes"),
                json=BodyLimit(octets=limits.json_bytes, setting="limits.json_bytes"),
                head_bytes=limits.head_bytes,
                read_timeout=settings.server.read_timeout,
                verifier=service.limits,
            ),
        )
    )
