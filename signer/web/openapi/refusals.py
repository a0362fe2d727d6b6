"""Which refusals routes have in common, by the codes of docs/api/errors.md. Statuses come from their wordings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from hsm.errors import TokenError
from signer.errors import SignerError
from signer.web.families import family_of
from signer.web.problems import UNEXPECTED, WORDINGS
from signer.web.routes import Route
from verifier import VerificationError

VERIFIER_STATUS = 422
DATABASE = (
    "database-unavailable", "database-full", "database-read-only", "database-file-lost", "database-damaged",
    "database-revision-mismatch",
)  # fmt: skip
# What may befall any request.
ALL = ("service-busy", "encoding-not-supported", UNEXPECTED.code)
BODY = ("invalid-request", "body-too-large", "body-interrupted")
LOG = (
    "log-missing", "log-damaged", "log-forked", "log-rolled-back", "log-stopped", "log-key-missing",
    "log-not-certified", "checkpoint-unavailable", "checkpoint-file-missing", "checkpoint-file-damaged",
    "checkpoint-file-in-use", "checkpoint-not-written", "failover-unconfirmed", "access-tampered",
)  # fmt: skip
# Whatever leaves something on record.
RECORD = (*LOG, "recorder-unavailable", "clock-leapt", "clock-moved-back", "clock-differs")
# Because of the certificate that somebody shows, and because of the one that a device comes with.
CERTIFICATE = (
    "client-certificate-rejected", "client-certificate-of-ca", "client-certificate-name-missing",
    "client-certificate-name-ambiguous", "client-certificate-name-invalid", "client-certificate-issuer-unknown",
    "client-certificate-not-yet-valid", "client-certificate-expired", "client-certificate-revoked",
    "certificate-header-untrusted", "certificate-header-invalid", "certificate-header-unverified",
)  # fmt: skip
SHOWN = (
    *CERTIFICATE, "client-certificate-of-caller", "device-certificate-missing", "device-certificate-key-differs",
    "device-certificate-identity-differs", "device-certificate-of-another-device", "device-certificate-of-another-ca",
)  # fmt: skip
PROVED = (
    *CERTIFICATE,
    "credentials-missing", "credentials-rejected", "credentials-expired", "credentials-ambiguous",
    "too-many-attempts", "client-certificate-of-device", "token-states-unavailable", "access-denied",
    "access-tampered", "policy-missing", "policy-tampered",
)  # fmt: skip
APPROVALS = ("approval-required", "approval-rejected", "approval-unreachable", "approvals-exhausted")
KEY = ("invalid-name", "key-not-found")
VERSION = (*KEY, "version-not-found")
ISSUING = ("token-key-missing", "tokens-limited", "token-states-unavailable")


def _tree(kind: type[Exception]) -> Iterator[type[Exception]]:
    for child in kind.__subclasses__():
        yield child
        yield from _tree(child)


@cache
def statuses() -> Mapping[str, int]:
    """The status of every code that a problem document may have, but the verifier's."""
    found = {UNEXPECTED.code: UNEXPECTED.status}
    for kind in (TokenError, *_tree(SignerError), *_tree(TokenError)):
        found[kind.code] = next(WORDINGS[base] for base in kind.__mro__ if base in WORDINGS).status  # type: ignore[attr-defined]
    return found


@cache
def of_tokens() -> tuple[str, ...]:
    """Where the token is asked for something."""
    return (TokenError.code, *(kind.code for kind in _tree(TokenError)))  # type: ignore[attr-defined]


@cache
def of_artifacts() -> tuple[str, ...]:
    """Where something is read as devices read it; all with one status."""
    return tuple(sorted({kind.code for kind in _tree(VerificationError) if hasattr(kind, "code")}))


def refusals(route: Route, own: Iterable[str]) -> Mapping[int, tuple[str, ...]]:
    """The codes that a route may refuse with, by status. ``own``: what only it has."""
    codes = {*ALL, *own}
    if route.name not in ("healthz", "show_openapi"):
        codes |= {*DATABASE}
    if route.method != "GET" or not route.in_front:
        codes |= {*BODY}
    if route.asks_who:
        codes |= {*PROVED}
    if route.names_key:
        codes |= {*KEY}
    if route.internal or route.parameters:
        # Elsewhere than over the gateway's socket; and what cannot be such a parameter leads nowhere.
        codes.add("route-not-found")
    if route.method != "GET":
        codes |= {*RECORD}
    found: dict[int, set[str]] = {}
    family = family_of(route.path)
    for code in codes:
        found.setdefault(family.status(statuses().get(code, VERIFIER_STATUS)), set()).add(code)
    return {status: tuple(sorted(found[status])) for status in sorted(found)}
