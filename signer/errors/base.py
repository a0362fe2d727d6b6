"""The base of all refusals."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar


@dataclass(eq=False, kw_only=True)
class SignerError(Exception):
    """Base of all refusals. ``code`` is stable and documented in docs/api/errors.md."""

    code: ClassVar[str]
    hidden: ClassVar[frozenset[str]] = frozenset()
    """Fields that the log is told of, and nobody who asks."""

    @property
    def facts(self) -> dict[str, object]:
        """The fields by name, for problem documents."""
        return {item.name: getattr(self, item.name) for item in fields(self) if item.name not in self.hidden}

    @property
    def reason_for_log(self) -> str | None:
        """What the log line has beside the code; None where there is no more to say."""
        return ", ".join(str(getattr(self, name)) for name in sorted(self.hidden)) or None

    def __str__(self) -> str:
        return " ".join([self.code, *(f"{name}={value!r}" for name, value in self.facts.items())])
