"""The WSGI application of one worker process, built after the fork."""

from __future__ import annotations

from wsgiref.types import WSGIApplication

from signer.bootstrap import Runtime
from signer.web.app import create_app


def web_application(runtime: Runtime) -> WSGIApplication:
    """The routes over a runtime's services."""
    return create_app(runtime.application)
