"""Tokens in memory: real keys and signatures, the refusals of the token layer, and failures on request.

It answers as ``hsm.TokenPool`` does, with the errors of ``hsm.errors``. What a test wants to go wrong is said by verb
and token: ``with tokens.failing("destroy", TokenUnavailable(token="two")): …``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from hsm.algorithms import Algorithm
from hsm.errors import (
    AlgorithmUnsupported,
    ImportUnsupported,
    KeyAmbiguous,
    KeyExists,
    KeyHalvesDiffer,
    KeyMismatch,
    KeyNotFound,
    SignatureMismatch,
    TokenBusy,
    TokenError,
    TokenNotFound,
    TokenUnavailable,
)
from hsm.errors import DeadlineExceeded as Late
from hsm.types import KeyMaterial, PinnedKey, TokenDescription, TokenHealth, TokenKey, TokenState

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
Snapshot = tuple[tuple[str, bytes, str, bytes], ...]
CANNOT_BE_ASKED = (TokenUnavailable, TokenBusy, Late)
COORDINATE = 32


def make_key(algorithm: Algorithm) -> PrivateKey:
    """A new private key."""
    if algorithm.modulus_bits is not None:
        return rsa.generate_private_key(65537, algorithm.modulus_bits)
    if algorithm is Algorithm.ED25519:
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP256R1())


def spki_of(key: PrivateKey) -> bytes:
    """DER SubjectPublicKeyInfo of the public half."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What a token holds under one CKA_ID. ``spki``: of the public half, which need not fit; None: there is none."""

    key_id: bytes
    label: str
    private: PrivateKey | None
    spki: bytes | None
    extractable: bool = False
    sensitive: bool = True
    sign: bool = True
    local: bool = True
    certificates: tuple[bytes, ...] = ()

    def shown(self) -> TokenKey:
        """The pair as a search shows it."""
        spki = self.spki
        return TokenKey(
            key_id=self.key_id,
            label=self.label,
            algorithm=None if spki is None else algorithm_of(spki),
            spki=spki,
            extractable=self.extractable,
            sensitive=self.sensitive,
            always_sensitive=self.sensitive and self.local,
            local=self.local,
            sign=self.sign and self.private is not None,
            has_private=self.private is not None,
            has_public=spki is not None,
        )


def algorithm_of(spki: bytes) -> Algorithm | None:
    """The algorithm of a public key; None for those that are not used here."""
    match load_der_public_key(spki):
        case ec.EllipticCurvePublicKey(curve=ec.SECP256R1()):
            return Algorithm.ECDSA_P256
        case rsa.RSAPublicKey(key_size=bits):
            return next((item for item in Algorithm if item.modulus_bits == bits), None)
        case ed25519.Ed25519PublicKey():
            return Algorithm.ED25519
    return None


