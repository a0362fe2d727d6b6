"""Keys in the token that sign certificates: what comes out verifies, or the version is quarantined."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cryptography.exceptions import InvalidSignature

from hsm.errors import KeyMismatch, SignatureMismatch
from signer.domain.keys import Key, KeyVersion
from signer.domain.lifecycle import TRANSITIONS, Step
from signer.domain.messages import ContentMessage
from signer.errors import VersionQuarantined
from signer.services.signing import MessageSigner, signing_key
from signer.services.token_keys import TokenPrivateKey, token_private_key


class CertificateKeys:
    """Private keys for the library's builders. Safe for threads."""

    def __init__(self, *, signer: MessageSigner, quarantine: Callable[[Key, KeyVersion], None]) -> None:
        self._signer = signer
        self._quarantine = quarantine

    @contextmanager
    def private_key(
        self, key: Key, version: KeyVersion, message: Callable[[bytes], ContentMessage]
    ) -> Iterator[TokenPrivateKey]:
        """The private half; what it signs and the pinned public half does not verify quarantines the version.

        ``message``: what the builder's content is, among the messages that keys sign. Inside of the ``with`` the caller
        verifies what was built. Raises ``MessageNotAllowed``, ``VersionHasNoPair``, ``VersionQuarantined`` or a
        ``hsm.errors.TokenError``.
        """
        signing = signing_key(key, version)
        try:
            yield token_private_key(
                signing.pin.spki, lambda content: self._signer.sign_bytes(signing, message(content))
            )
        except (KeyMismatch, SignatureMismatch, InvalidSignature) as error:
            if (version.state, Step.QUARANTINE) in TRANSITIONS:
                self._quarantine(key, version)
                raise VersionQuarantined(key=key.name, version=version.number) from error
            if isinstance(error, InvalidSignature):
                raise SignatureMismatch(key_id=signing.pin.key_id.hex()) from error
            raise
