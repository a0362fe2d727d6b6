"""``[[client_ca]]``: whose client certificates are taken, and what in them names their holders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from signer.domain.client_choices import CaUse, IdentityField
from signer.settings_section import Section

KeyName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
DeviceAttribute = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[!-~]+$")]


class ClientCaSettings(Section):
    """One ``[[client_ca]]`` table: a CA that issues clients' certificates."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$", description="what rules call it: mtls:NAME:…")]
    file: Path = Field(description="PEM certificates of the CA, each of which issues clients' certificates itself")
    use: CaUse = Field(description="identity: its certificates name callers; device: they name devices")
    field: IdentityField | None = Field(None, description="what names a caller, or a device, in a certificate")
    attribute: DeviceAttribute | None = Field(
        None, description="member of a device's identity that has the same value; its devices are then accepted"
    )

    key: KeyName | None = Field(None, description="key of purpose device-ca that issues for this CA of devices")
    certificate_days: int = Field(365, ge=1, le=36_500, description="how long what it issues is valid")
    renewal_days: int = Field(90, ge=1, le=36_500, description="how long before its end a device may renew it")
    crl_days: int = Field(7, ge=1, le=365, description="how long a list of revoked certificates is valid")

    @model_validator(mode="after")
    def _what_issues_can_name_devices(self) -> Self:
        if self.key is None:
            return self
        if self.attribute is None or self.field is IdentityField.SUBJECT:
            raise ValueError("has a key, and needs attribute and a field other than subject")
        if self.renewal_days > self.certificate_days:
            raise ValueError("needs renewal_days no longer than certificate_days")
        return self

    @model_validator(mode="after")
    def _callers_are_named(self) -> Self:
        if self.use is CaUse.IDENTITY and (self.field is None or self.attribute is not None):
            raise ValueError('needs field with use = "identity", and has no attribute')
        if self.use is CaUse.DEVICE and (self.field is None) != (self.attribute is None):
            raise ValueError('has field and attribute, or neither, with use = "device"')
        return self

    def below(self, base: Path) -> Self:
        """With a relative path beginning at ``base``."""
        return self.model_copy(update={"file": base / self.file})
