"""``[approvals]``: how long requests wait for people, and whom the service tells of them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from signer.addresses import Address
from signer.domain.approvals import LIFETIME
from signer.settings_section import Section


class ApprovalSettings(Section):
    """``[approvals]``: a receiver of notices, by one machine of an installation."""

    lifetime: float = Field(
        LIFETIME.total_seconds(),
        ge=300,
        le=30 * 86400,
        description="from a request to the end of its approvals, seconds",
    )
    webhook_url: str | None = Field(
        None, description="https://HOST[:PORT][/PATH] that is told what waits for approvals"
    )
    webhook_secret_file: Path | None = Field(None, description="holds the secret that notices are signed with: whsec_…")
    webhook_ca_file: Path | None = Field(None, description="PEM certificates that the receiver's own is issued by")
    webhook_allow_http: bool = Field(False, description="take http:// for a receiver on this machine")
    webhook_timeout: float = Field(10.0, gt=0, le=60, description="longest wait for an answer of the receiver, seconds")

    @model_validator(mode="after")
    def _the_receiver_can_believe_it(self) -> Self:
        if self.webhook_url is None:
            return self
        address = Address.parse(self.webhook_url)
        if address.scheme == "http" and not self.webhook_allow_http:
            raise ValueError("webhook_url must be https://, or webhook_allow_http says that http:// will do here")
        if self.webhook_secret_file is None:
            raise ValueError("webhook_url needs webhook_secret_file, by which a receiver knows who tells it")
        return self

    @property
    def wait(self) -> timedelta:
        """``lifetime``."""
        return timedelta(seconds=self.lifetime)

    def below(self, base: Path) -> Self:
        """With relative paths beginning at ``base``."""
        files = {name: getattr(self, name) for name in ("webhook_secret_file", "webhook_ca_file")}
        return self.model_copy(update={name: path and base / path for name, path in files.items()})
