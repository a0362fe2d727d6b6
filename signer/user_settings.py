"""``[users]``: how users prove who they are, and how often somebody may try."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field

from signer.settings_section import Section

DAY_SECONDS = 86_400.0


class UserSettings(Section):
    """``[users]``: logging in.

    The least that Argon2 may cost is what OWASP's Password Storage Cheat Sheet names: 19 MiB, two passes, one lane.
    """

    seal_key_file: Path | None = Field(None, description="32 bytes that second factors are sealed with")
    argon2_memory: int = Field(65_536, ge=19_456, le=1_048_576, description="of a look at a password, KiB")
    argon2_passes: int = Field(3, ge=2, le=32, description="passes over that memory")
    argon2_lanes: int = Field(1, ge=1, le=8, description="lanes of that memory")
    hashing_threads: int = Field(1, ge=1, le=16, description="passwords looked at at once, per worker")
    hashing_waiting: int = Field(16, ge=0, le=1024, description="how many more may wait for each of them")
    login_attempts: int = Field(
        5, ge=1, le=1000, description="wrong logins to an account from one address at once, and in login_period"
    )
    login_period: float = Field(
        300.0, ge=10, le=DAY_SECONDS, description="after which as many are heard again, seconds"
    )

    def below(self, base: Path) -> Self:
        """With relative paths beginning at ``base``."""
        return self.model_copy(update={"seal_key_file": self.seal_key_file and base / self.seal_key_file})
