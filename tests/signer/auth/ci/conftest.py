"""A service that takes the tokens of a real issuer, on a clock that a test moves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ci_issuer import CiIssuer, running_issuer
from tests.support.ci_site import BEGAN, CiSite, ci_site
from tests.support.clock import ManualClock


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[CiIssuer]:
    with running_issuer(tmp_path) as running:
        yield running


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(BEGAN)


@pytest.fixture
def site(tmp_path: Path, issuer: CiIssuer, clock: ManualClock) -> Iterator[CiSite]:
    with ci_site(tmp_path, issuer, clock=clock) as made:
        yield made