class MemoryTokens:
    """``signer.services.ports.TokenAccess`` in memory. ``without``: what no token offers."""

    def __init__(self, *names: str, without: frozenset[Algorithm] = frozenset()) -> None:
        self.names = names or ("one",)
        self._without = without
        self._pairs: dict[str, list[Pair]] = {name: [] for name in self.names}
        self._before: list[tuple[str | None, str | None, Callable[[], None]]] = []
        self._after: list[tuple[str | None, str | None, Callable[[], None]]] = []
        self._lock = threading.Lock()

    # --- what tests do to it -----------------------------------------------------------------------------------

    def pairs(self, token: str = "one") -> tuple[Pair, ...]:
        """What the token holds."""
        return tuple(self._pairs[token])

    def put(self, pair: Pair, *, token: str = "one") -> Pair:
        """Place a pair into a token, as other software would."""
        self._pairs[token].append(pair)
        return pair

    def remove(self, key_id: bytes, *, token: str = "one") -> None:
        """Take away what the token holds under a CKA_ID."""
        self._pairs[token] = [pair for pair in self._pairs[token] if pair.key_id != key_id]

    def substitute(self, key_id: bytes, *, token: str = "one", **changes: object) -> None:
        """Change a pair in its place; without ``changes``, put another key there."""
        for position, pair in enumerate(self._pairs[token]):
            if pair.key_id == key_id:
                other = make_key(Algorithm.ECDSA_P256)
                self._pairs[token][position] = replace(
                    pair,
                    **(changes or {"private": other, "spki": spki_of(other)}),  # type: ignore[arg-type]
                )

    def copy(self, key_id: bytes, *, source: str = "one", target: str) -> None:
        """Bring a pair into another token, as an operator does with the token's own tools."""
        self._pairs[target] += [pair for pair in self._pairs[source] if pair.key_id == key_id]

    @contextmanager
    def failing(self, verb: str | None, error: TokenError, *, after: bool = False) -> Iterator[None]:
        """The verb (None: every verb) fails on ``error.token`` (empty: on every token).

        ``after``: it is done all the same, only the answer is lost.
        """

        def fail() -> None:
            raise error

        with self.at(verb, fail, token=error.token or None, after=after):
            yield

    @contextmanager
    def at(
        self, verb: str | None, action: Callable[[], None], *, token: str | None = None, after: bool = False
    ) -> Iterator[None]:
        """Run ``action`` before (or after) each call of the verb on the token."""
        hook = (verb, token, action)
        hooks = self._after if after else self._before
        hooks.append(hook)
        try:
            yield
        finally:
            hooks.remove(hook)

    def snapshot(self) -> Snapshot:
        """The pairs in a form that goes to another process."""
        return tuple(
            (token, pair.key_id, pair.label, _private_der(pair.private))
            for token, pairs in self._pairs.items()
            for pair in pairs
            if pair.private is not None
        )

    @classmethod
    def restored(cls, names: Sequence[str], snapshot: Snapshot) -> MemoryTokens:
        """The same tokens elsewhere."""
        tokens = cls(*names)
        for token, key_id, label, der in snapshot:
            key = load_der_private_key(der, None)
            assert isinstance(key, PrivateKey)
            tokens.put(Pair(key_id=key_id, label=label, private=key, spki=spki_of(key)), token=token)
        return tokens

    # --- the port ----------------------------------------------------------------------------------------------

    def generate(
        self, algorithm: Algorithm, *, key_id: bytes, label: str, token: str, timeout: float | None = None
    ) -> bytes:
        """A new pair."""
        with self._asked("generate", token) as pairs:
            if algorithm in self._without:
                raise AlgorithmUnsupported(token=token, algorithm=algorithm)
            if any(pair.key_id == key_id or pair.label == label for pair in pairs):
                raise KeyExists(token=token, key_id=key_id.hex(), label=label)
            private = make_key(algorithm)
            pair = Pair(key_id=key_id, label=label, private=private, spki=spki_of(private))
            pairs.append(pair)
        return spki_of(private)

    def import_pair(self, pair: KeyMaterial, *, key_id: bytes, label: str, token: str, timeout: float) -> None:
        """A pair from outside."""
        with self._asked("import_pair", token) as pairs:
            if pair.algorithm in self._without:
                raise ImportUnsupported(token=token, algorithm=pair.algorithm)
            if any(each.key_id == key_id or each.label == label for each in pairs):
                raise KeyExists(token=token, key_id=key_id.hex(), label=label)
            private = load_der_private_key(pair.private, None)
            assert isinstance(private, PrivateKey)
            pairs.append(Pair(key_id=key_id, label=label, private=private, spki=pair.spki))

    def sign(
        self, key: PinnedKey, message: bytes, *, tokens: Sequence[str] | None = None, timeout: float | None = None
    ) -> bytes:
        """A verified signature by the first token that holds the key."""
        return self._made(key, message, tokens, prehashed=False)

    def sign_digest(
        self, key: PinnedKey, digest: bytes, *, tokens: Sequence[str] | None = None, timeout: float | None = None
    ) -> bytes:
        """The same over a digest."""
        return self._made(key, digest, tokens, prehashed=True)

    def _made(self, key: PinnedKey, message: bytes, tokens: Sequence[str] | None, *, prehashed: bool) -> bytes:
        chosen = [name for name in (self.names if tokens is None else tokens) if name in self.names]
        if not chosen:
            raise TokenNotFound(token=", ".join(tokens or ()), reason="not configured")
        failed: list[TokenError] = []
        for name in chosen:
            try:
                with self._asked("sign", name) as pairs:
                    return _verified(key, _private(pairs, key, name), message, name, prehashed=prehashed)
            except (KeyNotFound, AlgorithmUnsupported, *CANNOT_BE_ASKED) as error:
                failed.append(error)
        raise next((error for error in failed if isinstance(error, CANNOT_BE_ASKED)), failed[0])

    def find_key(
        self, token: str, *, key_id: bytes | None = None, label: str | None = None, timeout: float | None = None
    ) -> TokenKey:
        """Exactly one pair."""
        with self._asked("find_key", token) as pairs:
            found = [pair for pair in pairs if key_id in (None, pair.key_id) and label in (None, pair.label)]
        identity = (key_id or b"").hex()
        if not found:
            raise KeyNotFound(token=token, key_id=identity, label=label or "")
        if len(found) > 1:
            raise KeyAmbiguous(token=token, key_id=identity, label=label or "", count=len(found))
        (pair,) = found
        if pair.private is not None and pair.spki is not None and pair.sign and pair.spki != spki_of(pair.private):
            raise KeyHalvesDiffer(token=token, key_id=pair.key_id.hex())
        return pair.shown()

    def find_keys(self, token: str, *, timeout: float | None = None) -> tuple[TokenKey, ...]:
        """All pairs."""
        with self._asked("find_keys", token) as pairs:
            return tuple(pair.shown() for pair in pairs)

    def certificates(self, token: str, key_id: bytes, *, timeout: float | None = None) -> tuple[bytes, ...]:
        """The certificates beside a pair, DER."""
        with self._asked("certificates", token) as pairs:
            return tuple(found for pair in pairs if pair.key_id == key_id for found in pair.certificates)

    def has_key(self, token: str, key: PinnedKey, *, timeout: float | None = None) -> bool | None:
        """Whether the token holds this very pair; None where it cannot be asked."""
        try:
            with self._asked("has_key", token) as pairs:
                _private(pairs, key, token)
        except KeyNotFound:
            return False
        except CANNOT_BE_ASKED:
            return None
        return True

    def destroy(self, token: str, key_id: bytes, *, timeout: float | None = None) -> None:
        """Remove both halves."""
        with self._asked("destroy", token) as pairs:
            if not any(pair.key_id == key_id for pair in pairs):
                raise KeyNotFound(token=token, key_id=key_id.hex())
            pairs[:] = [pair for pair in pairs if pair.key_id != key_id]

    def describe(self, token: str, *, timeout: float | None = None) -> TokenDescription:
        """A token with nothing remarkable about it."""
        with self._asked("describe", token):
            return TokenDescription(
                slot_id=self.names.index(token),
                slot_description="memory",
                label=token,
                serial=f"{self.names.index(token):016d}",
                model="memory",
                manufacturer="tests",
                library_description="memory",
                library_version=(1, 0),
                cryptoki_version=(2, 40),
                initialized=True,
                login_required=True,
                user_pin_initialized=True,
                user_pin_count_low=False,
                user_pin_final_try=False,
                user_pin_locked=False,
                write_protected=False,
                free_memory=None,
                total_memory=None,
                sessions=None,
                max_sessions=None,
                mechanisms=("ECDSA", "RSA_PKCS"),
            )

    def health(self) -> tuple[TokenHealth, ...]:
        """Every token is ready: what fails is found out by asking."""
        return tuple(
            TokenHealth(
                name=name, state=TokenState.READY, since=0.0, last_error=None, restarts=0, pid=None, retry_after=None
            )
            for name in self.names
        )

    @contextmanager
    def _asked(self, verb: str, token: str) -> Iterator[list[Pair]]:
        if token not in self._pairs:
            raise TokenNotFound(token=token, reason="not configured")
        _run(self._before, verb, token)
        with self._lock:
            yield self._pairs[token]
        _run(self._after, verb, token)


