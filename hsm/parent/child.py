"""Starts the process of a token and talks to it: the parent's side of the sockets.

1. The process is started by a fork that immediately becomes a fresh interpreter, in isolated mode, in a session of
   its own, with nothing but its sockets, the PIN's descriptor and the environment of the configuration.
2. The kernel ends a process when the *thread* that started it ends, so children are started by threads that live as
   long as they do.
3. Each channel carries one request at a time; a caller that stops waiting leaves its channel behind, and nobody else
   gets it before the answer was thrown away.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from hsm.parent.interpreter import isolated
from hsm.protocol.messages import MAX_FRAME, Op, ReplyMessage, parse_reply, request
from hsm.protocol.records import Setup, pack_record
from hsm.protocol.values import WireError

WAIT_AFTER_DISMISSAL = 2.0
WAIT_AFTER_KILL = 5.0
WORKER = "hsm.worker.main:main"
_INHERITED = ("HOME", "TZ")


class ChannelClosed(Exception):
    """The process has ended, or has said something that it cannot have meant."""


class ChannelTimeout(Exception):
    """No answer within the time allowed."""


class Channel:
    """One socket to the process, for one request at a time. Times are seconds."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._socket = connection
        self._poller = select.poll()
        self._poller.register(connection, select.POLLIN)
        self._buffer = memoryview(bytearray(MAX_FRAME + 1))
        self._last = 0

    def fileno(self) -> int:
        """The descriptor, for pollers."""
        return self._socket.fileno()

    def send(self, op: Op, body: bytes) -> None:
        """Send one request; raises ``ChannelClosed``."""
        self._last = (self._last + 1) & 0xFFFFFFFF
        try:
            self._socket.send(request(op, self._last, body))
        except OSError:
            raise ChannelClosed from None

    def post(self, op: Op, body: bytes) -> int | None:
        """Send one of several requests; returns its number, None while there is no room. Raises ``ChannelClosed``."""
        number = (self._last + 1) & 0xFFFFFFFF
        try:
            self._socket.send(request(op, number, body))
        except BlockingIOError:
            return None
        except OSError:
            raise ChannelClosed from None
        self._last = number
        return number

    def arrived(self) -> ReplyMessage | None:
        """The next message to whichever request, None while there is none. Raises ``ChannelClosed``."""
        try:
            size = self._socket.recv_into(self._buffer)
            return parse_reply(bytes(self._buffer[:size]))
        except BlockingIOError:
            return None
        except (OSError, WireError):
            raise ChannelClosed from None

    def receive(self, timeout: float) -> ReplyMessage:
        """One reply to the request that was sent; raises ``ChannelTimeout`` or ``ChannelClosed``."""
        reply = self.event_within(timeout)
        if reply.id != self._last:
            raise ChannelClosed
        return reply

    def event_within(self, timeout: float) -> ReplyMessage:
        """The next message, whatever it belongs to; raises as ``receive``."""
        if not self._poller.poll(max(0.0, timeout) * 1000):
            raise ChannelTimeout
        return self.event()

    def event(self) -> ReplyMessage:
        """The next message, which has arrived; raises ``ChannelClosed``."""
        try:
            size = self._socket.recv_into(self._buffer)
            return parse_reply(bytes(self._buffer[:size]))
        except (OSError, WireError):  # the end of the stream is a message without a head
            raise ChannelClosed from None

    def close(self) -> None:
        """Close this end."""
        self._socket.close()


@dataclass(frozen=True, slots=True, eq=False)
class Child:
    """A running process of a token. ``life`` tells how it fares; ``channels`` take requests."""

    popen: subprocess.Popen[bytes]
    life: Channel
    channels: tuple[Channel, ...]

    def dismiss(self) -> None:
        """Tell it to end: it does so at once, unless it is just writing to the token.

        It is told and not killed, because it alone knows whether it writes, and a token that is cut off then may lose
        every key.
        """
        self.life.close()

    def reap(self) -> None:
        """Wait for its end, and enforce it where it does not come.

        Bounded: a process that even the kernel cannot end is left to the kernel.
        """
        self.dismiss()
        try:
            self.popen.wait(WAIT_AFTER_DISMISSAL)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            with suppress(subprocess.TimeoutExpired):
                self.popen.wait(WAIT_AFTER_KILL)


def spawn(setup: Setup, *, channels: int, environment: Mapping[str, str]) -> Child:
    """Start a process and send it its set-up.

    The calling thread has to outlive the process. Raises ``OSError`` where the system gives no process or sockets.
    """
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(channels + 1)]
    try:
        popen = _started([theirs for _, theirs in pairs], environment, setup.pin_fd)
    except BaseException:
        for ours, _ in pairs:
            ours.close()
        raise
    finally:
        for _, theirs in pairs:
            theirs.close()
    life, *others = (Channel(ours) for ours, _ in pairs)
    with suppress(ChannelClosed):  # it has ended already: whoever waits for it is told
        life.send(Op.SETUP, pack_record(setup))
    return Child(popen, life, tuple(others))


def _started(
    sockets: list[socket.socket], environment: Mapping[str, str], pin_fd: int | None
) -> subprocess.Popen[bytes]:
    descriptors = [item.fileno() for item in sockets]
    numbers = [str(number) for number in (os.getpid(), *descriptors)]
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return subprocess.Popen(  # noqa: S603  (our own interpreter, fixed arguments)
        isolated(WORKER, *numbers),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **inherited, **environment},
        pass_fds=[*descriptors, *([] if pin_fd is None else [pin_fd])],
        start_new_session=True,
    )
