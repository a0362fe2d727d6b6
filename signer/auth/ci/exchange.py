"""``POST /v1/auth/ci``: a CI token comes in, a session goes out.

1. ``begin`` costs little and waits for nobody: form, issuer, algorithm, and whether its key is known. An issuer that is
   not configured is never asked for anything.
2. ``finish`` checks the rest and uses the token up, last of all: a token that is refused is not used.
3. A token is good for one session. Whoever shows it again within a minute with the nonce that it came with is given the
   same session: its text is computed again from the token, the nonce and a salt that alone is on record. Nobody without
   the nonce gets it, and nobody who reads the database.
4. Callers are told ``credentials-rejected``; the reason is for the service's log.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from signer.auth.ci.claims import LEEWAY, Demands, VerifiedClaims, verified_claims
from signer.auth.ci.key_cache import KeyCache
from signer.auth.ci.key_set import verified_payload
from signer.auth.ci.pins import kept_claims, pinned_identity
from signer.auth.ci.refusals import Reason, TokenRefused
from signer.auth.ci.sessions import LIFETIME, PREFIX
from signer.auth.ci.token import UnverifiedToken
from signer.auth.token_text import TokenText
from signer.domain.ci import CiSession, IssuerKeys, PinnedIdentity, Profile, TokenOutcome, TokenUse, UsedToken
from signer.errors import CiKeysUnavailable, CiSessionsExhausted, CredentialsRejected
from signer.services.access_ports import Directory

logger = logging.getLogger("artifact-signer.ci")

SALT_BYTES = 32
# Until when the same token with the same nonce is given the same session.
REPEAT = timedelta(seconds=60)
# After the leeway nobody takes the token any more; a little later it is forgotten.
KEEP_MARGIN = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """An issuer of the settings, with its keys as this process knows them."""

    name: str
    algorithms: Collection[str]
    demands: Demands
    profile: Profile
    identities: tuple[PinnedIdentity, ...]
    keys: KeyCache


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Presented:
    """A token whose key may be on its way. ``waiting``: done when it is known whether it comes."""

    token: UnverifiedToken
    issuer: Issuer
    waiting: Future[None] | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class IssuedSession:
    """A session for its job; ``text`` is the only copy."""

    text: str
    identity: str
    expires_at: datetime


class CiSessionStore(Protocol):
    """Uses tokens up, and keeps sessions."""

    def begin(self, use: TokenUse, session: CiSession, jti_sha256: str) -> TokenOutcome:
        """Use the token up and record the session, or neither."""

    def used(self, token_id: bytes) -> UsedToken | None:
        """What became of the token; None where it is not used."""


class CiExchange:
    """``services.ports.CiExchange``. Safe for threads."""

    def __init__(
        self, *, issuers: Sequence[Issuer], store: CiSessionStore, directory: Directory, now: Callable[[], datetime]
    ) -> None:
        self._issuers = {issuer.demands.issuer: issuer for issuer in issuers}
        self._store = store
        self._directory = directory
        self._now = now

    def start(self) -> None:
        """Begin to fetch the keys of all issuers, so that the first job need not wait for them."""
        for issuer in self._issuers.values():
            issuer.keys.refetch()

    def keys(self) -> tuple[IssuerKeys, ...]:
        """What this process knows of the keys of each issuer."""
        return tuple(
            IssuerKeys(issuer=each.name, age=each.keys.age(), failures=each.keys.failures)
            for each in self._issuers.values()
        )

    def begin(self, text: str, request_id: str) -> Presented:
        """Look at the form of a token, and for its key; raises ``CredentialsRejected``."""
        try:
            token = UnverifiedToken.parse(text)
            issuer = self._issuer(token)
        except TokenRefused as refused:
            raise _told(refused, None, request_id) from None
        known = issuer.keys.key(token.key_id) is not None
        return Presented(token=token, issuer=issuer, waiting=None if known else issuer.keys.refetch())

    def _issuer(self, token: UnverifiedToken) -> Issuer:
        issuer = self._issuers.get(token.unverified_issuer)
        if issuer is None:
            raise TokenRefused(Reason.ISSUER_UNKNOWN, "iss")
        if token.algorithm not in issuer.algorithms:
            raise TokenRefused(Reason.ALGORITHM_REFUSED, "alg")
        return issuer

    def finish(self, presented: Presented, nonce: str | None, request_id: str) -> IssuedSession:
        """The session; raises ``CredentialsRejected``, ``CiKeysUnavailable``, ``CiSessionsExhausted``, and what clock
        and database raise.
        """
        try:
            return self._exchanged(presented, nonce)
        except TokenRefused as refused:
            raise _told(refused, presented.issuer, request_id) from None

    def _exchanged(self, presented: Presented, nonce: str | None) -> IssuedSession:
        issuer = presented.issuer
        key = issuer.keys.key(presented.token.key_id)
        if key is None:
            if issuer.keys.failed or not issuer.keys.held:
                raise CiKeysUnavailable
            raise TokenRefused(Reason.KEY_UNKNOWN, "kid")
        payload = verified_payload(presented.token, key)
        now = self._now()  # asks the database, so nobody's forgery gets there
        claims = verified_claims(payload, issuer.demands, now=now)
        pinned = pinned_identity(claims, issuer.profile, issuer.identities)
        self._require_enabled(pinned)
        use = _use(claims, nonce)
        used = self._store.used(use.token_id)
        if used is None:
            text = _text(presented.token.text, nonce, use.salt)
            session = _session(text, claims, issuer, pinned, now)
            jti_sha256 = hashlib.sha256(claims.jti.encode("ascii")).hexdigest()
            match self._store.begin(use, session, jti_sha256):
                case TokenOutcome.USED:
                    return IssuedSession(text=text.text, identity=pinned.name, expires_at=session.expires_at)
                case TokenOutcome.TOO_MANY_SESSIONS:
                    raise CiSessionsExhausted(identity=pinned.name)
                case TokenOutcome.BEFORE_CORRECTION:
                    raise TokenRefused(Reason.BEFORE_CLOCK_CORRECTION, "iat")
            used = self._store.used(use.token_id)
        return _repeated(presented.token.text, nonce, use, used, pinned, now)

    def _require_enabled(self, pinned: PinnedIdentity) -> None:
        """Before the token is used up: a session that proves nothing would be a leaf for nothing."""
        try:
            self._directory.membership(pinned.name)
        except CredentialsRejected:
            raise TokenRefused(Reason.PERSON_DISABLED) from None


def _told(refused: TokenRefused, issuer: Issuer | None, request_id: str) -> CredentialsRejected:
    logger.warning(
        "a CI token was refused: %s",
        refused,
        extra={"request_id": request_id, "reason": refused.reason.value, "issuer": issuer.name if issuer else None},
    )
    return CredentialsRejected()


def _use(claims: VerifiedClaims, nonce: str | None) -> TokenUse:
    told = hashlib.sha256(claims.issuer.encode())
    return TokenUse(
        token_id=hashlib.sha256(told.digest() + claims.jti.encode("ascii")).digest(),
        issued_at=claims.issued_at,
        keep_until=claims.expires_at + LEEWAY + KEEP_MARGIN,
        nonce_sha256=None if nonce is None else hashlib.sha256(nonce.encode("ascii")).digest(),
        salt=secrets.token_bytes(SALT_BYTES),
    )


def _text(token: str, nonce: str | None, salt: bytes, session_id: str | None = None) -> TokenText:
    token_sha256 = hashlib.sha256(token.encode("ascii")).digest()
    secret = hmac.digest(salt, token_sha256 + (nonce or "").encode("ascii"), "sha256")
    return TokenText.make(PREFIX, token_id=session_id, secret=secret)


def _session(
    text: TokenText, claims: VerifiedClaims, issuer: Issuer, pinned: PinnedIdentity, now: datetime
) -> CiSession:
    return CiSession(
        id=text.id,
        issuer=issuer.name,
        subject=pinned.id,
        pinned_sha256=pinned.digest,
        claims=kept_claims(claims, issuer.profile, pinned),
        secret_sha256=hashlib.sha256(text.text.encode("ascii")).digest(),
        created_at=now,
        expires_at=now + LIFETIME,
    )


def _repeated(
    token: str, nonce: str | None, use: TokenUse, used: UsedToken | None, pinned: PinnedIdentity, now: datetime
) -> IssuedSession:
    """The session that the token was used for, given out once more; raises ``TokenRefused``."""
    session = None if used is None else used.session
    if used is None or session is None or not _same_nonce(use, used.use) or now - used.used_at > REPEAT:
        raise TokenRefused(Reason.USED_BEFORE, "jti")
    text = _text(token, nonce, used.use.salt, session.id)
    proved = hmac.compare_digest(hashlib.sha256(text.text.encode("ascii")).digest(), session.secret_sha256)
    if not proved or session.pinned_sha256 != pinned.digest:
        raise TokenRefused(Reason.USED_BEFORE, "jti")
    return IssuedSession(text=text.text, identity=pinned.name, expires_at=session.expires_at)


def _same_nonce(now: TokenUse, then: TokenUse) -> bool:
    if now.nonce_sha256 is None or then.nonce_sha256 is None:
        return False
    return hmac.compare_digest(now.nonce_sha256, then.nonce_sha256)
