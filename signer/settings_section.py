"""What every table of the configuration has in common."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic.fields import FieldInfo

MEBIBYTE = 1 << 20


class Section(BaseModel):
    """A table of the file: frozen, and strict about names and types."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _a_boolean_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        # Text is converted, since variables hold nothing else; ``workers = true`` would silently mean one.
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
            raise ValueError("must not be true or false")
        return value


def holds_tables(field: FieldInfo) -> bool:
    """Whether a setting is a further table or a list of some, which no variable can hold."""
    return any(
        isinstance(each, type) and issubclass(each, Section) for each in (field.annotation, *get_args(field.annotation))
    )
