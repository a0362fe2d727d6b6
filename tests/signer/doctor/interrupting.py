"""Takes a step in the life of a key and is killed at a given moment: a crash, for tests of repairs.

``python -m tests.signer.doctor.interrupting DIRECTORY STEP WHEN``: the process ends by SIGKILL before or after the
token's part of the step, so the database never hears how that went.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from hsm import Algorithm, TokenPool
from signer.bootstrap import build_key_imports
from signer.domain.keys import UNBOUNDED
from signer.services.key_imports import ImportRequest
from signer.services.key_pairs import KeyPairSelector
from signer.services.lifecycle import NewKeyRequest
from tests.signer.doctor.patient import ADMIN, KEY, Patient
from tests.support.house import House
from tests.support.key_files import key_material

NEW_KEY = "interrupted"
# The verb of the token that the crash happens at, by step.
VERBS = {"create": "generate", "prepare": "generate", "adopt": "sign", "destroy": "destroy", "import": "import_pair"}


class Crashing:
    """The tokens, of which one verb kills the process ``before`` or ``after`` it is done."""

    def __init__(self, pool: TokenPool, verb: str, when: str) -> None:
        self._pool = pool
        self._verb = verb
        self._moment = when

    def __getattr__(self, name: str) -> Any:
        if name != self._verb:
            return getattr(self._pool, name)
        return self._crash

    def _crash(self, *arguments: Any, **options: Any) -> None:
        if self._moment == "after":
            getattr(self._pool, self._verb)(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)


def take(patient: Patient, service: House, step: str) -> None:
    """One step, as a person asks for it."""
    lifecycle = service.lifecycle
    request = NewKeyRequest(unverified_name=NEW_KEY, unverified_algorithm="ecdsa-p256")
    match step:
        case "create":
            lifecycle.create(ADMIN, request)
        case "prepare":
            lifecycle.prepare(ADMIN, KEY, validity=UNBOUNDED)
        case "adopt":
            lifecycle.adopt(ADMIN, request, KeyPairSelector(label="stranger"))
        case "import":
            imports = build_key_imports(patient.settings, service.parts, service.application)
            imports.pair(ADMIN, ImportRequest(unverified_name=NEW_KEY), key_material(Algorithm.ECDSA_P256))
        case "destroy":
            lifecycle.disable(ADMIN, KEY, 1)
            lifecycle.destroy(ADMIN, KEY, 1, confirmation=KEY)


def main(directory: str, step: str, when: str) -> None:
    """Take the step and do not survive it."""
    patient = Patient(directory=Path(directory))
    with patient.service(wrap=lambda pool: Crashing(pool, VERBS[step], when)) as service:
        take(patient, service, step)


if __name__ == "__main__":
    main(*sys.argv[1:])
