"""Keeps one process of a token alive: starts it, watches it, ends it when it hangs, replaces it.

1. One thread for one token, for as long as the token is in use. It alone starts, dismisses and reaps processes: the
   kernel ends a process when the thread that started it ends.
2. A token that failed is tried again after growing, jittered delays. A replaced process has to make a signature with
   the key that was used last before requests are sent to it.
3. A refused PIN ends the trying until the file that holds the PIN changes.
4. No lock is held while this thread waits, polls or reaps. What it found goes to ``TokenStatus`` and ``ChannelPool``
   in one hold of the token's lock, so that nobody sees a process without its state.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from dataclasses import replace

from hsm.config import RestartPolicy, TokenConfig, file_identity
from hsm.errors import KeyProblem, TokenError, TokenUnavailable
from hsm.parent.channel_pool import ChannelPool, Lease
from hsm.parent.child import Channel, ChannelClosed, ChannelTimeout, Child, spawn
from hsm.parent.status import TokenStatus
from hsm.protocol.messages import Op, ReplyMessage, Status
from hsm.protocol.records import Capabilities, Setup, unpack_record
from hsm.protocol.refusals import unpack_error
from hsm.protocol.signing import Outcome, PayloadKind, pack_batch, unpack_answers, unpack_key
from hsm.protocol.values import WireError

PROBE = b"\x5a" * 32
OTHER_CHANNELS = 2  # for what is not a signature, and for an event loop
INTERPRETER_START = 2.0  # seconds from the start of a process to its first wait
IDLE_LOOK = 60.0  # seconds after which the thread looks around although nothing happened


class Supervisor:
    """Keeper of the processes of one token. ``status``: how it fares; ``channels``: how requests reach its process."""

    def __init__(self, config: TokenConfig, *, setup: Setup, policy: RestartPolicy, clock: Callable[[], float]) -> None:
        self._config = config
        self._setup = setup
        self._policy = policy
        self._clock = clock
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._waking = threading.Lock()  # guards the number of ``_wake`` alone: it may be closed while others wake
        self._closing = threading.Event()
        self.status = TokenStatus(config.name, policy=policy, clock=clock)
        self.channels = ChannelPool(self.status, clock=clock, wake=self.wake)
        self._thread = threading.Thread(target=self._run, name=f"token {config.name}", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def close(self, timeout: float) -> None:
        """End the process and the thread; returns when both are gone, or after ``timeout`` seconds."""
        self._closing.set()
        self.wake()
        self._thread.join(timeout)
        if not self._thread.is_alive():
            with self._waking:
                descriptor, self._wake = self._wake, -1
            os.close(descriptor)

    def wake(self) -> None:
        """Make the thread look again."""
        with self._waking:
            if self._wake >= 0:
                os.eventfd_write(self._wake, 1)

    def _run(self) -> None:
        while not self._closing.is_set():
            # Looked at before the process reads it: a PIN that comes while another is being refused is tried too. Where
            # it was the one that was refused, this costs no attempt: its refusal is remembered.
            source = self._pin_identity()
            child, error = self._one_life()
            due = self._withdraw(error)
            # Reaping waits until a login or a write that is under way has ended: a token that is cut off while it is
            # written may be lost. Requests are told meanwhile, because the process was withdrawn before.
            if child is not None:
                child.reap()
            self._rest(due, source)
        self._withdraw(None)

    def _withdraw(self, error: TokenError | None) -> float | None:
        """No process takes requests; returns when the next attempt is due."""
        with self.status.lock:
            self.channels.withdraw()
            if error is not None and not self._closing.is_set():
                return self.status.ended(error)
            self.status.closed(error)
            return None

    def _one_life(self) -> tuple[Child | None, TokenError]:
        """Start a process and stay with it to its end; returns it, dismissed, and why."""
        try:
            child = spawn(
                self._setup, channels=self._config.sessions + OTHER_CHANNELS, environment=self._config.environment
            )
        except OSError as failed:
            return None, self._unavailable(os.strerror(failed.errno or 0))
        published = False
        try:
            capabilities = self._opened(child)
            self._probe(child, capabilities)
            self.channels.publish(child, capabilities)
            published = True
            self._watch(child)
            error: TokenError = self._unavailable("closed")
        except ChannelClosed:
            error = self._unavailable("process ended")
        except ChannelTimeout:
            error = self._unavailable("hung")
        except TokenError as told:
            error = replace(told, token=self._config.name)
        except Exception as fault:  # noqa: BLE001  (this thread is what mends the token: it must not end)
            error = self._unavailable(f"internal {type(fault).__name__}")
        if not published:  # nobody was lent one of them, so they are still this thread's to close
            for channel in child.channels:
                channel.close()
        child.dismiss()
        return child, error

    def _opened(self, child: Child) -> Capabilities:
        """Wait for the lock and then for the token, each for as long as a start may take.

        The process itself gives the lock up in that time and says so: for that it is given a little more.
        """
        for allowed in (self._config.start_timeout + INTERPRETER_START, self._config.start_timeout):
            event = self._event(child.life, allowed)
            if event.status is Status.READY:
                return _parsed(event)
        raise ChannelClosed

    def _event(self, life: Channel, timeout: float) -> ReplyMessage:
        """The next message about the process's life; raises what it leaves with, or ``ChannelTimeout``."""
        deadline = self._clock() + timeout
        while not self._poll([life], deadline - self._clock()):
            if self._closing.is_set():
                raise ChannelClosed
            if self._clock() >= deadline:
                raise ChannelTimeout
        event = life.event()
        if event.status is Status.LEAVING:
            raise _error(event)
        return event

    def _probe(self, child: Child, capabilities: Capabilities) -> None:
        """After a failure: make a signature with the key used last. That a key is missing is an answer too."""
        last_key = self.status.last_key
        if last_key is None or not self.status.failed_before:
            return
        digest = unpack_key(last_key).algorithm in capabilities.by_digest
        kind = PayloadKind.DIGEST if digest else PayloadKind.MESSAGE
        channel = child.channels[-1]
        channel.send(Op.SIGN, pack_batch([last_key], [(0, kind, PROBE)]))
        ((_, outcome),) = _answers(channel.receive(self._config.sign_timeout))
        if isinstance(outcome, TokenError) and not isinstance(outcome, KeyProblem):
            raise outcome

    def _watch(self, child: Child) -> None:
        """Returns when the token is closed; raises when the process ends, leaves or hangs."""
        while not self._closing.is_set():
            if not self.channels.serves(child):
                raise ChannelClosed
            leases = self.channels.left_behind()
            left = min((lease.hung_at for lease in leases), default=self._clock() + IDLE_LOOK) - self._clock()
            if left <= 0:
                raise ChannelTimeout
            readable = self._poll([child.life, *(lease.channel for lease in leases)], left)
            for lease in leases:
                if lease.channel in readable:
                    self._discard(lease)
            if child.life in readable:
                self._event(child.life, 0)

    def _discard(self, lease: Lease) -> None:
        """Throw an answer away that came too late; after the last part the channel is free again."""
        if lease.channel.receive(0).status is not Status.ITEM:
            self.channels.recover(lease)
        else:
            lease.hung_at = self._clock() + self._config.sign_timeout  # each part is a sign of life

    def _poll(self, channels: list[Channel], timeout: float) -> list[Channel]:
        poller = select.poll()
        poller.register(self._wake, select.POLLIN)
        for channel in channels:
            poller.register(channel, select.POLLIN)
        ready = {descriptor for descriptor, _ in poller.poll(max(0.0, timeout) * 1000)}
        if self._wake in ready:
            os.eventfd_read(self._wake)
        return [channel for channel in channels if channel.fileno() in ready]

    def _rest(self, due: float | None, source: str | None) -> None:
        """Wait until the next attempt is due; without a date, until another PIN may be there."""
        while not self._closing.is_set():
            left = self._policy.maximum if due is None else due - self._clock()
            if due is not None and left <= 0:
                break
            self._poll([], left)
            if due is None and self._pin_identity() != source:
                break
        if not self._closing.is_set():
            self.status.starting()

    def _pin_identity(self) -> str | None:
        if self._setup.pin_file is None:
            return None
        try:
            return file_identity(os.stat(self._setup.pin_file))  # noqa: PTH116  (the same status that the process reads)
        except OSError:
            return None

    def _unavailable(self, reason: str) -> TokenUnavailable:
        return TokenUnavailable(token=self._config.name, reason=reason)


def _parsed(event: ReplyMessage) -> Capabilities:
    try:
        return unpack_record(Capabilities, event.body)
    except WireError:
        raise ChannelClosed from None


def _answers(reply: ReplyMessage) -> list[tuple[int, Outcome]]:
    try:
        answers = unpack_answers(reply.body)
    except WireError:
        raise ChannelClosed from None
    if len(answers) != 1:
        raise ChannelClosed
    return answers


def _error(reply: ReplyMessage) -> TokenError:
    try:
        return unpack_error(reply.body)
    except WireError:
        raise ChannelClosed from None
