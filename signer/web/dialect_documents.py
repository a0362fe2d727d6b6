"""The documents of Vault's transit engine and of SignServer's workers: what their clients send, and are answered.

Vault takes numbers and booleans as texts too; what it would ignore is refused here, so that nothing is asked for that
is not done.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, NotRequired

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from signer.domain.requests import SigningRequest
from signer.domain.timestamps import Moment, rfc3339

MAX_BATCH = 64
Text = Annotated[str, Field(max_length=65536)]


class HeadDocument(TypedDict):
    """A head that is registered, until when a digest may name it."""

    key: str
    manifest_sha256: str
    artifact: str | None
    expires_at: Moment


def head_document(key: str, seen: SigningRequest, until: datetime) -> HeadDocument:
    """Of what was seen."""
    return {
        "key": key,
        "manifest_sha256": seen.manifest.sha256,
        "artifact": None if seen.header is None else seen.header.artifact_name,
        "expires_at": rfc3339(until),
    }


class _Vault(BaseModel):
    """As lax about types as Vault is, and closed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class VaultItem(_Vault):
    """One of ``batch_input``. ``reference`` comes back with what became of it."""

    input: Text
    reference: Text | None = None


class VaultBody(_Vault):
    """What both ask with. ``input``: a digest where ``prehashed``, else what is hashed first; in base64."""

    prehashed: bool = False
    marshaling_algorithm: Text = "asn1"
    hash_algorithm: Text | None = None
    algorithm: Text | None = Field(None, description="an older name of hash_algorithm")
    signature_algorithm: Text | None = None
    name: Text | None = Field(None, description="the key of the path once more, which some clients send")


class VaultSignBody(VaultBody):
    """``sign``. ``key_version`` 0: the active one."""

    input: Text | None = None
    batch_input: tuple[VaultItem, ...] | None = Field(None, min_length=1, max_length=MAX_BATCH)
    key_version: int = Field(0, ge=0, le=999_999_999)


class VaultVerifyBody(VaultBody):
    """``verify``."""

    input: Text
    signature: Text


class VaultPublicKey(TypedDict):
    """A version."""

    name: str
    public_key: str
    creation_time: str


class VaultKeyData(TypedDict):
    """A key, as clients read it; versions by their numbers."""

    name: str
    type: str
    latest_version: int
    min_available_version: int
    min_decryption_version: int
    min_encryption_version: int
    supports_signing: bool
    supports_encryption: bool
    supports_decryption: bool
    supports_derivation: bool
    derived: bool
    exportable: bool
    deletion_allowed: bool
    keys: dict[str, VaultPublicKey]


class VaultSigned(TypedDict):
    """A signature, or of an item what is wrong with it."""

    signature: NotRequired[str]
    key_version: NotRequired[int]
    reference: NotRequired[str]
    error: NotRequired[str]


class VaultBatch(TypedDict):
    """What became of each item, in order."""

    batch_results: list[VaultSigned]


class VaultVerified(TypedDict):
    """Whether the signature is one."""

    valid: bool


class _Envelope(TypedDict):
    request_id: str
    lease_id: str
    renewable: bool
    lease_duration: int
    wrap_info: None
    warnings: None
    auth: None


class VaultKeyAnswer(_Envelope):
    """``keys``."""

    data: VaultKeyData


class VaultSignAnswer(_Envelope):
    """``sign``."""

    data: VaultSigned | VaultBatch


class VaultVerifyAnswer(_Envelope):
    """``verify``."""

    data: VaultVerified


def vault_answer(request_id: str, data: Any) -> dict[str, Any]:
    """Data in the envelope of all of Vault's answers."""
    return {
        "request_id": request_id,
        "lease_id": "",
        "renewable": False,
        "lease_duration": 0,
        "data": data,
        "wrap_info": None,
        "warnings": None,
        "auth": None,
    }


class SignServerBody(BaseModel):
    """``process``. ``data``: a digest in base64, as ``metaData`` has to say."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    data: Text
    encoding: Text = "NONE"
    meta_data: Mapping[Text, Text] = Field(default_factory=dict, alias="metaData", max_length=16)


class SignServerAnswer(TypedDict):
    """A signature in base64, and the certificate of the version that made it, DER in base64."""

    data: str
    signerCertificate: str
    requestId: str
    metaData: dict[str, str]
