"""What a rule asks of an artifact and of the moment: a closed list of conditions, each with a sentence for a no.

1. A condition is met, not met, or not known: what was not shown cannot be judged. A rule that allows needs all of
   its conditions met; a rule that denies stops where they are met or not known. So nothing is gained by showing less.
2. What is listed is a bound: each value in the artifact is fitted by one of the patterns.
3. What an artifact says is told in a refusal no longer than ``MAX_TOLD`` characters; what has more than ``MAX_VALUES``
   different values for a bound to look at is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from signer.domain.access.emergencies import Passing
from signer.domain.access.patterns import Patterns
from signer.domain.requests import AnyRequest, ArtifactSeen, Checked
from signer.domain.weeks import Window
from verifier import FindingCode, Header

MAX_TOLD = 100
MAX_VALUES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What conditions look at. ``request`` is None before anything was shown; ``passing``: who names an emergency."""

    request: AnyRequest | None
    at: datetime
    passing: Passing | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmet:
    """A condition that is not met.

    Attributes:
        condition: the member of ``when`` that says it.
        sentence: why, for the caller.
        unknown: it may be met, too little was shown to tell.
    """

    condition: str
    sentence: str
    unknown: bool = False


class Condition(Protocol):
    """One condition, or several as one."""

    def judge(self, seen: Circumstances) -> Unmet | None:
        """None where it is met."""

    @property
    def document(self) -> dict[str, Any]:
        """Its members of ``when``, in their canonical form."""


class ContentMember(StrEnum):
    """Values in an artifact that patterns bound."""

    ARTIFACT_NAME = "artifact_name"
    ARTIFACT_GROUP = "artifact_group"
    DEVICE_TYPES = "device_types"
    PAYLOAD_TYPES = "payload_types"
    FILES = "files"
    SCRIPTS = "scripts"


# A member of the enumeration is its text.
_IN_HEADER: Mapping[str, Callable[[Header], Iterable[str | None]]] = {
    ContentMember.ARTIFACT_NAME: lambda header: (header.artifact_name,),
    ContentMember.ARTIFACT_GROUP: lambda header: (header.artifact_group,),
    ContentMember.DEVICE_TYPES: lambda header: header.device_types,
    ContentMember.PAYLOAD_TYPES: lambda header: header.payload_types,
    ContentMember.SCRIPTS: lambda header: header.scripts,
}
FILES, DEPENDS = ContentMember.FILES.value, "depends"
# What the manifest alone tells; everything else is in the header.
_IN_MANIFEST = frozenset({ContentMember.FILES})


def shown_by(member: ContentMember) -> Checked:
    """How much of an artifact has to be shown to tell."""
    return Checked.MANIFEST if member in _IN_MANIFEST else Checked.HEAD


@dataclass(frozen=True, slots=True)
class Values:
    """Values in an artifact: those of a member, or of an attribute of ``provides`` or ``depends``."""

    member: str
    attribute: str | None = None

    def of(self, request: AnyRequest) -> Iterable[str | None] | None:
        """They, as they stand there, None for one that is absent; None where too little was shown to tell."""
        if self.member == FILES:
            manifest = request.manifest
            return None if manifest is None else (entry.name for entry in manifest.payloads)
        header = request.header
        if header is None:
            return None
        if self.attribute is None:
            return _IN_HEADER[self.member](header)
        if self.member == DEPENDS:
            return _depended(header, self.attribute) or (None,)
        return (header.provides.get(self.attribute),)


