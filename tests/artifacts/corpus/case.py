"""A row of the corpus: a sentence, a recipe, and what three readers are expected to say."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from tests.artifacts.builder import ArtifactBuilder
from tests.artifacts.keys import KeyKind, PrivateKey, private_key


class Go(Enum):
    """What the two Go judges say: Debian's mender-artifact 3.9 and its device client 3.4."""

    REFUSE = (False, False)
    ACCEPT = (True, True)
    ONLY_TOOL_ACCEPTS = (True, False)
    ONLY_CLIENT_ACCEPTS = (False, True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One artifact and its expected verdicts.

    `code` is the error code of our refusal, None where we accept, then with exactly `findings`. `why` says
    in words why a judge differs from us; it is there exactly where one does.
    """

    name: str
    recipe: ArtifactBuilder
    code: str | None
    findings: tuple[str, ...] = ()
    trusted: KeyKind = KeyKind.P256
    go: Go
    why: str = ""

    @property
    def accepted(self) -> bool:
        """Whether our verdict is acceptance."""
        return self.code is None

    @property
    def tool_accepts(self) -> bool:
        """Whether mender-artifact 3.9 validates it."""
        return self.go.value[0]

    @property
    def client_accepts(self) -> bool:
        """Whether the device client 3.4 installs it."""
        return self.go.value[1]


def signed(kind: KeyKind = KeyKind.P256) -> ArtifactBuilder:
    """The artifact that the rows start from: correct, gzip, signed."""
    return ArtifactBuilder(key=key(kind))


def key(kind: KeyKind) -> PrivateKey:
    return private_key(kind)


def accepted(
    name: str,
    recipe: ArtifactBuilder,
    *findings: str,
    trusted: KeyKind = KeyKind.P256,
    go: Go = Go.ACCEPT,
    why: str = "",
) -> Case:
    """A row that we accept."""
    return Case(name=name, recipe=recipe, code=None, findings=findings, trusted=trusted, go=go, why=why)


def lax(name: str, recipe: ArtifactBuilder, code: str, why: str, *, go: Go = Go.ACCEPT) -> Case:
    """A row that we refuse with `code` and the older Go judges accept."""
    return Case(name=name, recipe=recipe, code=code, go=go, why=why)


def refused(
    name: str,
    recipe: ArtifactBuilder,
    code: str,
    *,
    trusted: KeyKind = KeyKind.P256,
) -> Case:
    """A row that everybody refuses, we with `code`."""
    return Case(name=name, recipe=recipe, code=code, trusted=trusted, go=Go.REFUSE)
