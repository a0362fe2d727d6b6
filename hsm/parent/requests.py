"""From what callers say to what a token's process is sent."""

from __future__ import annotations

from hsm.algorithms import Algorithm
from hsm.errors import AlgorithmUnsupported, ConfigurationError
from hsm.parent.client import TokenClient
from hsm.protocol.signing import MAX_MESSAGE, KeyReference, PayloadKind, pack_key
from hsm.types import MAX_NAME, PinnedKey


def checked_names(key_id: bytes | None, label: str | None) -> None:
    """Refuse an identifier or label that no token could have, by ``ConfigurationError``."""
    sizes = [len(key_id)] if key_id is not None else []
    sizes += [len(label.encode("utf-8", "surrogatepass"))] if label is not None else []
    if not all(1 <= size <= MAX_NAME for size in sizes):
        raise ConfigurationError(setting="key", reason=f"identifier or label is not 1 to {MAX_NAME} bytes")


def packed(key: PinnedKey) -> bytes:
    """The key as requests name it."""
    return pack_key(KeyReference(key.algorithm, key.digest, key.key_id))


def payload_for(
    client: TokenClient, algorithm: Algorithm, message: bytes | None, digest: bytes | None
) -> tuple[PayloadKind, bytes]:
    """What this token has to be given: the digest, or where it insists, the message."""
    capabilities = client.status.capabilities
    if digest is not None and (capabilities is None or algorithm in capabilities.by_digest):
        return PayloadKind.DIGEST, digest
    if message is not None and (capabilities is None or algorithm in capabilities.by_message):
        if len(message) <= MAX_MESSAGE:
            return PayloadKind.MESSAGE, message
        raise AlgorithmUnsupported(
            token=client.config.name, algorithm=algorithm, reason=f"longer than {MAX_MESSAGE} bytes"
        )
    raise AlgorithmUnsupported(token=client.config.name, algorithm=algorithm, reason="no mechanism for it")
