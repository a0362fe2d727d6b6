"""What a log is expected to hold, from a TOML file. What no rule names is not expected.

A leaf fits a rule where it fits each member of the rule; a member that is a list is fitted by one of it. What a leaf
does not tell fits no member that asks for it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from signer.domain.weeks import Window
from signer.errors import ExpectationsInvalid
from signer.monitor.patterns import matches

FORM_VERSION = 1
MAX_FILE_BYTES = 1 << 20

Patterns = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class SignatureRule(_Table):
    """``[[signatures]]``: signatures that are expected."""

    name: str = Field(min_length=1)
    keys: Patterns | None = None
    identities: Patterns | None = None
    artifacts: Patterns | None = None
    times: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    emergency: bool = False
    blind: bool = False

    @field_validator("times")
    @classmethod
    def _times_are_windows(cls, times: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for text in times or ():
            Window.parse(text)
        return times

    @cached_property
    def windows(self) -> tuple[Window, ...]:
        """``times``, read."""
        return tuple(Window.parse(text) for text in self.times or ())

    def misfits(self, members: Mapping[str, Any], at: datetime, *, allow_emergency: bool) -> tuple[str, ...]:
        """The members of the rule that the leaf, of this moment in the file's time zone, does not fit."""
        fits = {
            "keys": _fits(self.keys, members.get("key")),
            "identities": _fits(self.identities, members.get("actor")),
            "artifacts": _fits(self.artifacts, members.get("artifact")),
            "times": self.times is None or any(window.holds(at) for window in self.windows),
            "blind": self.blind or not is_blind(members),
            "emergency": self.emergency or allow_emergency or not is_emergency(members),
        }
        return tuple(name for name, fit in fits.items() if not fit)


class ChangeRule(_Table):
    """``[[changes]]``: changes of keys and access that are expected."""

    name: str = Field(min_length=1)
    types: Patterns
    keys: Patterns | None = None
    identities: Patterns | None = None

    def fits(self, members: Mapping[str, Any]) -> bool:
        """Whether the leaf is such a change."""
        return (
            _fits(self.types, members.get("type"))
            and _fits(self.keys, members.get("key"))
            and _fits(self.identities, members.get("actor"))
        )


class Expectations(_Table):
    """The whole file."""

    version: int = Field(ge=FORM_VERSION, le=FORM_VERSION)
    timezone: str = "UTC"
    signatures: tuple[SignatureRule, ...] = ()
    changes: tuple[ChangeRule, ...] = ()

    @field_validator("timezone")
    @classmethod
    def _zone_is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("must be a time zone of the IANA database, such as Europe/Berlin") from None
        return name

    @cached_property
    def zone(self) -> ZoneInfo:
        """``timezone``, read."""
        return ZoneInfo(self.timezone)

    def misfit(self, members: Mapping[str, Any], at: datetime, *, allow_emergency: bool = False) -> str | None:
        """Why no rule expects this signature, by the rule that comes closest; None where one does.

        ``allow_emergency``: of every rule, also in an emergency.
        """
        here = at.astimezone(self.zone)
        misfits = [
            (rule.misfits(members, here, allow_emergency=allow_emergency), rule.name) for rule in self.signatures
        ]
        if not misfits:
            return "no signature is expected"
        # Of rules for its key the one with the fewest that does not fit; of others only where there is none.
        names, rule_name = min(misfits, key=lambda each: ("keys" in each[0], len(each[0])))
        return f"{', '.join(names)} of {rule_name}" if names else None

    def expects_change(self, members: Mapping[str, Any]) -> bool:
        """Whether a rule expects this change."""
        return any(rule.fits(members) for rule in self.changes)


def is_emergency(members: Mapping[str, Any]) -> bool:
    """Whether a leaf says that approvals were passed; whatever stands there but a plain no says so."""
    return members.get("emergency", False) is not False


def is_blind(members: Mapping[str, Any]) -> bool:
    """Whether a leaf says that nothing was seen of what was signed."""
    return members.get("checked") == "blind"


def load_expectations(path: Path) -> Expectations:
    """Read the file; raises ``ExpectationsInvalid``."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise ExpectationsInvalid(path=str(path), problems=(f"it has more than {MAX_FILE_BYTES} bytes",))
        return Expectations.model_validate(tomllib.loads(content.decode("utf-8")))
    except OSError as error:
        raise ExpectationsInvalid(path=str(path), problems=(f"cannot be read: {error.strerror}",)) from None
    except ValidationError as error:
        raise ExpectationsInvalid(path=str(path), problems=_sentences(error)) from None
    except (ValueError, RecursionError) as error:
        raise ExpectationsInvalid(path=str(path), problems=(f"is not TOML: {error}",)) from None


def _sentences(error: ValidationError) -> tuple[str, ...]:
    return tuple(
        f"{'.'.join(str(part) for part in item['loc']) or 'the file'}: {item['msg'].removeprefix('Value error, ')}"
        for item in error.errors(include_input=False, include_url=False)
    )


def _fits(patterns: tuple[str, ...] | None, value: object) -> bool:
    if patterns is None:
        return True
    return isinstance(value, str) and any(matches(pattern, value) for pattern in patterns)
