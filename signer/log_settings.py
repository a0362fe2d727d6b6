"""``[log]``: the settings of the transparency log and of its witnesses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, field_validator

from signer.addresses import Address
from signer.settings_section import Section
from verifier.errors import VerifierKeyInvalid
from verifier.log import KeyType, VerifierKey


class WitnessSettings(Section):
    """One ``[[log.witnesses]]`` table: a witness that is asked to sign the log's checkpoints."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$", description="what the service calls it")]
    url: str = Field(description="https://HOST[:PORT][/PATH]; http:// on this machine only")
    verifier_key: str = Field(description="what its signatures verify with: name+id+base64")
    ca_file: Path | None = Field(None, description="PEM certificates that its own is issued by")

    @field_validator("url")
    @classmethod
    def _url_is_one(cls, url: str) -> str:
        Address.parse(url)
        return url

    @field_validator("verifier_key")
    @classmethod
    def _key_is_that_of_a_witness(cls, text: str) -> str:
        try:
            key = VerifierKey.parse(text)
        except VerifierKeyInvalid as error:
            raise ValueError(f"is not a verifier key: {error.problem}") from None
        if key.type is not KeyType.COSIGNATURE:
            raise ValueError("is the key of a log, not of a witness")
        return text


class LogSettings(Section):
    """``[log]``: the transparency log, in which every signature is recorded."""

    checkpoint_file: Path = Field(Path("log.checkpoint"), description="file of the newest checkpoint")
    failover_check: bool = Field(True, description="on PostgreSQL, look for lost leaves after a failover")
    witnesses: tuple[WitnessSettings, ...] = Field((), description="who is asked to sign checkpoints")
    witness_pause: float = Field(10.0, ge=1, le=3600, description="time between two rounds of asking, seconds")
    witness_timeout: float = Field(10.0, gt=0, le=60, description="longest wait for a witness, seconds")

    @field_validator("witnesses")
    @classmethod
    def _witnesses_differ(cls, witnesses: tuple[WitnessSettings, ...]) -> tuple[WitnessSettings, ...]:
        for values in ({each.name for each in witnesses}, {each.verifier_key for each in witnesses}):
            if len(values) != len(witnesses):
                raise ValueError("two witnesses have the same name or key")
        return witnesses

    @property
    def witness_file(self) -> Path:
        """Beside the checkpoint's file: what witnesses signed last, and what is wrong with them."""
        return self.checkpoint_file.with_name(self.checkpoint_file.name + ".witnesses")

    def below(self, base: Path) -> Self:
        """With relative paths beginning at ``base``."""
        witnesses = tuple(
            each.model_copy(update={"ca_file": None if each.ca_file is None else base / each.ca_file})
            for each in self.witnesses
        )
        return self.model_copy(update={"checkpoint_file": base / self.checkpoint_file, "witnesses": witnesses})
