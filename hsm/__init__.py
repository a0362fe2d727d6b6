"""PKCS#11 tokens behind a few verbs: isolated in processes, self-healing, several at once.

``TokenPool`` is the way in. Needs the extra ``[hsm]`` where tokens are really opened; importing this needs only
``cryptography``.
"""

from hsm.algorithms import Algorithm
from hsm.config import PinSource, RestartPolicy, TokenConfig, TokenUri
from hsm.errors import TokenError
from hsm.inspection import inspect, list_slots
from hsm.keys import PinnedKey, TokenDescription, TokenHealth, TokenKey, TokenState
from hsm.pool import TokenPool
from hsm.process import TokenProcess

__all__ = [
    "Algorithm",
    "PinSource",
    "PinnedKey",
    "RestartPolicy",
    "TokenConfig",
    "TokenDescription",
    "TokenError",
    "TokenHealth",
    "TokenKey",
    "TokenPool",
    "TokenProcess",
    "TokenState",
    "TokenUri",
    "inspect",
    "list_slots",
]
