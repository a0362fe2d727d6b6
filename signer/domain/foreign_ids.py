"""Ids that another Mender server gave: UUIDs, and 24 hexadecimal digits of installations from before them."""

from __future__ import annotations

import re
from typing import TypeGuard

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{24}")


def is_foreign_id(value: object) -> TypeGuard[str]:
    """Whether this can be one."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None
