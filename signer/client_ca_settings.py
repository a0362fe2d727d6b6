"""``[[client_ca]]``: whose client certificates are taken, and what in them names their holders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from signer.domain.client_choices import CaUse, IdentityField
from signer.settings_section import Section


class ClientCaSettings(Section):
    """One ``[[client_ca]]`` table: a CA that issues clients' certificates."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$", description="what rules call it: mtls:NAME:…")]
    file: Path = Field(description="PEM certificates of the CA, each of which issues clients' certificates itself")
    use: CaUse = Field(description="identity: its certificates name callers; device: they name devices")
    field: IdentityField | None = Field(None, description="what names a caller in a certificate; for identities only")

    @model_validator(mode="after")
    def _callers_are_named_and_devices_are_not(self) -> Self:
        if (self.use is CaUse.IDENTITY) != (self.field is not None):
            raise ValueError('needs field with use = "identity", and has none with use = "device"')
        return self

    def below(self, base: Path) -> Self:
        """With a relative path beginning at ``base``."""
        return self.model_copy(update={"file": base / self.file})
