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


@dataclass(eq=False, kw_only=True)
class RouteNotFound(SignerError):
    """No route has this path, in this spelling."""

    code = "route-not-found"


@dataclass(eq=False, kw_only=True)
class MethodNotAllowed(SignerError):
    """The route does not take this method. ``allowed``: those it takes."""

    code = "method-not-allowed"
    allowed: tuple[str, ...]


@dataclass(eq=False, kw_only=True)
class EncodingNotSupported(SignerError):
    """The body came with a content coding. ``encoding``: its name."""

    code = "encoding-not-supported"
    encoding: str


@dataclass(eq=False, kw_only=True)
class ServiceBusy(SignerError):
    """The request was read, and could not be served in time."""

    code = "service-busy"
