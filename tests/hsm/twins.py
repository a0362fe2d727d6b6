"""Two tokens with the same key, in one pool."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from hsm import PinnedKey, TokenConfig, TokenPool
from tests.hsm.shim import Shim
from tests.hsm.softhsm import cloned


@dataclass(frozen=True, slots=True, kw_only=True)
class Twins:
    """The first token can be made to misbehave; both tell how often they signed."""

    pool: TokenPool
    key: PinnedKey
    first: Shim
    second: Shim


def make_twins(
    shim: Shim, directory: Path, open_pool: Callable[..., TokenPool], make_key: Callable[[TokenPool], PinnedKey]
) -> Twins:
    """A key is made in the token of ``shim``, which is then cloned."""
    alone = open_pool(shim.hsm.config)
    key = make_key(alone)
    alone.close()
    second = cloned(shim.hsm, directory, name="second")
    # The second one must not follow the commands that are meant for the first.
    control, calls = directory / "never", directory / "second.calls"
    environment = {**second.config.environment, "SHIM_CONTROL": str(control), "SHIM_CALLS": str(calls)}
    config: TokenConfig = second.with_(environment=environment)
    second = replace(second, config=config)
    pool = open_pool(shim.hsm.with_(sign_timeout=0.5), second.config)
    return Twins(pool=pool, key=key, first=shim, second=Shim(hsm=second, control=control, log=shim.log, calls=calls))
