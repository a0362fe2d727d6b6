"""What a device should trust now, of one key."""

from __future__ import annotations

from dataclasses import dataclass

from signer.domain.keys import Key
from signer.domain.publication import PublishedVersion, published
from signer.errors import NoTrustedVersion
from signer.services.ports import KeyStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """The key and at least one version of it, oldest first."""

    key: Key
    versions: tuple[PublishedVersion, ...]


class PublicationService:
    """Reads what is published."""

    def __init__(self, *, store: KeyStore) -> None:
        self._store = store

    def public_keys(self, name: str) -> Publication:
        """The public keys for devices; raises ``NoTrustedVersion``.

        Never an empty list: Mender clients that are given no key accept unsigned artifacts.
        """
        key = self._store.key(name)
        versions = published(key)
        if not versions:
            raise NoTrustedVersion(key=name)
        return Publication(key=key, versions=versions)
