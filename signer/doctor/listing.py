"""Everything that the configured modules show: slots, tokens, mechanisms, free space, flags. Nothing logs in."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hsm import TokenDescription
from hsm.config import TokenConfig
from hsm.errors import TokenError
from signer.config import Settings
from signer.doctor.token_conditions import configured, matches, slots

FLAGS = (
    "initialized",
    "login_required",
    "user_pin_initialized",
    "user_pin_count_low",
    "user_pin_final_try",
    "user_pin_locked",
    "write_protected",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A token in a slot. ``configured_as``: its name in the configuration; None where none means it."""

    description: TokenDescription
    configured_as: str | None

    def document(self) -> dict[str, Any]:
        """The JSON form: the description, its flags as a list of those that are set."""
        facts = asdict(self.description)
        flags = [name.replace("_", "-") for name in FLAGS if facts.pop(name)]
        for version in ("library_version", "cryptoki_version"):
            facts[version] = ".".join(map(str, facts[version]))
        return {"configured_as": self.configured_as, **facts, "flags": flags, "mechanisms": list(facts["mechanisms"])}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleListing:
    """What one module shows, or the code of why it shows nothing."""

    module: Path
    slots: tuple[Slot, ...] = ()
    error: str | None = None

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {"module": str(self.module), "error": self.error, "slots": [slot.document() for slot in self.slots]}


def listed(settings: Settings) -> tuple[ModuleListing, ...]:
    """Each module with its environment once, in the order of the configuration.

    Raises ``hsm.errors.ConfigurationError`` where a token's settings make no sense.
    """
    configs = [configured(settings, token) for token in settings.tokens]
    groups: dict[tuple[Path, tuple[tuple[str, str], ...]], list[TokenConfig]] = {}
    for config in configs:
        groups.setdefault((config.module_path, tuple(sorted(config.environment.items()))), []).append(config)
    return tuple(_module(module, group) for (module, _), group in groups.items())


def _module(module: Path, configs: list[TokenConfig]) -> ModuleListing:
    try:
        found = slots(configs[0])
    except TokenError as error:
        return ModuleListing(module=module, error=error.code)
    shown = tuple(Slot(description=item, configured_as=_name(item, configs)) for item in found)
    return ModuleListing(module=module, slots=shown)


def _name(found: TokenDescription, configs: list[TokenConfig]) -> str | None:
    return next((config.name for config in configs if matches(config, found)), None)
