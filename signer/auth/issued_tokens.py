"""Verifies tokens of users and devices: signature, form and times. Whether they still hold is on record.

1. At most 8 KiB, three segments of canonical base64url, JSON with each member once.
2. The key is found by the whole header, among those of the kind's purpose. Every other header is refused, whatever it
   names: ``none``, another algorithm for the same key, a key of another purpose, a key of its own.
3. Nothing of the claims is read before the signature is verified.
4. Tokens of the server that was there before have headers of their own; ``former_tokens`` has their rules.
5. ``exp`` counts to the second. ``iat`` and ``nbf`` may be ahead by the leeway: clocks of several machines differ.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from signer.auth.former_tokens import FormerTokens
from signer.auth.token_members import members, moment, name_of, octets, require_kind, text
from signer.auth.token_public_keys import TokenPublicKey, TokenPublicKeys
from signer.domain.keys import Key
from signer.domain.token_claims import JWS_ALGORITHMS, TokenKind, VerifiedToken, is_token_id
from signer.errors import TokenRefusal, TokenRefused
from signer.services.ports import Clock

if TYPE_CHECKING:
    from jwt import PyJWS

MAX_TOKEN_BYTES = 8 * 1024
SEGMENTS = 3
# Before anything was read.
NEVER = -1
MAX_LEEWAY = timedelta(seconds=30)
REFUSED_MEMBERS = frozenset({"crit", "b64", "jwk", "jku", "x5c", "x5u"})

ReadKeys = Callable[[], tuple[tuple[Key, ...], int]]


class IssuedTokenVerifier:
    """``services.token_ports.TokenVerifier``. Safe for threads."""

    def __init__(  # noqa: PLR0913  (all that it uses, by keyword)
        self,
        *,
        read: ReadKeys,
        revision: Callable[[], int],
        revision_on_loop: Callable[[], Awaitable[int]],
        issuers: Mapping[TokenKind, str],
        clock: Clock,
        leeway: timedelta,
        monotonic: Callable[[], float],
        max_age: float,
        former: FormerTokens | None = None,
    ) -> None:
        """``read``: all keys, and a revision of access that they are no older than. ``revision``: the present one.

        ``former``: reads tokens of the server that was there before; None: none of them verifies.

        ``max_age``: seconds for which a look at the revision stands; 0 where looking costs next to nothing.
        """
        self._read = read
        self._revision = revision
        self._revision_on_loop = revision_on_loop
        self._issuers = issuers
        self._clock = clock
        self._leeway = min(leeway, MAX_LEEWAY)
        self._monotonic = monotonic
        self._max_age = max_age
        self._former = former
        self._keys = TokenPublicKeys.of((), NEVER)
        self._looked_at: float | None = None

    async def keep_current(self) -> None:
        """As the port."""
        now = self._monotonic()
        if self._stands(now):
            return
        if await self._revision_on_loop() != self._keys.revision:
            await asyncio.to_thread(self._take_over)
        self._looked_at = now

    def take_over(self) -> None:
        """As the port."""
        now = self._monotonic()
        if self._stands(now):
            return
        if self._revision() != self._keys.revision:
            self._take_over()
        self._looked_at = now

    def verify(self, unverified: str, kind: TokenKind) -> VerifiedToken:
        """As the port."""
        header, key = self._key(unverified, kind)
        if key is not None:
            return self._verified(members(_signed(unverified, key)), kind, key)
        algorithm = None if self._former is None else self._former.algorithm(octets(header), kind)
        if self._former is None or algorithm is None:
            raise _unknown_header(header)
        payload, key = _signed_by_one(unverified, self._keys.with_algorithm(kind, algorithm))
        return self._former.verified(members(payload), kind, now=self._clock(), key=(key.name, key.version))

    def key_set(self, kind: TokenKind) -> bytes:
        """As the port."""
        return self._keys.sets[kind]

    def _stands(self, now: float) -> bool:
        return self._looked_at is not None and now - self._looked_at < self._max_age

    def _take_over(self) -> None:
        self._keys = TokenPublicKeys.of(*self._read())

    def _key(self, unverified: str, kind: TokenKind) -> tuple[str, TokenPublicKey | None]:
        if len(unverified) > MAX_TOKEN_BYTES:
            raise TokenRefused(TokenRefusal.TOO_LARGE)
        segments = unverified.split(".")
        if len(segments) != SEGMENTS or not unverified.isascii():
            raise TokenRefused(TokenRefusal.MALFORMED)
        for segment in segments[1:]:
            octets(segment)
        return segments[0], self._keys.by_header.get((kind, segments[0]))

    def _verified(self, claims: Mapping[str, Any], kind: TokenKind, key: TokenPublicKey) -> VerifiedToken:
        require_kind(claims, kind)
        if text(claims, "iss") != self._issuers[kind]:
            raise TokenRefused(TokenRefusal.ISSUER_REFUSED, "iss")
        issued_at, expires_at = self._times(claims)
        jti = text(claims, "jti")
        if not is_token_id(jti):
            raise TokenRefused(TokenRefusal.CLAIM_TYPE, "jti")
        return VerifiedToken(
            kind=kind,
            jti=jti,
            subject=name_of(claims, "sub"),
            auth_set=name_of(claims, "mender.auth_set") if kind is TokenKind.DEVICE else None,
            issued_at=issued_at,
            expires_at=expires_at,
            key=key.name,
            version=key.version,
        )

    def _times(self, claims: Mapping[str, Any]) -> tuple[datetime, datetime]:
        now = self._clock()
        issued_at, not_before, expires_at = (moment(claims, name) for name in ("iat", "nbf", "exp"))
        for name, begins in (("iat", issued_at), ("nbf", not_before)):
            if begins > now + self._leeway:
                raise TokenRefused(TokenRefusal.NOT_YET_VALID, name)
        if expires_at <= now:
            raise TokenRefused(TokenRefusal.EXPIRED, "exp")
        return issued_at, expires_at


def _signed(unverified: str, key: TokenPublicKey) -> bytes:
    """What the key has signed; raises ``TokenRefused``."""
    try:
        payload: bytes = _verifier().decode_complete(unverified, key.public, algorithms=[key.algorithm])["payload"]
    except _jwt_error():
        raise TokenRefused(TokenRefusal.SIGNATURE_INVALID) from None
    return payload


def _signed_by_one(unverified: str, keys: Iterable[TokenPublicKey]) -> tuple[bytes, TokenPublicKey]:
    """What one of the keys has signed, and which one; raises ``TokenRefused``. The header is known to be right.

    The library takes no token whose ``kid`` is a number, as these have it; so it is given the signature alone.
    """
    signed, _, signature = unverified.rpartition(".")
    refused = TokenRefused(TokenRefusal.KEY_UNKNOWN, "kid")
    for key in keys:
        algorithm = _verifier().get_algorithm_by_name(key.algorithm)
        if algorithm.verify(signed.encode("ascii"), algorithm.prepare_key(key.public), octets(signature)):
            return octets(signed.partition(".")[2]), key
        refused = TokenRefused(TokenRefusal.SIGNATURE_INVALID)
    raise refused


def _unknown_header(segment: str) -> TokenRefused:
    """Why this header is not that of a key: for the log, so it says what is wrong first."""
    header = members(octets(segment))
    for name in REFUSED_MEMBERS & header.keys():
        return TokenRefused(TokenRefusal.HEADER_REFUSED, name)
    for name in ("alg", "kid", "typ"):
        if not isinstance(header.get(name), str):
            return TokenRefused(TokenRefusal.HEADER_REFUSED, name)
    if header["typ"] != "JWT":
        return TokenRefused(TokenRefusal.HEADER_REFUSED, "typ")
    if header["alg"] not in JWS_ALGORITHMS.values():
        return TokenRefused(TokenRefusal.ALGORITHM_REFUSED, "alg")
    return TokenRefused(TokenRefusal.KEY_UNKNOWN, "kid")


@lru_cache(maxsize=1)
def _verifier() -> PyJWS:
    from jwt import PyJWS

    algorithms = sorted(set(JWS_ALGORITHMS.values()))
    return PyJWS(algorithms=algorithms, options={"enforce_minimum_key_length": True})


@lru_cache(maxsize=1)
def _jwt_error() -> type[Exception]:
    from jwt.exceptions import PyJWTError

    return PyJWTError
