"""Processes agree who opens a token, and remember together which PIN source was refused.

1. Processes that open the same token at the same moment disturb each other in some modules, so opening (initialise,
   login, first look-up) happens under one file lock per module and environment. The lock ends with its process,
   however it ends.
2. Looking whether a name is free and making a key under it is one step, under a lock of its own: making may take
   minutes, and nobody who opens the token is to wait that long. A moment they do wait for each other: a software token
   that is opened while it is written may lose what is being written.
3. Every wait has an end: then it is said that another process keeps the lock, and not that the token hangs.
4. A refused PIN leaves a marker beside the lock, made under the lock: the next process finds it before it tries, so
   any number of processes with the same wrong PIN spend one attempt. The marker holds the identity of the PIN
   *source* (device, inode and times of the file), nothing of the PIN. A changed source is tried once.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

from hsm.errors import ConfigurationError, TokenBusy

MAX_MARKER = 1024
ASK_AGAIN = 0.01  # seconds
RETRY_AFTER = 1.0
APART = 0.25  # seconds for which a key that is being made keeps others from opening the token


class TokenLock:
    """The lock of one module and environment, and the markers of its tokens; ``directory`` exists.

    A token is named by its own description of itself, however the configuration selects it.
    """

    def __init__(self, directory: Path, *, group: str, clock: Callable[[], float]) -> None:
        self._directory = directory
        self._group = group
        self._clock = clock

    @contextmanager
    def opening(self, timeout: float) -> Iterator[None]:
        """Nobody else opens the token meanwhile, nor makes a key, unless that takes long.

        Waits at most ``timeout`` seconds for who opens it; raises ``TokenBusy``.
        """
        with self._held("lock", "another process keeps the opening lock", timeout), ExitStack() as apart:
            with suppress(TokenBusy):
                apart.enter_context(self.writing(APART))
            yield

    def writing(self, timeout: float) -> AbstractContextManager[None]:
        """Nobody else makes or removes keys meanwhile; as ``opening``."""
        return self._held("writing", "another process makes or removes a key", timeout)

    @contextmanager
    def _held(self, suffix: str, reason: str, timeout: float) -> Iterator[None]:
        path = self._directory / f"{self._group}.{suffix}"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o660)
        except OSError as error:
            raise unusable(error) from None
        try:
            self._take(descriptor, reason, self._clock() + timeout)
            yield
        finally:
            os.close(descriptor)

    def _take(self, descriptor: int, reason: str, deadline: float) -> None:
        # The kernel has no lock with a deadline: it is asked again and again, often enough for a start of many.
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self._clock() >= deadline:
                    raise TokenBusy(reason=reason, retry_after=RETRY_AFTER) from None
                time.sleep(ASK_AGAIN)
            else:
                return

    def refused(self, token: str) -> str | None:
        """The identity of the PIN source that the token refused last; None where it refused none."""
        try:
            return self._marker(token).read_bytes()[:MAX_MARKER].decode("utf-8", "replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise unusable(error) from None

    def refuse(self, token: str, identity: str) -> None:
        """Remember that the PIN from this source was refused."""
        marker = self._marker(token)
        temporary = marker.with_suffix(f".{os.getpid()}")
        try:
            temporary.write_text(identity, encoding="utf-8")
            temporary.replace(marker)
        except OSError as error:
            raise unusable(error) from None

    def accept(self, token: str) -> None:
        """The PIN is right: forget what was refused."""
        try:
            self._marker(token).unlink(missing_ok=True)
        except OSError as error:
            raise unusable(error) from None

    def _marker(self, token: str) -> Path:
        member = hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        return self._directory / f"{self._group}-{member}.refused"


def unusable(error: OSError) -> ConfigurationError:
    """The lock directory cannot be used; ``reason`` names the system's error."""
    return ConfigurationError(setting="lock_directory", reason=os.strerror(error.errno or 0))
