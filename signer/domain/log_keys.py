"""The keys of the log: which ones sign checkpoints, how readers know them, and the lines that their signatures make.

1. Each token holds a key of its own for the log, and any one of them signs: losing a token stops nothing.
2. While a key has a next version, that one signs beside the active one, so that readers may change over in their own
   time; where its token does not answer, the active one signs alone.
3. Readers know a key as name and bytes (C2SP signed-note): the name is the log's origin for all of them.
4. A signature is verified once, by the token layer with the pinned key, which the verifier key is made of. What a
   note holds has to be that very signature over those very bytes.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from hsm.algorithms import Algorithm
from signer.domain.keys import Key, KeyVersion, Purpose, VersionState
from signer.errors import CheckpointFileDamaged
from verifier.errors import NoteSignatureInvalid, OriginMismatch, VerificationError
from verifier.log import Checkpoint as CheckpointText
from verifier.log import NoteSignature, SignedNote, VerifierKey, open_checkpoint

FIRST_KEY = "log"
# Best first: what every reader of such logs verifies, then what every token offers.
ALGORITHMS = (Algorithm.ED25519, Algorithm.ECDSA_P256)
_SCALAR_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class LogKey:
    """A version that signs checkpoints, and what its signatures are verified with."""

    key: Key
    version: KeyVersion
    verifier: VerifierKey


def log_key_name(token: str, *, first: bool) -> str:
    """What the log's key in a token is named."""
    return FIRST_KEY if first else f"{FIRST_KEY}-{token}"


def log_verifier_keys(keys: Iterable[Key], origin: str) -> tuple[VerifierKey, ...]:
    """All that checkpoints of the log may be verified with now, in the order in which the keys are asked."""
    return tuple(
        verifier_key(version.spki, origin)
        for key in _log_keys(keys)
        for version in key.trusted
        if version.spki is not None
    )


def checkpoint_keys(keys: Iterable[Key], origin: str) -> tuple[tuple[LogKey, ...], ...]:
    """Who may sign a checkpoint: any one of the groups does, and it does with all of its members.

    A group is the active version of a key, with the next one after it where there is one.
    """
    groups = [
        tuple(
            LogKey(key=key, version=version, verifier=verifier_key(version.spki, origin))
            for version in (key.active, key.in_state(VersionState.NEXT))
            if version is not None and version.spki is not None
        )
        for key in _log_keys(keys)
        if key.active is not None
    ]
    return tuple(group for group in groups if group)


def known_origin(unverified_note: bytes, keys: Iterable[Key], *, path: Path) -> str:
    """The origin of a checkpoint that a key on record signed, whatever has become of that key since.

    Raises ``CheckpointFileDamaged``: whoever can write the file cannot make a checkpoint.
    """
    try:
        origin = CheckpointText.parse(SignedNote.parse(unverified_note).text).origin
        every = [
            verifier_key(version.spki, origin)
            for key in _log_keys(keys)
            for version in key.versions
            if version.spki is not None
        ]
        return open_checkpoint(unverified_note, every).checkpoint.origin
    except VerificationError:
        raise CheckpointFileDamaged(path=str(path), problem="is signed by no key of the log") from None


def verifier_key(spki: bytes, origin: str) -> VerifierKey:
    """A public key (DER SubjectPublicKeyInfo, Ed25519 or P-256) as readers of the log know it."""
    encoded = base64.encodebytes(spki)
    return VerifierKey.from_pem(b"-----BEGIN PUBLIC KEY-----\n" + encoded + b"-----END PUBLIC KEY-----\n", name=origin)


Signatures = Sequence[tuple[LogKey, bytes]]
"""Each as the token layer gives it: verified with the pinned key of its version."""


def signed_note(text: str, signatures: Signatures) -> bytes:
    """A note with a line for each signature."""
    lines = "".join(f"{_signed(key, signature)}\n" for key, signature in signatures)
    return f"{text}\n{lines}".encode()


def opened_as_signed(note: bytes, text: str, signatures: Signatures) -> CheckpointText:
    """The checkpoint that a reader finds in ``note``, where it is the one of ``text``, by these ``signatures`` alone.

    Raises a ``verifier.errors.LogError``, as ``open_checkpoint`` does with the keys, which verifies no less.
    """
    found = SignedNote.parse(note)
    expected = tuple(_signed(key, signature) for key, signature in signatures)
    if found.text != text or found.unverified_signatures != expected:
        first = signatures[0][0].verifier
        raise NoteSignatureInvalid(key=f"{first.name}+{first.id.hex()}")
    checkpoint = CheckpointText.parse(found.text)
    for key, _ in signatures:
        if checkpoint.origin != key.verifier.name:
            raise OriginMismatch(expected=key.verifier.name, actual=checkpoint.origin)
    return checkpoint


def _signed(key: LogKey, signature: bytes) -> NoteSignature:
    payload = signature
    if key.key.algorithm is Algorithm.ECDSA_P256:
        # Notes hold DER (type 0x02), the token layer gives r and s.
        r, s = signature[:_SCALAR_BYTES], signature[_SCALAR_BYTES:]
        payload = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
    return NoteSignature(name=key.verifier.name, id=key.verifier.id, payload=payload)


def _log_keys(keys: Iterable[Key]) -> list[Key]:
    """The keys of the log, the first one first."""
    mine = [key for key in keys if key.purpose is Purpose.LOG and key.algorithm in ALGORITHMS]
    return sorted(mine, key=lambda key: (key.name != FIRST_KEY, key.name))
