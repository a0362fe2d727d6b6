"""Keeps a recorder running beside the workers: for the process that starts them all.

1. The lock of the installation is taken first, before anything of another service on it could be touched. It lasts
   as long as any process that inherited it, this one's workers and the recorder among them.
2. The listening socket outlives each recorder: what workers send while there is none waits in it for the next.
3. A recorder that ends is started again, with growing delays; one that leaves a ping unanswered is killed first.
   Nothing here waits: ``look`` is called again and again by a loop that has other things to do.
4. One that does not answer at the end is killed too: it would keep the lock, and the next service would be refused.
"""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import subprocess
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from hsm import isolated
from signer.errors import InstallationInUse
from signer.recorder.addresses import connected, listening, socket_path
from signer.recorder.protocol import FrameError, FrameReader, Ping, frame, parsed_answers
from signer.recorder.setup import PATIENCE_SECONDS

logger = logging.getLogger("artifact-signer.recorder")

LOCK = "lock"
ENTRY = "signer.recorder.main:main"
OWNER_ONLY = 0o700
PING_SECONDS = 1.0
# A process has to be loaded before it answers for the first time, on a machine that may be busy.
START_SECONDS = 60.0
RECEIVED_BYTES = 1 << 12
SHORTEST_DELAY = 0.05
LONGEST_DELAY = 5.0
# After so long without an end, the next end is a new trouble and not the old one: it is made good at once.
SETTLED_SECONDS = 5.0
LOCK_WAIT_SECONDS = 10.0
LOCK_LOOK_SECONDS = 0.05
# While its end is waited for.
LOOK_SECONDS = 0.01


