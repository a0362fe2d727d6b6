"""The one method by which a request proves who asks.

1. One credential, or none is looked at: an ``Authorization`` field together with a client certificate of a CA that
   makes identities is refused, whatever either is worth.
2. What a bearer token begins with says which method reads it; what no method reads proves nothing.
3. An identity is confirmed, proved and forgotten by the method that made it: the first part of its name says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from signer.domain.credentials import Credentials
from signer.domain.identity import Identity
from signer.errors import CredentialsAmbiguous, CredentialsMissing, CredentialsRejected

SCHEME = "bearer "
# Ends the first part of an identity's name.
SEPARATOR = ":"


class Method(Protocol):
    """What each method can say of identities that it made."""

    def confirm(self, identity: Identity) -> None:
        """Raises ``CredentialsRejected`` where its credential is no longer what it was."""

    def proved(self, identity: Identity) -> bool:
        """Whether it was proved since the last ``forget``; does not wait."""

    def forget(self) -> None:
        """Remember no credential: access has changed."""


class BearerMethod(Method, Protocol):
    """Proves identities by the text of a bearer token."""

    def named(self, token: str) -> str | None:
        """The public part of the text, by which one credential is told from another; None where it has none."""

    def remembered(self, token: str) -> Identity | None:
        """The identity, where it is known without asking anybody; None says nothing about the token."""

    def authenticate(self, token: str) -> Identity:
        """Raises ``CredentialsRejected``, whatever the text is."""


class CertificateMethod(Method, Protocol):
    """Proves identities by a client certificate."""

    def shown(self, credentials: Credentials) -> bool:
        """Whether the request shows a certificate that this method reads; does not wait.

        Raises ``CredentialsRejected`` where it shows one in a way that is never taken.
        """

    def remembered(self, credentials: Credentials) -> Identity | None:
        """The identity, where it is known without asking anybody; None says nothing about the certificate."""

    def authenticate(self, credentials: Credentials) -> Identity:
        """Raises ``CredentialsRejected``."""


class Methods:
    """``services.ports.Authenticator`` and ``services.ports.Identities`` over all methods of a process.

    ``bearer``: methods by what their tokens begin with. ``kinds``: methods by the first part of the names of their
    identities.
    """

    def __init__(
        self,
        *,
        bearer: Mapping[str, BearerMethod],
        certificates: CertificateMethod | None = None,
        kinds: Mapping[str, Method],
    ) -> None:
        self._bearer = dict(bearer)
        self._certificates = certificates
        self._kinds = dict(kinds)

    def named(self, credentials: Credentials) -> str | None:
        """The public part of the bearer token that is shown; None where there is none."""
        try:
            method, token = self._bearer_method(credentials.authorization)
        except (CredentialsMissing, CredentialsRejected):
            return None
        return method.named(token)

    def remembered(self, credentials: Credentials) -> Identity | None:
        """The identity, where it is known without asking anybody; None says nothing about the credentials."""
        try:
            certified = self._certified(credentials)
            if certified is not None:
                return certified.remembered(credentials)
            method, token = self._bearer_method(credentials.authorization)
        except (CredentialsMissing, CredentialsRejected, CredentialsAmbiguous):
            return None
        return method.remembered(token)

    def authenticate(self, credentials: Credentials) -> Identity:
        """The identity behind the one credential.

        Raises ``CredentialsMissing`` without any, ``CredentialsAmbiguous`` with two, ``CredentialsRejected`` for
        anything else that proves nothing.
        """
        certified = self._certified(credentials)
        if certified is not None:
            return certified.authenticate(credentials)
        method, token = self._bearer_method(credentials.authorization)
        return method.authenticate(token)

    def confirm(self, identity: Identity) -> None:
        """Raises ``CredentialsRejected`` where its credential is no longer what it was."""
        method = self._method_of(identity)
        if method is None:
            raise CredentialsRejected
        method.confirm(identity)

    def proved(self, identity: Identity) -> bool:
        """Whether it was proved since the last ``forget``; does not wait."""
        method = self._method_of(identity)
        return method is not None and method.proved(identity)

    def forget(self) -> None:
        """Remember no credential: access has changed."""
        for method in self._kinds.values():
            method.forget()

    def _certified(self, credentials: Credentials) -> CertificateMethod | None:
        if self._certificates is None or not self._certificates.shown(credentials):
            return None
        if credentials.authorization is not None:
            raise CredentialsAmbiguous
        return self._certificates

    def _bearer_method(self, authorization: str | None) -> tuple[BearerMethod, str]:
        if authorization is None:
            raise CredentialsMissing
        # A comma is what repeated fields are joined with by whoever stands in between: two credentials again.
        if authorization[: len(SCHEME)].lower() != SCHEME or "," in authorization:
            raise CredentialsRejected
        token = authorization[len(SCHEME) :].strip(" \t")
        for prefix, method in self._bearer.items():
            if token.startswith(prefix):
                return method, token
        raise CredentialsRejected

    def _method_of(self, identity: Identity) -> Method | None:
        return self._kinds.get(identity.name.partition(SEPARATOR)[0])
