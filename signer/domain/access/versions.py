"""How versions of artifacts are ordered."""

from __future__ import annotations

from enum import StrEnum


class Order(StrEnum):
    """An order of versions, declared by the rule that asks for it."""

    NUMERIC = "numeric"
    SEMVER = "semver"
    DEBIAN = "debian"
