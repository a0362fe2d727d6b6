"""Vault's transit engine, as its clients speak it: public keys, signatures over digests, and their verification."""

from __future__ import annotations

from signer.application import Application
from signer.domain.dialects import Dialect, read_vault_signature, vault_signature, verifies
from signer.domain.identity import Identity
from signer.domain.keys import Key, KeyVersion, Purpose, VersionState
from signer.domain.publication import public_key_pem
from signer.domain.requests import Signature
from signer.domain.timestamps import rfc3339
from signer.errors import CredentialsMissing, KeyNotFound, NoActiveVersion
from signer.errors.blind import DialectValueInvalid
from signer.services.digest_signing import DigestOrder
from signer.services.signing_calls import Result
from signer.web.dialect_documents import VaultKeyData, VaultSignBody, VaultSigned, VaultVerifyBody, vault_answer
from signer.web.front.messages import Answer, Request, json_answer
from signer.web.front.metrics import Metrics
from signer.web.parsing import parsed
from signer.web.problems import problem_of
from signer.web.vault_orders import SignOrder, checked_scheme, digest_of, sign_order

# Those that a client may verify with now; what is only prepared is not told as something that signs.
TOLD = frozenset({VersionState.ACTIVE, VersionState.PREVIOUS, VersionState.QUARANTINED})
SIGNATURE_FORM = "vault:vN:SIGNATURE, as it was answered"


class VaultHandlers:
    """``keys``, ``sign`` and ``verify``."""

    def __init__(self, application: Application, *, metrics: Metrics) -> None:
        self._application = application
        self._digests = application.digests.signing
        self._metrics = metrics

    async def read_key(self, request: Request, name: str) -> Answer:
        """The public keys of a key."""
        key = await self._artifact_key(name)
        active = key.active
        if active is None:
            raise NoActiveVersion(key=name)
        data: VaultKeyData = {
            "name": key.name,
            "type": key.algorithm.value,
            "latest_version": active.number,
            "min_available_version": 0,
            "min_decryption_version": 1,
            "min_encryption_version": 0,
            "supports_signing": True,
            "supports_encryption": False,
            "supports_decryption": False,
            "supports_derivation": False,
            "derived": False,
            "exportable": False,
            "deletion_allowed": False,
            "keys": {
                str(version.number): {
                    "name": key.algorithm.value,
                    "public_key": public_key_pem(version.spki).decode("ascii"),
                    "creation_time": rfc3339(version.created_at),
                }
                for version in _told(key)
                if version.spki is not None
            },
        }
        return json_answer(vault_answer(request.request_id, data))

    async def sign(self, request: Request, name: str, path_hash: str | None = None) -> Answer:
        """A signature over a digest, or one for each of a batch."""
        identity = _caller(request)
        revision = await self._digests.authorise(identity, name)
        body = parsed(VaultSignBody, await request.body.whole(self._application.limits.json))
        key = await self._digests.key(name)
        order = sign_order(body, key, path_hash)
        outcomes = await self._digests.sign(
            DigestOrder(
                identity=identity,
                key=name,
                digests=order.digests,
                dialect=Dialect.VAULT.value,
                access_revision=revision,
                request_id=request.request_id,
                version=order.version,
            )
        )
        for seen, result in outcomes:
            if isinstance(result, Signature):
                self._metrics.signed(name, seen)
        results = [result for _, result in outcomes]
        if not order.batch:
            (only,) = results
            if isinstance(only, Exception):
                raise only
            return json_answer(vault_answer(request.request_id, _signed(key, order, only)))
        self._count_refused(results)
        items = [
            _item(key, order, result, reference) for result, reference in zip(results, order.references, strict=True)
        ]
        return json_answer(vault_answer(request.request_id, {"batch_results": items}))

    async def verify(self, request: Request, name: str, path_hash: str | None = None) -> Answer:
        """Whether a signature is one of the key's."""
        body = parsed(VaultVerifyBody, await request.body.whole(self._application.limits.json))
        key = await self._artifact_key(name)
        marshaling = checked_scheme(body, key, path_hash)
        digest = digest_of(body.input, prehashed=body.prehashed)
        shown = read_vault_signature(body.signature, key.algorithm, marshaling)
        if shown is None:
            raise DialectValueInvalid(parameter="signature", allowed=(SIGNATURE_FORM,))
        known = next((version for version in _told(key) if version.number == shown.version), None)
        valid = known is not None and known.spki is not None and verifies(known.spki, digest, shown.raw)
        return json_answer(vault_answer(request.request_id, {"valid": valid}))

    def _count_refused(self, results: list[Result]) -> None:
        for result in results:
            if isinstance(result, Exception):
                self._metrics.item_refused(problem_of(result).code, 1)

    async def _artifact_key(self, name: str) -> Key:
        key = await self._digests.key(name)
        if key.purpose is not Purpose.ARTIFACT:
            # Nothing is signed with it that these clients could ask for.
            raise KeyNotFound(key=name)
        return key


def _caller(request: Request) -> Identity:
    if request.identity is None:
        raise CredentialsMissing
    return request.identity


def _told(key: Key) -> tuple[KeyVersion, ...]:
    return tuple(version for version in key.versions if version.state in TOLD)


def _signed(key: Key, order: SignOrder, signature: Signature) -> VaultSigned:
    text = vault_signature(key.algorithm, signature.version, signature.raw, order.marshaling)
    return {"signature": text, "key_version": signature.version}


def _item(key: Key, order: SignOrder, result: Result, reference: str | None) -> VaultSigned:
    item: VaultSigned = {} if reference is None else {"reference": reference}
    if isinstance(result, Signature):
        return {**item, **_signed(key, order, result)}
    problem = problem_of(result)
    return {**item, "error": f"{problem.detail} ({problem.code})"}
