"""The client of a service, as a library: typed, sync and async.

    from signer.client import Client, settings_from_environment

    with Client(settings_from_environment()) as client:
        signature = client.sign("firmware", manifest)

All that goes wrong is a ``ClientError``; what the service itself refuses is a ``ServiceRefusal`` with its stable code.
"""

from __future__ import annotations

from signer.answers import ClientError, ConnectionFailed, ServiceRefusal, SignedBy, UnexplainedStatus
from signer.client.asynchronous import AsyncClient, AsyncIncomingArtifact
from signer.client.calls import Asked, BatchItem, Part, key_path
from signer.client.environment import settings_from_environment
from signer.client.settings import ClientSettings
from signer.client.sync import Client, IncomingArtifact
from signer.client.values import Key, KeyVersion, Refused, Session, Signature
from signer.client_credentials import ClientCertificate

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
