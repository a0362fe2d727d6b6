"""Signatures over digests, as OpenAPI has them: in the forms that clients of Vault and SignServer know."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from signer.web.dialect_documents import (
    SignServerAnswer,
    SignServerBody,
    VaultKeyAnswer,
    VaultSignAnswer,
    VaultSignBody,
    VaultVerifyAnswer,
    VaultVerifyBody,
)
from signer.web.openapi.operation import Operation, told
from signer.web.openapi.signing import REFUSALS

_BLIND = (*REFUSALS, "blind-sign-off", "dialect-value-invalid")
_SIGN = Operation(
    summary="Sign a digest, or each of a batch.",
    body=VaultSignBody,
    answers=told(VaultSignAnswer),
    refusals=(*_BLIND, "version-not-active"),
)
_VERIFY = Operation(
    summary="Whether a signature is one of the key's.",
    body=VaultVerifyBody,
    answers=told(VaultVerifyAnswer),
    refusals=("dialect-value-invalid",),
)

OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "vault_read_key": Operation(
            summary="The public keys of a key; the settings say what else `transit` may be named.",
            answers=told(VaultKeyAnswer),
            refusals=("no-active-version",),
        ),
        "vault_sign": _SIGN,
        "vault_sign_by": _SIGN,
        "vault_verify": _VERIFY,
        "vault_verify_by": _VERIFY,
        "signserver_process": Operation(
            summary="Sign a digest, and show the certificate of the version that did.",
            body=SignServerBody,
            answers=told(SignServerAnswer),
            refusals=(*_BLIND, "certificate-not-found"),
        ),
    }
)
