"""``[user_tokens]`` and ``[device_tokens]``: what tokens of users and devices say, and how long they hold.

``[former_server]``: what is accepted of the server that was there before.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import AwareDatetime, Field, field_validator

from signer.domain.token_claims import FormerTerms, TokenKind, TokenTerms
from signer.settings_section import Section

NAME = r"^[a-z0-9][a-z0-9._-]{0,62}$"
WEEK_SECONDS = 7 * 24 * 3600
YEAR_SECONDS = 365 * 24 * 3600
ISSUER = r"^[!-~]{1,255}$"
Addon = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]


class UserTokenSettings(Section):
    """``[user_tokens]``."""

    key: str = Field("user-token", pattern=NAME, description="the key that signs them")
    issuer: str = Field("mender.useradm", pattern=ISSUER, description="their iss")
    lifetime: int = Field(WEEK_SECONDS, ge=60, le=YEAR_SECONDS, description="seconds from login to their end")

    @property
    def terms(self) -> TokenTerms:
        """What tokens are made by."""
        return TokenTerms(key=self.key, issuer=self.issuer, lifetime=timedelta(seconds=self.lifetime))


class FormerServerSettings(Section):
    """``[former_server]``."""

    tokens_until: AwareDatetime | None = Field(
        None, description="until when tokens hold that a Mender server issued before; without it none does"
    )
    user_issuer: str = Field("mender.useradm", pattern=ISSUER, description="iss of its users' tokens")
    device_issuer: str = Field("Mender", pattern=ISSUER, description="iss of its devices' tokens")

    @property
    def terms(self) -> FormerTerms | None:
        """What is accepted of it; None: nothing."""
        if self.tokens_until is None:
            return None
        issuers = {TokenKind.USER: self.user_issuer, TokenKind.DEVICE: self.device_issuer}
        return FormerTerms(issuers=issuers, until=self.tokens_until)


class DeviceTokenSettings(Section):
    """``[device_tokens]``."""

    key: str = Field("device-token", pattern=NAME, description="the key that signs them")
    issuer: str = Field("Mender", pattern=ISSUER, description="their iss")
    lifetime: int = Field(WEEK_SECONDS, ge=60, le=YEAR_SECONDS, description="seconds from issue to their end")
    plan: str = Field("enterprise", pattern=r"^[a-z0-9-]{1,32}$", description="mender.plan, which clients look at")
    addons: tuple[Addon, ...] = Field(
        ("configure", "troubleshoot", "monitor"), max_length=16, description="mender.addons, which clients look at"
    )

    @field_validator("addons", mode="before")
    @classmethod
    def _a_variable_lists_names_with_commas(cls, value: Any) -> Any:
        return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value

    @property
    def terms(self) -> TokenTerms:
        """What tokens are made by."""
        return TokenTerms(
            key=self.key,
            issuer=self.issuer,
            lifetime=timedelta(seconds=self.lifetime),
            plan=self.plan,
            addons=self.addons,
        )
