"""Public keys whose private halves anybody can download: no server that uses one proves anything.

They stand in the demonstration environments of Mender. What is compared is the key, whatever certificate it is in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from signer.errors.server_certificates import ServerKeyPublished

# Lowercase hex SHA-256 of the SubjectPublicKeyInfo, and the repository that has the key.
PUBLISHED_KEYS: Mapping[str, str] = MappingProxyType(
    {
        # docker.mender.io, to 2026
        "ef11248d457e4170764131bc4d8c1a16c046d9870e1c66aad231d53546404ac4": "mendersoftware/integration",
        # s3.docker.mender.io, to 2026
        "303529638fdd75478ff9ed45e22792b96cb3a1fe1f93aa9040d0b661d2d2ca53": "mendersoftware/integration",
        # docker.mender.io and *.docker.mender.io, to 2031
        "3c16fc8c999508ba8fb3ef946b292dd714315bc2f6f84e5fe596e6b5532f16e1": "mendersoftware/integration",
        # mender.local, docker.mender.io, localhost, to 2124
        "e6c53ea981bc96d79b58d0acc60fd4fdb89763569046144ee825c6c831438a4c": "mendersoftware/meta-mender",
        # localhost, of the template for production, to 2027
        "b5e31d2ebe6f403313971048580475a7a370fbeb985dfeeacdb40acdf32c824b": "mendersoftware/integration",
        # localhost, of the template for mutual TLS
        "45ca18dcd168b8b110031a990afc129fd732af3a50962301b8f10ebe40c12e2f": "mendersoftware/integration",
        # s3.docker.mender.io, RSA, to 2026
        "19c2c9dc0ba3299a59be6634338a102662f8ce4a294b0e8033322e36b2f11eee": "mendersoftware/integration",
    }
)


def spki_digest(key: CertificatePublicKeyTypes) -> str:
    """Lowercase hex SHA-256 of the key's DER SubjectPublicKeyInfo."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def require_unpublished(key: CertificatePublicKeyTypes) -> str:
    """The key's digest; raises ``ServerKeyPublished`` where its private half is known to everybody."""
    digest = spki_digest(key)
    if (source := PUBLISHED_KEYS.get(digest)) is not None:
        raise ServerKeyPublished(source=source)
    return digest
