"""Refusals around the gateway: of its configuration, and of what it asks."""

from __future__ import annotations

from dataclasses import dataclass

from signer.errors.base import SignerError


@dataclass(eq=False, kw_only=True)
class GatewayOptionRefused(SignerError):
    """An option of ``gateway config`` cannot stand in a configuration. ``reason``: what is wrong with it."""

    code = "gateway-option-refused"
    option: str
    reason: str
