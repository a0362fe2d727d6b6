"""A guard for tests of what lies below it: it lets everything through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from signer.services.change_guard import ChangeGuard


class _Nobody:
    """Asks nobody, and looks at nothing."""

    def holder(self, identity: str) -> None:
        """As ``ChangeGuard``: nobody."""

    def carry_out(self, actor: str, change: object, act: Callable[[Any], Any]) -> Any:
        """As ``ChangeGuard``."""
        return act(None)


NOBODY_ASKED = cast("ChangeGuard", _Nobody())
