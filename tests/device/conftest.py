"""A device's surroundings in memory: its clock, its files and the service that it asks."""

from __future__ import annotations

import pytest

from tests.device.scene import MemoryService, MemoryStore, Time


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def service(time: Time) -> MemoryService:
    return MemoryService(time=time)
