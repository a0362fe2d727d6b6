"""The root of the error tree, and the refusals that belong to no single part of an artifact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, dataclass_transform

if TYPE_CHECKING:
    from verifier.findings import Finding


@dataclass_transform(kw_only_default=True)
class VerificationError(Exception):
    """The root: whatever is refused is refused with a subclass of this.

    A subclass declares its facts as annotated fields; they are its keyword-only arguments, checked by type
    checkers as a dataclass's are. It is not a dataclass at run time: an exception must let the interpreter
    set its traceback, and start-up time matters to a command.
    """

    code: ClassVar[str] = "verification-error"
    """Stable, kebab-case, documented; what programs compare."""

    _fields: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        own = cls.__dict__.get("__annotations__", {})  # noqa: RUF063 - importing inspect costs more than all errors
        cls._fields += tuple(name for name, kind in own.items() if not str(kind).startswith("ClassVar"))

    def __init__(self, **facts: Any) -> None:
        if facts.keys() != set(self._fields):
            raise TypeError(f"{type(self).__name__} takes {self._fields}, not {tuple(facts)}")
        super().__init__()
        for name in self._fields:
            setattr(self, name, facts[name])

    @property
    def facts(self) -> dict[str, Any]:
        """The fields by name, in declared order."""
        return {name: getattr(self, name) for name in self._fields}

    def __str__(self) -> str:
        facts = ", ".join(f"{name}={value!r}" for name, value in self.facts.items())
        return f"{self.code} ({facts})" if facts else self.code

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.facts.items())})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.facts == other.facts

    def __hash__(self) -> int:
        return hash((type(self), repr(self)))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (type(self), self.facts)


def _rebuilt(cls: type[VerificationError], facts: dict[str, Any]) -> VerificationError:
    return cls(**facts)


class MalformedArtifact(VerificationError):
    """The bytes are not a well-formed artifact: structure, syntax or contents break a rule of the format."""

    code: ClassVar[str] = "malformed-artifact"


class UnsupportedArtifact(VerificationError):
    """A form of artifact that exists, and that not every client accepts."""

    code: ClassVar[str] = "unsupported-artifact"


class NotAnArtifact(MalformedArtifact):
    """The first 512 bytes are no tar header: this is some other file."""

    code: ClassVar[str] = "not-an-artifact"


class EmptyInput(MalformedArtifact):
    """There was not a single byte."""

    code: ClassVar[str] = "empty-input"


class Truncated(MalformedArtifact):
    """The input ended inside ``part``; ``offset`` counts bytes of that part's archive."""

    code: ClassVar[str] = "truncated"
    part: str
    offset: int


class DigestMismatch(VerificationError):
    """The bytes of ``path`` are not those that the manifest lists; digests are lowercase hex SHA-256."""

    code: ClassVar[str] = "digest-mismatch"
    path: str
    expected: str
    actual: str


class LimitExceeded(VerificationError):
    """``part`` needs more than the field ``limit`` of ``Limits`` allows."""

    code: ClassVar[str] = "limit-exceeded"
    part: str
    limit: str
    allowed: int


class FastExtraMissing(VerificationError):
    """``part`` is compressed with zstd, which needs the extra ``fast``."""

    code: ClassVar[str] = "fast-extra-missing"
    part: str


class FindingsRefused(VerificationError):
    """The artifact is valid, but has findings, and the caller allows none."""

    code: ClassVar[str] = "findings-refused"
    findings: tuple[Finding, ...]
