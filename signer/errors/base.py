"""The base of all refusals."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar


@dataclass(eq=False, kw_only=True)
class SignerError(Exception):
    """Base of all refusals. ``code`` is stable and documented in docs/api/errors.md."""

    code: ClassVar[str]

    @property
    def facts(self) -> dict[str, object]:
        """The fields by name, for problem documents and log lines."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def __str__(self) -> str:
        return " ".join([self.code, *(f"{name}={value!r}" for name, value in self.facts.items())])
