"""What the front and Flask tell each other about a request, beside what WSGI has names for."""

from __future__ import annotations

REQUEST_ID = "artifact_signer.request_id"
# In the scope of ASGI: over which kind of listener the connection came, a ``PeerKind``.
LISTENER = "artifact_signer.listener"
# In the scope of ASGI: the certificate that the client showed in the TLS handshake, DER; absent where it showed none.
PEER_CERTIFICATE = "artifact_signer.peer_certificate"
# The caller, proved by the front before it read the body.
IDENTITY = "artifact_signer.identity"
# Set by Flask where it refused: the front writes the log line.
PROBLEM = "artifact_signer.problem"
