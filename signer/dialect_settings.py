"""``[dialects.vault]`` and ``[dialects.signserver]``: where clients of other products find what they know."""

from __future__ import annotations

from itertools import permutations
from typing import Any

from pydantic import Field, field_validator

from signer.domain.dialects import MOUNT, NATIVE_SEGMENTS
from signer.settings_section import Section

MAX_MOUNTS = 16


class VaultSettings(Section):
    """``[dialects.vault]``: the transit engine of HashiCorp Vault."""

    mounts: tuple[str, ...] = Field(("transit",), description="paths below /v1/ where it is found; empty: nowhere")

    @field_validator("mounts", mode="before")
    @classmethod
    def _a_variable_lists_mounts_with_commas(cls, value: Any) -> Any:
        return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value

    @field_validator("mounts")
    @classmethod
    def _mounts_are_told_apart(cls, mounts: tuple[str, ...]) -> tuple[str, ...]:
        if len(mounts) > MAX_MOUNTS:
            raise ValueError(f"has more than {MAX_MOUNTS} mounts")
        for mount in mounts:
            if not MOUNT.fullmatch(mount) or ".." in mount:
                raise ValueError("must be paths of letters, digits, dots, hyphens and underscores")
            if mount.partition("/")[0] in NATIVE_SEGMENTS:
                raise ValueError(f"the service has paths of its own below /v1/{mount.partition('/')[0]}")
        if any(f"{one}/".startswith(f"{other}/") for one, other in permutations(mounts, 2)):
            raise ValueError("one mount lies in another one")
        return mounts


class SignServerSettings(Section):
    """``[dialects.signserver]``: the workers of Keyfactor SignServer."""

    enabled: bool = Field(True, description="whether keys are found as its workers")


class DialectSettings(Section):
    """``[dialects]``: one table for each."""

    vault: VaultSettings = VaultSettings()  # type: ignore[call-arg]
    signserver: SignServerSettings = SignServerSettings()  # type: ignore[call-arg]