class RecorderSupervisor:
    """One recorder, kept running.

    ``setup`` is its first line; ``inherited`` are descriptors that it reads PINs from, and ``hidden`` names variables
    that it must not see.
    """

    def __init__(
        self,
        *,
        directory: Path,
        setup: bytes,
        inherited: Collection[int] = (),
        hidden: Collection[str] = (),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = socket_path(directory)
        self._setup = setup
        self._inherited = tuple(inherited)
        self._hidden = frozenset(hidden)
        self._monotonic = monotonic
        self._lock: int | None = None
        self._listener: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline: int | None = None
        self._ping: _Pinger | None = None
        self._started_at = 0.0
        self._delay = 0.0
        self._due = 0.0

    @property
    def pid(self) -> int | None:
        """Of the recorder that runs; None between two."""
        return self._process.pid if self._process is not None else None

    def start(self, *, wait: float = LOCK_WAIT_SECONDS) -> None:
        """Take the installation and start a recorder.

        A recorder of a service that was killed is given ``wait`` seconds to end. Raises ``InstallationInUse``, or
        ``OSError`` where the folder cannot be made.
        """
        folder = self._path.parent
        folder.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
        folder.chmod(OWNER_ONLY)
        self._lock = _locked(folder / LOCK, wait)
        self._listener = listening(self._path)
        self._spawn()

    def look(self) -> None:
        """See how the recorder fares, and do what is to be done now; to be called about once a second, or oftener."""
        if self._process is not None and self._process.poll() is not None:
            self._gone()
        if self._process is None:
            if self._listener is not None and self._monotonic() >= self._due:
                self._spawn()
        elif self._ping is not None and not self._ping.answers():
            logger.error("the recorder does not answer and is killed")
            self._process.kill()
            self._ping.close()
            self._ping = None

    def close(self, *, wait: float = 0.0) -> None:
        """Let the recorder end as soon as no worker is connected to it.

        Wait for that for ``wait`` seconds, and kill it where it leaves a ping unanswered for so long. Without a wait
        it may outlive this process.
        """
        self._cut_lifeline()
        if self._ping is not None:
            self._ping.close()
        if self._listener is not None:
            self._listener.close()
        if self._lock is not None:
            os.close(self._lock)
        self._listener = self._lock = self._ping = None
        if self._process is not None and wait:
            self._see_out(self._process, wait)

    def _see_out(self, process: subprocess.Popen[bytes], wait: float) -> None:
        ping = _Pinger(self._path, self._monotonic, patience=wait)
        while process.poll() is None and not ping.answered:
            if not ping.answers():
                logger.error("the recorder does not answer and is killed")
                process.kill()
                break
            time.sleep(LOOK_SECONDS)
        # A connection that stays open would keep it.
        ping.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(wait)

    def _spawn(self) -> None:
        if self._listener is None or self._lock is None:
            raise RuntimeError("not started")
        theirs, self._lifeline = os.pipe()
        environment = {name: value for name, value in os.environ.items() if name not in self._hidden}
        descriptors = (self._listener.fileno(), theirs, self._lock)
        try:
            self._process = subprocess.Popen(  # noqa: S603  (our own interpreter, fixed arguments)
                isolated(ENTRY, *(str(number) for number in descriptors)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd="/",
                env=environment,
                pass_fds=(*descriptors, *self._inherited),
                # What a terminal sends to the service's group is not for it.
                start_new_session=True,
            )
        except OSError as error:
            logger.error("the recorder cannot be started: %s", os.strerror(error.errno or 0))  # noqa: TRY400
            self._gone()
            return
        finally:
            os.close(theirs)
        with suppress(BrokenPipeError):  # it has ended already: the next look finds that
            os.write(self._lifeline, self._setup)
        self._started_at = self._monotonic()
        self._ping = _Pinger(self._path, self._monotonic)

    def _gone(self) -> None:
        """Plan the next one: soon after the first end, later and later where ends follow each other."""
        now = self._monotonic()
        settled = now - self._started_at > SETTLED_SECONDS
        self._delay = 0.0 if settled else min(max(2 * self._delay, SHORTEST_DELAY), LONGEST_DELAY)
        self._due = now + self._delay
        logger.error("the recorder has ended, the next one starts in %.2f s", self._delay)
        self._process = None
        self._cut_lifeline()
        if self._ping is not None:
            self._ping.close()
            self._ping = None

    def _cut_lifeline(self) -> None:
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None


class _Pinger:
    """Asks the recorder now and then whether it answers, without ever waiting for it."""

    def __init__(self, path: Path, monotonic: Callable[[], float], *, patience: float = START_SECONDS) -> None:
        self._path = path
        self._monotonic = monotonic
        self._socket: socket.socket | None = None
        self._reader = FrameReader()
        self._asked: float | None = None
        self._next = monotonic()
        self._number = 0
        self._patience = patience

    def answers(self) -> bool:
        """Whether there is hope: False where a ping has waited for too long. Sends the next one when it is due."""
        now = self._monotonic()
        self._receive()
        if self._asked is None and now >= self._next:
            self._asked, self._next = now, now + PING_SECONDS
            self._number += 1
            self._send()
        return self._asked is None or now - self._asked <= self._patience

    @property
    def answered(self) -> bool:
        """Whether the newest ping was answered."""
        return self._number > 0 and self._asked is None

    def close(self) -> None:
        """Forget the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self) -> None:
        try:
            if self._socket is None:
                self._socket, self._reader = connected(self._path), FrameReader()
            self._socket.send(frame({"ping": self._number}))
        except OSError:  # no place in the queue, say: unanswered, it counts like any other
            self.close()

    def _receive(self) -> None:
        if self._socket is None:
            if self._asked is not None:
                self._send()
            return
        try:
            data = self._socket.recv(RECEIVED_BYTES)
            answers = [parsed_answers(body) for body in self._reader.feed(data)]
        except BlockingIOError:
            return
        except (OSError, FrameError):
            data, answers = b"", []
        if Ping(self._number) in answers:
            self._asked, self._patience = None, PATIENCE_SECONDS
        if not data:
            self.close()


def _locked(path: Path, wait: float) -> int:
    """The lock of an installation, taken; raises ``InstallationInUse``."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise InstallationInUse(lock=str(path)) from None
            time.sleep(LOCK_LOOK_SECONDS)
        else:
            return descriptor