_LISTED = {member: Values(member.value) for member in ContentMember}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """``checked``: at least so much was shown. ``guards``: other conditions beside it look at what is shown."""

    least: Checked
    guards: bool

    def judge(self, seen: Circumstances) -> Unmet | None:
        """Too little was shown to tell what else is asked, where anything is."""
        if seen.request is not None and seen.request.checked >= self.least:
            return None
        shown = "nothing yet" if seen.request is None else f"{seen.request.checked.value} only"
        unknown = self.guards or seen.request is None
        return Unmet(condition="checked", sentence=f"{self.least.value} has to be shown, {shown} was", unknown=unknown)

    @property
    def document(self) -> dict[str, Any]:
        """One member."""
        return {"checked": self.least.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """Each value of the member is fitted by one of the patterns; without patterns there may be no value."""

    member: ContentMember
    patterns: Patterns

    def judge(self, seen: Circumstances) -> Unmet | None:
        """The first value that no pattern fits decides."""
        found = _LISTED[self.member].of(seen.request) if seen.request is not None else None
        if found is None:
            return _not_shown(self.member.value)
        return _bounded(self.member.value, found, self.patterns)

    @property
    def bounds(self) -> tuple[tuple[Values, Patterns], ...]:
        """The one bound, and on what."""
        return ((_LISTED[self.member], self.patterns),)

    @property
    def document(self) -> dict[str, Any]:
        """One member; scripts that there may not be are ``false``."""
        return {self.member.value: self.patterns.texts or False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """``provides`` or ``depends``: each attribute that is named is there, and patterns fit its values."""

    member: str
    patterns: Mapping[str, Patterns]

    def judge(self, seen: Circumstances) -> Unmet | None:
        """The first attribute that is missing or not fitted decides."""
        for values, patterns in self.bounds:
            found = values.of(seen.request) if seen.request is not None else None
            if found is None:
                return _not_shown(self.member)
            unmet = _bounded(f"{self.member}.{values.attribute}", found, patterns)
            if unmet is not None:
                return unmet
        return None

    @property
    def bounds(self) -> tuple[tuple[Values, Patterns], ...]:
        """A bound on each attribute."""
        return tuple((Values(self.member, name), patterns) for name, patterns in self.patterns.items())

    @property
    def document(self) -> dict[str, Any]:
        """One member, a table."""
        return {self.member: {name: each.texts for name, each in self.patterns.items()}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """``size``: the payload files have at most so many bytes together, unpacked."""

    most: int

    def judge(self, seen: Circumstances) -> Unmet | None:
        """Only a whole artifact tells sizes: no head is signed for them."""
        if not isinstance(seen.request, ArtifactSeen):
            return _not_shown("size")
        size = sum(seen.request.sizes.values())
        if size <= self.most:
            return None
        return Unmet(condition="size", sentence=f"the payload files have {size} bytes, {self.most} are allowed")

    @property
    def document(self) -> dict[str, Any]:
        """One member."""
        return {"size": self.most}


IN_WHOLE_ARTIFACTS = frozenset({FindingCode.PAYLOAD_MODE, FindingCode.ZSTD_CLIENTS, FindingCode.HIDDEN_BYTES})
OF_SIGNATURES = frozenset({FindingCode.SIGNATURE_DER, FindingCode.RSA_KEY_SHORT})


@dataclass(frozen=True, slots=True, kw_only=True)
class WithoutFindings:
    """``findings``: none of these was found."""

    codes: tuple[FindingCode, ...]

    @property
    def shown_by(self) -> Checked:
        """How much of an artifact has to be shown to tell."""
        return Checked.ARTIFACT if IN_WHOLE_ARTIFACTS & set(self.codes) else Checked.HEAD

    def judge(self, seen: Circumstances) -> Unmet | None:
        """A finding counts from the moment it was made; that there is none counts once enough was shown."""
        request = seen.request
        if request is None or request.header is None:
            return _not_shown("findings")
        for code in self.codes:
            if code in request.findings:
                return Unmet(condition="findings", sentence=f"it has the finding {code.value}")
        return None if request.checked >= self.shown_by else _not_shown("findings")

    @property
    def document(self) -> dict[str, Any]:
        """One member."""
        return {"findings": [code.value for code in self.codes]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """``hours``: the moment is in one of these times of the week, in the time zone of the policy."""

    texts: tuple[str, ...]
    windows: tuple[Window, ...]
    zone: ZoneInfo

    def judge(self, seen: Circumstances) -> Unmet | None:
        """By the clock of the service."""
        here = seen.at.astimezone(self.zone)
        if any(window.holds(here) for window in self.windows):
            return None
        return Unmet(condition="hours", sentence=f"it is {here:%a %H:%M} in {self.zone.key}".lower())

    @property
    def document(self) -> dict[str, Any]:
        """One member."""
        return {"hours": list(self.texts)}


def told(value: str | None) -> str:
    """A value of an artifact in a sentence."""
    if value is None:
        return "none"
    shown = value[:MAX_TOLD]
    shown = shown if shown.isprintable() else ascii(shown)
    return shown if len(value) <= MAX_TOLD else f"{shown}… ({len(value)} characters)"


def _bounded(condition: str, values: Iterable[str | None], patterns: Patterns) -> Unmet | None:
    different = dict.fromkeys(values)
    if len(different) > MAX_VALUES:
        return Unmet(condition=condition, sentence=f"{len(different)} values, {MAX_VALUES} are looked at")
    for value in different:
        # A value that is absent is fitted by nothing, and a bound on it is not kept.
        if value is None or not patterns.fit(value):
            return Unmet(condition=condition, sentence=f"{told(value)} is not allowed")
    return None


def _not_shown(condition: str) -> Unmet:
    return Unmet(condition=condition, sentence="too little was shown to tell", unknown=True)


def _depended(header: Header, name: str) -> tuple[str, ...]:
    if name == "artifact_name":
        return header.depends_artifact_names
    if name == "artifact_group":
        return header.depends_artifact_groups
    return _one(header.depends.get(name))


def _one(value: str | None) -> tuple[str, ...]:
    return () if value is None else (value,)
