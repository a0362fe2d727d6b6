"""``[server_certificates]``: what is made for TLS servers, and how long devices have to learn of it."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from signer.settings_section import Section

DAY = 86_400.0


class ServerCertificateSettings(Section):
    """``[server_certificates]``: certificates of TLS servers, this service's own among them."""

    directory: Path = Field(Path("server-certificates"), description="directory for the private halves made here")
    days: int = Field(825, ge=1, le=36_500, description="for how long a certificate made here is valid, days")
    margin: float = Field(
        DAY, ge=0, le=7 * DAY, description="how long before it is made it begins, for clocks that are behind, seconds"
    )
    publish_days: int = Field(
        14, ge=0, le=3650, description="for how long its bundle has to be out before a certificate is switched to, days"
    )

    def below(self, base: Path) -> ServerCertificateSettings:
        """The same with absolute paths."""
        return self.model_copy(update={"directory": base / self.directory})
