"""Records: frozen values with keyword-only fields, without what ``dataclasses`` costs a command that starts.

``import dataclasses`` takes 8 ms, most of it for ``inspect``, and each class that it generates nearly one more; the
command ``artifact-verify`` needs twenty of them to check an artifact in a few milliseconds. A record is made without
generating code. To type checkers, and to whoever asks at run time (``dataclasses.fields``, ``replace``, ``asdict``),
it is a frozen dataclass with slots and keyword-only fields.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self, dataclass_transform

if TYPE_CHECKING:
    from dataclasses import Field


class _DataclassFields:
    """``__dataclass_fields__``, made when it is first asked for: only then is ``dataclasses`` imported."""

    def __get__(self, record: object, owner: type[Record]) -> dict[str, Field[Any]]:
        from dataclasses import field, make_dataclass

        annotated = [(name, owner._annotations[name]) for name in owner._names]
        defaults = {name: field(default=value) for name, value in owner._defaults.items()}
        made: Any = make_dataclass(owner.__name__, annotated, namespace=defaults, kw_only=True)
        return made.__dataclass_fields__  # type: ignore[no-any-return]


class _RecordType(type):
    """Makes slots of a class's annotations, and keeps their defaults."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> _RecordType:
        annotations = {
            field: kind
            for field, kind in namespace.get("__annotations__", {}).items()
            if not str(kind).startswith("ClassVar")
        }
        defaults = {field: namespace.pop(field) for field in annotations if field in namespace}
        made = super().__new__(cls, name, bases, {**namespace, "__slots__": tuple(annotations)})
        made._annotations = getattr(made, "_annotations", {}) | annotations
        made._defaults = getattr(made, "_defaults", {}) | defaults
        made._names = made._annotations.keys()
        made._setters = tuple((field, getattr(made, field).__set__) for field in made._annotations)
        return made

    _annotations: dict[str, str]
    _defaults: dict[str, Any]
    _names: Any
    _setters: tuple[tuple[str, Callable[[object, Any], None]], ...]


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Record(metaclass=_RecordType):
    """A frozen value whose annotated fields are its keyword-only arguments; equal where type and fields are."""

    __dataclass_fields__: ClassVar[Any] = _DataclassFields()

    def __init__(self, **values: Any) -> None:
        cls = type(self)
        if cls._defaults:
            values = cls._defaults | values
        if values.keys() != cls._names:
            raise TypeError(f"{cls.__name__} takes {tuple(cls._names)}, not {tuple(values)}")
        for name, put in cls._setters:
            put(self, values[name])

    def __setattr__(self, name: str, value: object) -> NoReturn:
        _refuse(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        _refuse(f"cannot delete field {name!r}")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return _values(self) == _values(other)

    def __hash__(self) -> int:
        return hash(tuple(_values(self).values()))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in _values(self).items())
        return f"{type(self).__qualname__}({shown})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (type(self), _values(self))

    def __replace__(self, **changes: Any) -> Self:
        return type(self)(**(_values(self) | changes))


def _values(record: Record) -> dict[str, Any]:
    return {name: getattr(record, name) for name in type(record)._names}


def _rebuilt(cls: type[Record], values: dict[str, Any]) -> Record:
    return cls(**values)


def _refuse(message: str) -> NoReturn:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(message)
