"""A healthy installation for each test, copied from one that is made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.signer.doctor.patient import Patient, copied, made


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Patient:
    """Made by ``create_installation``; not to be broken."""
    return made(tmp_path_factory.mktemp("original") / "installation")


@pytest.fixture
def patient(original: Patient, tmp_path: Path) -> Patient:
    """A copy of it, to be broken."""
    return copied(original, tmp_path / "installation")
