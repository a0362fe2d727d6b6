"""Refusals around the gateway: of its configuration, and of what it asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from signer.errors.access import CredentialsRejected
from signer.errors.base import SignerError


@dataclass(eq=False, kw_only=True)
class GatewayOptionRefused(SignerError):
    """An option of ``gateway config`` cannot stand in a configuration. ``reason``: what is wrong with it."""

    code = "gateway-option-refused"
    option: str
    reason: str


@dataclass(eq=False, kw_only=True)
class ForwardedRequestInvalid(SignerError):
    """The gateway does not say which request it asks about. ``header``: the field that is missing or none."""

    code = "forwarded-request-invalid"
    header: str


@dataclass(eq=False, kw_only=True)
class TokenNotAdmitted(CredentialsRejected):
    """What came with a request to a gateway proves nothing. Why is for the log alone."""

    code = "token-not-admitted"
    hidden: ClassVar[frozenset[str]] = frozenset({"reason"})
    reason: str


@dataclass(eq=False, kw_only=True)
class AddonNotEnabled(SignerError):
    """The token holds, and this installation gives devices no such add-on."""

    code = "addon-not-enabled"
    addon: str


@dataclass(eq=False, kw_only=True)
class RequestsLimited(SignerError):
    """This device, or user, makes as many requests as it may. ``retry_after``: seconds."""

    code = "requests-limited"
    retry_after: float
