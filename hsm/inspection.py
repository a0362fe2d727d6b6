"""Looks at tokens without login, in a process that ends afterwards: nothing is spent, nothing stays open."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from hsm.config import TokenConfig, TokenUri
from hsm.errors import DeadlineExceeded, TokenNotFound, TokenUnavailable
from hsm.parent.child import ChannelClosed, ChannelTimeout, Child, spawn
from hsm.parent.lock_location import lock_directory, lock_group
from hsm.parent.status import TYPICAL_START
from hsm.protocol.messages import Status
from hsm.protocol.records import Setup, unpack_record
from hsm.protocol.refusals import unpack_error
from hsm.protocol.values import WireError
from hsm.types import TokenDescription

# The wait for the opening lock ends before the look does: who keeps it is told, and not that the token hangs.
LOCK_SHARE = 0.5


def list_slots(
    module_path: Path,
    environment: Mapping[str, str],
    *,
    timeout: float = 30.0,
    clock: Callable[[], float] = time.monotonic,
    directory: Path | None = None,
) -> tuple[TokenDescription, ...]:
    """Every token that the module shows, initialised or not. ``directory``: of locks, as in ``TokenConfig``.

    Raises ``TokenError``.
    """
    return _looked(module_path, TokenUri(), environment, directory, timeout, clock)


def inspect(
    config: TokenConfig, *, timeout: float = 30.0, clock: Callable[[], float] = time.monotonic
) -> TokenDescription:
    """The token that ``config`` means; raises ``TokenError``."""
    found = _looked(config.module_path, config.uri, config.environment, config.lock_directory, timeout, clock)
    if not found:
        raise TokenNotFound(token=config.name, reason="no slot holds it")
    return found[0]


def _looked(
    module: Path,
    uri: TokenUri,
    environment: Mapping[str, str],
    directory: Path | None,
    timeout: float,
    clock: Callable[[], float],
) -> tuple[TokenDescription, ...]:
    setup = Setup.of(
        module,
        uri,
        lock_directory=lock_directory(directory, os.environ),
        lock_group=lock_group(module, environment),
        inspect_only=True,
    )
    deadline = clock() + timeout
    try:
        child = spawn(replace(setup, grace=LOCK_SHARE * timeout), channels=0, environment=environment)
    except OSError as failed:
        raise TokenUnavailable(reason=os.strerror(failed.errno or 0), retry_after=TYPICAL_START) from None
    try:
        return tuple(_described(child, deadline, clock))
    except ChannelTimeout:
        raise DeadlineExceeded(timeout=timeout) from None
    except (ChannelClosed, WireError):
        raise TokenUnavailable(reason="process ended", retry_after=TYPICAL_START) from None
    finally:
        child.reap()


def _described(child: Child, deadline: float, clock: Callable[[], float]) -> list[TokenDescription]:
    found = []
    while True:
        event = child.life.event_within(deadline - clock())
        match event.status:
            case Status.ITEM:
                found.append(unpack_record(TokenDescription, event.body))
            case Status.LEAVING:
                raise unpack_error(event.body)
            case Status.DONE:
                return found
