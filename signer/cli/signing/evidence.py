"""What is demanded before anything is written: a signature that verifies, and the proof of its record where wanted."""

from __future__ import annotations

import os
from functools import partial

from signer.answers import SignedBy, not_the_service
from signer.cli.output import note
from signer.cli.signing.order import Order
from signer.client import Client, Signature
from signer.kept_checkpoints import KeptCheckpoints, kept_below, patient
from signer.proof_check import MadeSignature, require_recorded, unproved
from signer.signature_check import require_signature, trust_in
from signer.witnessed_proof import witnessed_proof
from verifier import Manifest, TrustStore
from verifier.errors import LogError
from verifier.log import LogProof


class Evidence:
    """Asks for what is to be looked at, each public key and each checkpoint once."""

    def __init__(self, client: Client, order: Order) -> None:
        self._client = client
        self._order = order
        self._trusted: dict[SignedBy, TrustStore] = {}
        self._continued: set[bytes] = set()

    def trust(self, by: SignedBy) -> TrustStore:
        """The public key of the version that is said to have signed; raises ``ClientError``."""
        if by not in self._trusted:
            self._trusted[by] = trust_in(self._client.public_key(self._order.key, by.version), by)
        return self._trusted[by]

    def of_signature(self, manifest: Manifest, signature: Signature) -> bytes | None:
        """Its proof, where one is demanded; raises ``ClientError`` where signature or proof do not hold."""
        require_signature(manifest, signature.encoded, self.trust(signature.by))
        if not self._order.demands_proof:
            return None
        made = MadeSignature(manifest=manifest, encoded=signature.encoded, key=signature.by)
        if self._order.awaits_witnesses:
            proof = self.proof(made)
        elif signature.proof is None:
            raise not_the_service("JSON without 'proof'")
        else:
            proof = signature.proof
        self.require(made, proof)
        return proof

    def proof(self, made: MadeSignature) -> bytes:
        """As the service has it now, or where witnesses are demanded as soon as they have signed."""
        order = self._order
        ask = partial(self._client.proof, order.key, made.key.version, made.manifest.sha256)
        if order.trust is None or not order.awaits_witnesses:
            return ask()
        try:
            return witnessed_proof(lambda: ask(witnessed=True), order.trust, patience=order.witness_wait)
        except LogError as error:
            raise unproved(error) from error

    def require(self, made: MadeSignature, proof: bytes) -> int:
        """The index of the leaf; raises ``ClientError`` where the proof does not show the signature on record."""
        order = self._order
        index = require_recorded(proof, made, order.trust, allow_emergency=order.emergency is not None)
        if order.trust is not None:
            self._require_history(LogProof.parse(proof).checkpoint)
        return index

    def _require_history(self, checkpoint: bytes) -> None:
        """The log is the one that was seen before; only a checkpoint that its key signed says anything of that."""
        if checkpoint in self._continued:
            return
        try:
            kept = KeptCheckpoints(kept_below(os.environ))
            kept.require(checkpoint, patient(self._client.consistency))
        except (OSError, RuntimeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "there is no home directory"
            note(f"the log's checkpoint is not kept: {(reason or 'it cannot be written').lower()}")
        self._continued.add(checkpoint)