def _run(hooks: list[tuple[str | None, str | None, Callable[[], None]]], verb: str, token: str) -> None:
    for wanted_verb, wanted_token, action in list(hooks):
        if wanted_verb in (None, verb) and wanted_token in (None, token):
            action()


def _private(pairs: list[Pair], key: PinnedKey, token: str) -> PrivateKey:
    found = [pair for pair in pairs if pair.key_id == key.key_id]
    if not found or found[0].private is None:
        raise KeyNotFound(token=token, key_id=key.key_id.hex())
    pair = found[0]
    if pair.spki is not None and pair.spki != key.spki:
        raise KeyMismatch(token=token, key_id=key.key_id.hex(), expected=key.fingerprint)
    if not pair.sign:
        raise AlgorithmUnsupported(token=token, key_id=key.key_id.hex(), reason="CKA_SIGN is false")
    assert pair.private is not None
    return pair.private


def raw_signature(private: PrivateKey, message: bytes) -> bytes:
    """A signature in the token layer's form."""
    pin = PinnedKey(
        key_id=b"1", algorithm=algorithm_of(spki_of(private)) or Algorithm.ECDSA_P256, spki=spki_of(private)
    )
    return _verified(pin, private, message, "", prehashed=False)


def _verified(key: PinnedKey, private: PrivateKey, message: bytes, token: str, *, prehashed: bool) -> bytes:
    """A signature in the token layer's form, which the pinned public key verifies."""
    public = load_der_public_key(key.spki)
    hashing = Prehashed(hashes.SHA256()) if prehashed else hashes.SHA256()
    try:
        match private, public:
            case ec.EllipticCurvePrivateKey(), ec.EllipticCurvePublicKey():
                der = private.sign(message, ec.ECDSA(hashing))
                public.verify(der, message, ec.ECDSA(hashing))
                return b"".join(number.to_bytes(COORDINATE, "big") for number in decode_dss_signature(der))
            case rsa.RSAPrivateKey(), rsa.RSAPublicKey():
                raw = private.sign(message, padding.PKCS1v15(), hashing)
                public.verify(raw, message, padding.PKCS1v15(), hashing)
                return raw
            case ed25519.Ed25519PrivateKey(), ed25519.Ed25519PublicKey():
                raw = private.sign(message)
                public.verify(raw, message)
                return raw
    except InvalidSignature:
        pass
    raise SignatureMismatch(token=token, key_id=key.key_id.hex())


def verify(spki: bytes, signature: bytes, message: bytes) -> None:
    """Raises ``InvalidSignature`` unless a P-256 signature (r and s, 32 bytes each) is over ``message``."""
    public = load_der_public_key(spki)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    r, s = (int.from_bytes(part, "big") for part in (signature[:COORDINATE], signature[COORDINATE:]))
    public.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))


def _private_der(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
