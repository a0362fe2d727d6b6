"""Keeps one process of a token alive: starts it, watches it, ends it when it hangs, replaces it.

1. One thread for one token, for as long as the token is in use.
2. A token that failed is tried again after growing, jittered delays. A replaced process has to make a signature with
   the key that was used last before requests are sent to it.
3. A refused PIN ends the trying until the file that holds the PIN changes.
"""

from __future__ import annotations

import os
import random
import select
import threading
from collections.abc import Callable
from dataclasses import replace

from hsm._channels import Channels, Lease
from hsm._child import Channel, ChannelClosed, ChannelTimeout, Child, spawn
from hsm._records import Capabilities, Setup, unpack_record
from hsm._wire import Kind, Op, Reply, Status, WireError, pack_signing, unpack_error, unpack_key
from hsm.config import RestartPolicy, TokenConfig
from hsm.errors import KeyProblem, TokenError, TokenUnavailable
from hsm.keys import TokenState
from hsm.pin import identity

PROBE = b"\x5a" * 32
MAX_DOUBLINGS = 20
PATIENT_FAILURES = 2
IDLE_LOOK = 60.0  # seconds after which the thread looks around although nothing happened


class Supervisor:
    """Owner of the processes of one token. ``channels`` is how requests reach the current one."""

    def __init__(self, config: TokenConfig, *, setup: Setup, policy: RestartPolicy, clock: Callable[[], float]) -> None:
        self._config = config
        self._setup = setup
        self._policy = policy
        self._clock = clock
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._waking = threading.Lock()
        self._closing = threading.Event()
        self._failures = 0
        self._ready_since: float | None = None
        self._served = False
        self._jitter = random.SystemRandom()
        self.last_key: bytes | None = None  # packed; plain attribute because every signature sets it
        self.channels = Channels(config.name, clock=clock, wake=self.wake)
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
            child, error = self._one_life()
            self._account()
            if self._closing.is_set():
                state, due = TokenState.CLOSED, None
            elif error.final:
                state, due = TokenState.REFUSED, None
            else:
                state, due = TokenState.WAITING, self._clock() + self._delay()
            pin = self._pin_identity()
            self.channels.withdraw(state, error, due=due, hopeful=self._hopeful(state))
            if child is not None:
                child.reap()
            self._rest(due, pin)
        self.channels.withdraw(TokenState.CLOSED, None)

    def _one_life(self) -> tuple[Child | None, TokenError]:
        """Start a process and stay with it to its end; returns it, dismissed, and why."""
        try:
            child = spawn(self._setup, channels=self._config.sessions + 1, environment=self._config.environment)
        except OSError as failed:
            return None, self._unavailable(os.strerror(failed.errno or 0))
        try:
            capabilities = self._opened(child)
            self._probe(child, capabilities)
            self.channels.publish(child, capabilities)
            self._ready_since = self._clock()
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
        if self._ready_since is None:
            for channel in child.channels:
                channel.close()
        child.dismiss()
        return child, error

    def _opened(self, child: Child) -> Capabilities:
        """Wait for the lock and then for the token, each for as long as a start may take."""
        for _ in range(2):
            event = self._event(child.life, self._config.start_timeout)
            if event.status is Status.READY:
                return _parsed(event)
        raise ChannelClosed

    def _event(self, life: Channel, timeout: float) -> Reply:
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
        if self._failures == 0 or self.last_key is None:
            return
        digest = unpack_key(self.last_key).algorithm in capabilities.by_digest
        channel = child.channels[-1]
        channel.send(Op.SIGN, pack_signing(self.last_key, Kind.DIGEST if digest else Kind.MESSAGE, PROBE))
        reply = channel.receive(self._config.sign_timeout)
        if reply.status is not Status.DONE and not isinstance(error := _error(reply), KeyProblem):
            raise error

    def _watch(self, child: Child) -> None:
        """Returns when the token is closed; raises when the process ends, leaves or hangs."""
        while not self._closing.is_set():
            if not self.channels.serves(child):
                raise ChannelClosed
            leases = self.channels.left_behind()
            patience = min((lease.hung_at for lease in leases), default=self._clock() + IDLE_LOOK) - self._clock()
            if patience <= 0:
                raise ChannelTimeout
            readable = self._poll([child.life, *(lease.channel for lease in leases)], patience)
            for lease in leases:
                if lease.channel in readable:
                    self._discard(lease)
            if child.life in readable:
                self._event(child.life, 0)

    def _discard(self, lease: Lease) -> None:
        """Throw an answer away that came too late; after the last part the channel is free again."""
        if lease.channel.receive(0).status is not Status.ITEM:
            self.channels.recover(lease)

    def _poll(self, channels: list[Channel], timeout: float) -> list[Channel]:
        poller = select.poll()
        poller.register(self._wake, select.POLLIN)
        for channel in channels:
            poller.register(channel, select.POLLIN)
        ready = {descriptor for descriptor, _ in poller.poll(max(0.0, timeout) * 1000)}
        if self._wake in ready:
            os.eventfd_read(self._wake)
        return [channel for channel in channels if channel.fileno() in ready]

    def _account(self) -> None:
        healthy = self._ready_since is not None and (self._clock() - self._ready_since >= self._policy.healthy_after)
        self._failures = 1 if healthy else self._failures + 1
        self._served = self._ready_since is not None
        self._ready_since = None

    def _delay(self) -> float:
        doublings = min(self._failures - 1, MAX_DOUBLINGS)
        delay = min(self._policy.maximum, self._policy.initial * 2.0**doublings)
        return delay * self._jitter.uniform(0.5, 1.0)

    def _hopeful(self, state: TokenState) -> bool:
        """Whether requests may wait: for a replacement, not for a token that cannot be opened again and again."""
        return state is TokenState.WAITING and (self._served or self._failures <= PATIENT_FAILURES)

    def _rest(self, due: float | None, pin: str | None) -> None:
        """Wait until the next attempt is due; without a date, until another PIN may be there."""
        while not self._closing.is_set():
            left = self._policy.maximum if due is None else due - self._clock()
            if due is not None and left <= 0:
                break
            self._poll([], left)
            if due is None and self._pin_identity() != pin:
                break
        if not self._closing.is_set():
            self.channels.withdraw(TokenState.STARTING, None)

    def _pin_identity(self) -> str | None:
        if self._setup.pin_file is None:
            return None
        try:
            return identity(os.stat(self._setup.pin_file))  # noqa: PTH116  (the same status that the process reads)
        except OSError:
            return None

    def _unavailable(self, reason: str) -> TokenUnavailable:
        return TokenUnavailable(token=self._config.name, reason=reason)


def _parsed(event: Reply) -> Capabilities:
    try:
        return unpack_record(Capabilities, event.body)
    except WireError:
        raise ChannelClosed from None


def _error(reply: Reply) -> TokenError:
    try:
        return unpack_error(reply.body)
    except WireError:
        raise ChannelClosed from None
