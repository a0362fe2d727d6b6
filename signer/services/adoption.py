"""Whether a pair that is in a token already can become part of a version, and what its public key is.

1. The public key is the one that the token shows. Where it shows none, it is the one that was given, or else one from
   a certificate with the same CKA_ID.
2. Whatever it came from, it counts only after the private half made a signature that it verifies.
3. A private key that can leave the token is warned of, or refused where the settings say so.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from hsm import PinnedKey, TokenKey
from hsm.errors import KeyHalvesDiffer, KeyMismatch, SignatureMismatch, TokenError
from signer.domain.keys import Key, KeyVersion
from signer.domain.messages import SelfCheck
from signer.domain.public_keys import algorithm_of, kind_of, public_key_in, public_keys_in
from signer.errors import PairNotSuitable
from signer.services.ports import TokenAccess
from signer.services.signing import MessageSigner, SigningKey

HIDDEN = "the token shows no public half and no certificate of it: give its public key with --public-key"


class Adoption:
    """Examines pairs. Changes nothing, neither in the token nor on record."""

    def __init__(self, *, tokens: TokenAccess, signer: MessageSigner, strict: bool, timeout: float) -> None:
        self._tokens = tokens
        self._signer = signer
        self._strict = strict
        self._timeout = timeout

    def examined(
        self, key: Key, version: KeyVersion, found: TokenKey, unverified_public_key: bytes | None
    ) -> tuple[bytes, tuple[str, ...]]:
        """The pair's public key, DER SubjectPublicKeyInfo, and warnings as sentences.

        ``version``: the pending one that it is to become; ``unverified_public_key``: PEM, of a public key or a
        certificate. Raises ``PairNotSuitable`` or a ``hsm.errors.TokenError``.
        """
        if not found.has_private:
            raise PairNotSuitable(reason="the token holds no private half of it")
        candidates = self._candidates(version, found, unverified_public_key)
        fitting = [spki for spki in candidates if algorithm_of(spki) is key.algorithm]
        if not fitting:
            raise PairNotSuitable(reason=f"the pair is {kind_of(candidates[0])}, the key is {key.algorithm.value}")
        if not found.sign:
            raise PairNotSuitable(reason="the private key may not sign (CKA_SIGN is false)")
        warnings = tuple(_warnings(found))
        if warnings and self._strict:
            raise PairNotSuitable(reason="; ".join(warnings))
        return self._proved(key, version, found, fitting), warnings

    def _candidates(
        self, version: KeyVersion, found: TokenKey, unverified_public_key: bytes | None
    ) -> tuple[bytes, ...]:
        given = None if unverified_public_key is None else _given(unverified_public_key)
        if found.spki is not None:
            if given not in (None, found.spki):
                raise PairNotSuitable(reason="the token shows another public key than the given one")
            return (found.spki,)
        candidates = (given,) if given is not None else self._certified(version, found)
        if not candidates:
            raise PairNotSuitable(reason=HIDDEN)
        return candidates

    def _certified(self, version: KeyVersion, found: TokenKey) -> tuple[bytes, ...]:
        certificates: list[bytes] = []
        for token in version.home:
            with suppress(TokenError):  # the pair was found, so one that does not answer is another token
                certificates += self._tokens.certificates(token, found.key_id, timeout=self._timeout)
        return public_keys_in(certificates)

    def _proved(self, key: Key, version: KeyVersion, found: TokenKey, candidates: Iterable[bytes]) -> bytes:
        """The one that verifies what the private half signs."""
        mismatch: TokenError | None = None
        for spki in candidates:
            pin = PinnedKey(key_id=found.key_id, algorithm=key.algorithm, spki=spki)
            candidate = SigningKey(pin=pin, purpose=key.purpose, tokens=version.home)
            try:
                self._signer.sign_bytes(candidate, SelfCheck.ADOPTION)
            except (KeyHalvesDiffer, KeyMismatch, SignatureMismatch) as error:
                mismatch = error
            else:
                return spki
        raise PairNotSuitable(reason="the public key does not belong to the private half") from mismatch


def _given(unverified_pem: bytes) -> bytes:
    try:
        return public_key_in(unverified_pem)
    except ValueError as error:
        raise PairNotSuitable(reason="what was given is no public key or certificate in PEM") from error


def _warnings(found: TokenKey) -> Iterable[str]:
    if found.extractable:
        yield "the private key is extractable: whoever has the PIN can take a copy out of the token"
    if not found.sensitive:
        yield "the private key is not sensitive: the token shows it in plain text"
