"""An import that is killed between record and token is found and ended like a creation, on each kind of database."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_der_private_key

from hsm.algorithms import Algorithm
from hsm.types import KeyMaterial
from signer.bootstrap import build_reconciliation, utc_now
from signer.domain.consistency import DiscrepancyKind as Kind
from signer.domain.events import EventType
from signer.domain.keys import Origin, VersionState
from signer.errors import NoActiveVersion
from signer.services.reconciliation import Ending
from tests.support.house import KEY, SIGNER, House, new_request, open_house, settings
from tests.support.importing import MOMENTS
from tests.support.key_files import key_material
from tests.support.memory_tokens import MemoryTokens, Pair, PrivateKey, spki_of
from tests.support.rows import slow_but

ROOT = Path(__file__).resolve().parents[2]
CRASH_SECONDS = 120
AT_ONCE = timedelta(0)


def pair_of(given: KeyMaterial, cka_id: bytes, *, private: bool = True) -> Pair:
    """What a token holds of it."""
    key = load_der_private_key(given.private, None)
    assert isinstance(key, PrivateKey)
    return Pair(key_id=cka_id, label=f"{KEY}-v1", private=key if private else None, spki=spki_of(key))


def ended(house: House, directory: Path, expected: Kind) -> Ending | None:
    """What becomes of the one thing that was left."""
    service = build_reconciliation(
        settings("sqlite:///unused", directory, ("one",)), house.parts, house.application, token_names=("one",)
    )
    (found,) = service.survey(pending_age=AT_ONCE).discrepancies
    assert found.kind is expected
    return service.repair(found, pending_age=AT_ONCE).ending


@pytest.mark.parametrize("moment", slow_but({"in the token"}, MOMENTS))
def test_a_killed_import_signs_nothing_and_is_ended(database_url: str, tmp_path: Path, moment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.importing", database_url, tmp_path, moment],
        cwd=ROOT, capture_output=True, timeout=CRASH_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    given, tokens = key_material(Algorithm.ECDSA_P256), MemoryTokens("one")
    with open_house(database_url, tmp_path, tokens, utc_now) as house:
        version = house.version()
        assert (version.state, version.origin) == (VersionState.PENDING, Origin.IMPORTED)
        with pytest.raises(NoActiveVersion):
            house.sign(SIGNER, KEY, new_request())
        if moment == "recorded":
            assert ended(house, tmp_path, Kind.PENDING_ABSENT) is Ending.ABANDONED
            assert house.version().state is VersionState.DESTROYED
            return
        tokens.put(pair_of(given, version.cka_id))
        assert ended(house, tmp_path, Kind.PENDING_MADE) is Ending.COMPLETED_ACTIVE
        assert EventType.KEY_IMPORTED in house.event_types()
        assert house.version().origin is Origin.IMPORTED
        assert house.sign(SIGNER, KEY, new_request()).version == 1
