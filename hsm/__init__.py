"""PKCS#11 tokens behind a few verbs: isolated in processes, self-healing, several at once.

``TokenPool`` is the way in. Needs the extra ``[hsm]`` where tokens are really opened; importing this needs only
``cryptography``.
"""

from hsm.algorithms import Algorithm
from hsm.async_signer import AsyncSigner
from hsm.config import PinSource, RestartPolicy, TokenConfig, TokenUri
from hsm.errors import TokenError
from hsm.inspection import inspect, list_slots
from hsm.parent.interpreter import isolated
from hsm.parent.pin_source import sealed_pin_source
from hsm.pool import TokenPool
from hsm.types import PinnedKey, SignRequest, TokenDescription, TokenHealth, TokenKey, TokenState

__all__ = [
    "Algorithm",
    "AsyncSigner",
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
