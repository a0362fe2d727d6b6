"""The client of a service, as a library: typed, sync and async.

    from signer.client import Client, settings_from_environment

    with Client(settings_from_environment()) as client:
        signature = client.sign("firmware", manifest)

All that goes wrong is a ``ClientError``; what the service itself refuses is a ``ServiceRefusal`` with its stable code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from signer.answers import ClientError, ConnectionFailed, ServiceRefusal, SignedBy, UnexplainedStatus
from signer.client.calls import Asked, BatchItem, Part, key_path
from signer.client.environment import settings_from_environment
from signer.client.settings import ClientSettings
from signer.client.sync import Client, IncomingArtifact
from signer.client.values import Key, KeyVersion, Refused, Session, Signature
from signer.client_credentials import ClientCertificate

if TYPE_CHECKING:
    from signer.client.asynchronous import AsyncClient, AsyncIncomingArtifact

__all__ = [
    "Asked",
    "AsyncClient",
    "AsyncIncomingArtifact",
    "BatchItem",
    "Client",
    "ClientCertificate",
    "ClientError",
    "ClientSettings",
    "ConnectionFailed",
    "IncomingArtifact",
    "Key",
    "KeyVersion",
    "Part",
    "Refused",
    "ServiceRefusal",
    "Session",
    "Signature",
    "SignedBy",
    "UnexplainedStatus",
    "key_path",
    "settings_from_environment",
]

_ASYNCHRONOUS = frozenset({"AsyncClient", "AsyncIncomingArtifact"})

if not TYPE_CHECKING:  # to whom every other name would be known, too

    def __getattr__(name: str) -> Any:
        """What needs asyncio, whose import takes as long as much of the command line, is imported when it is named."""
        if name not in _ASYNCHRONOUS:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from signer.client import asynchronous

        return getattr(asynchronous, name)
