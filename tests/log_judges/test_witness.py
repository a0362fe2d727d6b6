"""A witness as others see it: published vectors, and a verifier of cosignatures that is not ours."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tlog_scales.signing import Vkey
from tlog_scales.tlog import Checkpoint as TheirCheckpoint

from signer.witness.asking import cosigned_note, request_body
from signer.witness.keys import WitnessKey
from tests.support.made_logs import MadeLog, NoteKey, note, request
from tests.support.witnesses import running_witness
from tests.verifier.log.trees import LEAVES
from verifier.log import VerifierKey

# Of log and witness; published with the formats, and good for nothing else.
LOG_SEED, WITNESS_SEED = bytes(range(0x20)), bytes(range(0x20, 0x40))
LOG_VKEY = "signer.example/log+6eff6d5e+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
SECONDS = 1767225600
COSIGNATURE = (
    "\u2014 witness.example/w1 "
    "IDJKvgAAAABpVbkA3HASG0Q+BDOpqtBdZEqtvu3/lHXon58Y5nPUco45Lb5LH11uiU06OOz1gN3HSNIEEzA0PIJL1cKEQkwCbaqQCw=="
)
CHECKPOINT_SHA256 = "a11231df6b4cd0b4038df7cf3b505852c8fed9c973af95de9fcb17465b49ca99"
REQUEST_SHA256 = "9fc4b02bddae08f2a9ce5147ae7d37da2492ffc83785aef3ea5ab87592272616"
LOG = MadeLog(
    leaves=LEAVES,
    keys=(NoteKey(verifier=VerifierKey.parse(LOG_VKEY), private=Ed25519PrivateKey.from_private_bytes(LOG_SEED)),),
)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_request_and_a_cosignature_are_those_that_are_published() -> None:
    checkpoint = LOG.checkpoint(8)
    assert sha256(checkpoint) == CHECKPOINT_SHA256
    assert sha256(request_body(checkpoint, old_size=6, path=LOG.proof(6, 8))) == REQUEST_SHA256
    line = WitnessKey._of("witness.example/w1", WITNESS_SEED).cosignature(str(LOG.head(8)), SECONDS)
    assert str(line) == COSIGNATURE
    assert cosigned_note(checkpoint, [line]) == checkpoint + f"{COSIGNATURE}\n".encode()


def test_cosignatures_are_verified_by_another_library(tmp_path: Path) -> None:
    log = MadeLog.of(257)
    with running_witness(tmp_path, log.keys[0].verifier) as running:
        held = 0
        for size in (0, 1, 2, 255, 256, 257):
            status, lines = running.add(request(held, log.proof(held, size), log.checkpoint(size)))
            assert status == 200
            signed = note(str(log.head(size)), log.keys[0].line(str(log.head(size))), lines.decode().strip())
            checkpoint = TheirCheckpoint.from_text(signed.decode())
            checkpoint.verify(Vkey.from_string(str(running.key)))
            held = size
            with pytest.raises(Exception, match=r"."):
                checkpoint.verify(Vkey.from_string(str(NoteKey.ed25519(9).verifier)))
