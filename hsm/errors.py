"""Every way in which a token can refuse: a stable ``code`` and the facts as fields.

Rules of the tree:

1. No fact is ever a PIN, or anything derived from one.
2. ``retry_after`` is None where waiting does not help, else seconds until another attempt is worthwhile.
3. ``token`` is the configured name of the token, empty where none is concerned.
4. What the module returned travels as ``reason`` (the name of the PKCS#11 return value, or a fixed phrase), never
   as text that the module wrote.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar


@dataclass(eq=False, kw_only=True)
class TokenError(Exception):
    """Base of all refusals of this package."""

    code: ClassVar[str] = "token-error"
    final: ClassVar[bool] = False  # True: nothing is tried again until the configuration changes

    token: str = ""
    reason: str = ""
    retry_after: float | None = None

    @property
    def facts(self) -> dict[str, object]:
        """The fields that say something, by name."""
        return {item.name: value for item in fields(self) if (value := getattr(self, item.name)) not in ("", b"", None)}

    def __str__(self) -> str:
        return " ".join([self.code, *(f"{name}={value!r}" for name, value in self.facts.items())])


# --- the token as a whole --------------------------------------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class TokenUnavailable(TokenError):
    """No token could answer: it is gone, hangs, crashed or is being opened again."""

    code = "token-unavailable"


@dataclass(eq=False, kw_only=True)
class TokenBusy(TokenError):
    """The token has no session to spare, or another process keeps the opening lock."""

    code = "token-busy"


@dataclass(eq=False, kw_only=True)
class DeadlineExceeded(TokenError):
    """The caller's deadline passed before the token answered. ``timeout``: seconds that were allowed."""

    code = "token-deadline-exceeded"
    timeout: float = 0.0


@dataclass(eq=False, kw_only=True)
class PinRejected(TokenError):
    """The token refused the PIN, or refused it before and the PIN source has not changed since."""

    code = "token-pin-rejected"
    final = True


@dataclass(eq=False, kw_only=True)
class PinAtRisk(PinRejected):
    """One attempt is left before the token locks; it is left to a person."""

    code = "token-pin-at-risk"


@dataclass(eq=False, kw_only=True)
class PinLocked(TokenError):
    """The user PIN is locked; the security officer has to set it anew."""

    code = "token-pin-locked"
    final = True


@dataclass(eq=False, kw_only=True)
class TokenNotFound(TokenError):
    """No slot holds a token that matches the URI."""

    code = "token-not-found"


@dataclass(eq=False, kw_only=True)
class TokenAmbiguous(TokenError):
    """More than one token matches the URI; add the serial. ``count``: how many."""

    code = "token-ambiguous"
    count: int = 0


@dataclass(eq=False, kw_only=True)
class TokenFull(TokenError):
    """The token has no room for another object."""

    code = "token-full"


@dataclass(eq=False, kw_only=True)
class TokenStoreFailed(TokenError):
    """The token could not store or remove an object, and does not say why: its disk may be full or read-only."""

    code = "token-store-failed"


@dataclass(eq=False, kw_only=True)
class TokenReadOnly(TokenError):
    """The token is write-protected."""

    code = "token-read-only"


# --- keys ------------------------------------------------------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class KeyProblem(TokenError):
    """Base of what concerns one key. ``key_id``: its CKA_ID in hex; ``label``: its CKA_LABEL."""

    code = "token-key-problem"
    key_id: str = ""
    label: str = ""


@dataclass(eq=False, kw_only=True)
class KeyNotFound(KeyProblem):
    """No private key has this identifier or label."""

    code = "token-key-not-found"


@dataclass(eq=False, kw_only=True)
class KeyAmbiguous(KeyProblem):
    """Several objects have this identifier or label. ``count``: how many."""

    code = "token-key-ambiguous"
    count: int = 0


@dataclass(eq=False, kw_only=True)
class KeyExists(KeyProblem):
    """An object with this identifier or label is in the token already."""

    code = "token-key-exists"


@dataclass(eq=False, kw_only=True)
class KeyMismatch(KeyProblem):
    """The token holds another key under this identifier. Fingerprints: hex SHA-256 of the public keys."""

    code = "token-key-mismatch"
    expected: str = ""
    actual: str = ""


@dataclass(eq=False, kw_only=True)
class KeyHalvesDiffer(KeyProblem):
    """Private and public half under one identifier do not belong together."""

    code = "token-key-halves-differ"


@dataclass(eq=False, kw_only=True)
class SignatureMismatch(KeyProblem):
    """The token returned a signature that the pinned public key does not verify; it was dropped."""

    code = "token-signature-mismatch"


@dataclass(eq=False, kw_only=True)
class AlgorithmUnsupported(KeyProblem):
    """The token cannot do this with this kind of key. ``algorithm``: the one asked for."""

    code = "token-algorithm-unsupported"
    algorithm: str = ""


@dataclass(eq=False, kw_only=True)
class ImportUnsupported(KeyProblem):
    """The token takes no private key of this kind from outside. ``algorithm``: the kind."""

    code = "token-import-unsupported"
    algorithm: str = ""


# --- configuration ---------------------------------------------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class ConfigurationError(TokenError):
    """A setting cannot be used. ``setting``: which."""

    code = "token-configuration"
    setting: str = ""


@dataclass(eq=False, kw_only=True)
class ModuleMissing(TokenError):
    """The PKCS#11 module cannot be loaded. ``path``: where it was looked for."""

    code = "token-module-missing"
    path: str = ""


@dataclass(eq=False, kw_only=True)
class ExtraMissing(TokenError):
    """python-pkcs11 is not installed. ``command``: what installs it."""

    code = "token-extra-missing"
    command: str = "pip install 'artifact-signer[hsm]'"
