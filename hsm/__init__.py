"""PKCS#11 tokens behind a few verbs: isolated in processes, self-healing, several at once.

``TokenPool`` is the way in. Needs the extra ``[hsm]`` where tokens are really opened; importing this needs only
``cryptography``. Names are imported when they are first used: the process of a token, which imports ``hsm.worker``,
starts in half the time without what its parent needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hsm.algorithms import Algorithm
    from hsm.async_signer import AsyncSigner
    from hsm.config import PinSource, RestartPolicy, TokenConfig, TokenUri
    from hsm.errors import TokenError
    from hsm.inspection import inspect, list_slots
    from hsm.parent.interpreter import isolated
    from hsm.parent.pin_source import sealed_pin_source
    from hsm.pool import TokenPool
    from hsm.types import KeyMaterial, PinnedKey, SignRequest, TokenDescription, TokenHealth, TokenKey, TokenState

__all__ = [
    "Algorithm",
    "AsyncSigner",
    "KeyMaterial",
    "PinSource",
    "PinnedKey",
    "RestartPolicy",
    "SignRequest",
    "TokenConfig",
    "TokenDescription",
    "TokenError",
    "TokenHealth",
    "TokenKey",
    "TokenPool",
    "TokenState",
    "TokenUri",
    "inspect",
    "isolated",
    "list_slots",
    "sealed_pin_source",
]

_HOMES = {
    "algorithms": ("Algorithm",),
    "async_signer": ("AsyncSigner",),
    "config": ("PinSource", "RestartPolicy", "TokenConfig", "TokenUri"),
    "errors": ("TokenError",),
    "inspection": ("inspect", "list_slots"),
    "parent.interpreter": ("isolated",),
    "parent.pin_source": ("sealed_pin_source",),
    "pool": ("TokenPool",),
    "types": ("KeyMaterial", "PinnedKey", "SignRequest", "TokenDescription", "TokenHealth", "TokenKey", "TokenState"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
