"""Refusals of a request as such, whoever sends it."""

from __future__ import annotations

from dataclasses import dataclass

from signer.errors.base import SignerError


@dataclass(eq=False, kw_only=True)
class InvalidRequest(SignerError):
    """The JSON body or a parameter is not what the route takes. ``problems``: one sentence per field."""

    code = "invalid-request"
    problems: tuple[str, ...]


@dataclass(eq=False, kw_only=True)
class EmptyBody(SignerError):
    """A body was needed and none came."""

    code = "empty-body"


@dataclass(eq=False, kw_only=True)
class BodyTooLarge(SignerError):
    """The body exceeds a configured limit. ``limit``: bytes; ``setting``: its name."""

    code = "body-too-large"
    limit: int
    setting: str


@dataclass(eq=False, kw_only=True)
class BodyInterrupted(SignerError):
    """The client went away, or sent nothing for too long, before the body was complete."""

    code = "body-interrupted"
    received: int
    expected: int | None


@dataclass(eq=False, kw_only=True)
class ArtifactIncomplete(SignerError):
    """The body ends inside the artifact and is too long to be meant as a head. Sizes in bytes."""

    code = "artifact-incomplete"
    received: int
    head_limit: int


@dataclass(eq=False, kw_only=True)
class SignedAlready(SignerError):
    """The artifact carries a signature, and replacing it was not asked for."""

    code = "signed-already"


@dataclass(eq=False, kw_only=True)
class SpoolFull(SignerError):
    """No disk space to hold the artifact while it is checked. ``needed``: bytes, if known."""

    code = "spool-full"
    needed: int | None


@dataclass(eq=False, kw_only=True)
class SpoolUnusable(SignerError):
    """The spool directory cannot be used at all. ``reason``: what the system says."""

    code = "spool-unusable"
    reason: str
