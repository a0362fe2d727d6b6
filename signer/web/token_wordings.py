"""How failures of PKCS#11 tokens are told."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from hsm import errors as hsm_errors
from signer.web.wording import Wording

TOKEN_WORDINGS: Mapping[type[Exception], Wording] = MappingProxyType(
    {
        hsm_errors.KeyNotFound: Wording(
            status=503,
            detail="the token no longer holds the key pair",
            hint="restore the pair from the backup of the token, or rotate to another version",
        ),
        hsm_errors.KeyExists: Wording(status=409, detail="the token holds such a pair already"),
        hsm_errors.KeyAmbiguous: Wording(
            status=409,
            detail="the token holds more than one such pair",
            hint="name the pair by its CKA_ID (--cka-id) instead of its label; where pairs share one, the tools of the "
            "token's maker have to give each its own",
        ),
        hsm_errors.KeyHalvesDiffer: Wording(status=409, detail="the two halves of the pair do not belong together"),
        hsm_errors.AlgorithmUnsupported: Wording(status=409, detail="the token does not offer this algorithm"),
        hsm_errors.ImportUnsupported: Wording(
            status=409,
            detail="the token takes no private key from outside",
            hint="import it with the tools of the token's maker, then keys adopt; or into another token, with --token",
        ),
        hsm_errors.TokenFull: Wording(status=507, detail="the token has no room for another key pair"),
        hsm_errors.TokenStoreFailed: Wording(
            status=507,
            detail="the token could not store the change",
            hint="an operator has to look whether the disk of the token's store is full or read-only",
        ),
        hsm_errors.TokenReadOnly: Wording(status=409, detail="the token is write-protected"),
        hsm_errors.KeyMismatch: Wording(
            status=503,
            detail="the token holds another key pair in place of the recorded one",
            hint="find out who changed the token; restore the pair from its backup",
        ),
        hsm_errors.SignatureMismatch: Wording(
            status=503,
            detail="the token made a signature that the recorded public key does not verify; it was dropped",
            hint="find out who changed the token; restore the pair from its backup",
        ),
        hsm_errors.PinRejected: Wording(
            status=503,
            detail="the token refused the PIN, it is not tried again",
            hint="an operator has to correct the PIN's file; the service notices by itself",
        ),
        hsm_errors.PinAtRisk: Wording(
            status=503,
            detail="one attempt at the PIN is left before the token locks, the service does not take it",
            hint="an operator has to log in to the token with the right PIN once",
        ),
        hsm_errors.PinLocked: Wording(
            status=503, detail="the token has locked its PIN", hint="an operator has to unlock the token"
        ),
        hsm_errors.ModuleMissing: Wording(
            status=503,
            detail="the PKCS#11 module cannot be loaded",
            hint="artifact-signer doctor says where it was sought",
        ),
        hsm_errors.ExtraMissing: Wording(
            status=503, detail="python-pkcs11 is not installed", hint="pip install 'artifact-signer[hsm]'"
        ),
        hsm_errors.TokenNotFound: Wording(
            status=503,
            detail="the module lists no token that the configured URI describes",
            hint="artifact-signer tokens lists those that are there",
        ),
        hsm_errors.TokenAmbiguous: Wording(
            status=503,
            detail="more than one token fits the configured URI",
            hint="add the serial to the URI; artifact-signer tokens lists it",
        ),
        hsm_errors.ConfigurationError: Wording(
            status=503, detail="a setting of the token cannot be used", hint="artifact-signer doctor says which"
        ),
        hsm_errors.TokenUnavailable: Wording(
            status=503, transient=True, detail="the token does not answer, it is being opened again", hint="try again"
        ),
        hsm_errors.TokenBusy: Wording(status=503, transient=True, detail="the token is busy", hint="try again"),
        hsm_errors.DeadlineExceeded: Wording(
            status=503, transient=True, detail="the token did not answer in time", hint="try again"
        ),
        hsm_errors.TokenError: Wording(status=503, detail="the token failed", hint="the service's log says how"),
    }
)
