"""One token in a process of its own: requests with deadlines, from any number of threads."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

from hsm.config import RestartPolicy, TokenConfig
from hsm.errors import ConfigurationError, DeadlineExceeded, TokenError, TokenUnavailable
from hsm.parent.channel_pool import ChannelPool, Lease
from hsm.parent.child import ChannelClosed, ChannelTimeout
from hsm.parent.lock_location import lock_directory, lock_group
from hsm.parent.pin_source import PinHandle
from hsm.parent.pin_source import handle as pin_handle
from hsm.parent.status import TokenStatus
from hsm.parent.supervisor import Supervisor
from hsm.protocol.messages import Op, ReplyMessage, Status
from hsm.protocol.records import Setup, unpack_record
from hsm.protocol.refusals import unpack_error
from hsm.protocol.signing import Outcome, unpack_answers
from hsm.protocol.values import WireError

CLOSE_TIMEOUT = 10.0
MAX_ITEMS = 20_000
# Waits inside the process end before the process counts as hung: being busy is told, not punished.
INNER_SHARE = 0.8

Record = TypeVar("Record")


class TokenClient:
    """A token behind its process. Every verb raises ``TokenError``; deadlines are readings of ``clock``."""

    def __init__(
        self,
        config: TokenConfig,
        *,
        policy: RestartPolicy | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config = config
        self._clock = clock
        self._policy = policy or RestartPolicy()
        self._pin: PinHandle | None = None
        self._supervisor: Supervisor | None = None
        self._pid = 0
        self.loop_load = 0  # requests of an event loop, which alone writes it

    def start(self) -> None:
        """Start the process and what keeps it alive; returns before the token is ready.

        Raises ``ConfigurationError`` where the PIN source or the lock directory cannot be used at all.
        """
        if self._supervisor is not None:
            return
        config = self.config
        directory = lock_directory(config.lock_directory, os.environ)
        self._pin = pin = pin_handle(config.pin_source, os.environ, clock=self._clock)
        setup = replace(
            Setup.of(
                config.module_path,
                config.uri,
                lock_directory=directory,
                lock_group=lock_group(config.module_path, config.environment),
            ),
            pin_file=None if pin.file is None else str(pin.file),
            pin_fd=pin.fd,
            pin_identity=pin.identity,
            sessions=config.sessions,
            timeout=INNER_SHARE * config.sign_timeout,
            grace=config.start_timeout,
        )
        self._pid = os.getpid()
        self._supervisor = Supervisor(config, setup=setup, policy=self._policy, clock=self._clock)
        self._supervisor.start()

    def close(self) -> None:
        """End the process; requests under way end as unavailable."""
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None and self._pid == os.getpid():
            supervisor.close(CLOSE_TIMEOUT)
        if self._pin is not None:
            self._pin.close()
            self._pin = None

    def begin(self, body: bytes, count: int, *, deadline: float) -> Exchange:
        """Send a batch of ``count`` items; its answers are to be taken, or the exchange closed."""
        lease = self._running().channels.borrow(control=False, deadline=deadline, weight=count)
        lease.hung_at = self._clock() + self.config.sign_timeout
        try:
            lease.channel.send(Op.SIGN, body)
        except BaseException as fault:  # noqa: BLE001  (whatever it is, the lease is handed on, and it is raised)
            raise self.handed_on(lease, fault, allowed=0.0) from None
        return Exchange(self, lease, count, deadline=deadline, clock=self._clock)

    def call(self, op: Op, body: bytes, *, deadline: float, hung_after: float | None = None) -> bytes:
        """One request with one answer. ``hung_after``: seconds; None: the token's ``sign_timeout``."""
        with self._lease(deadline, hung_after) as lease:
            lease.channel.send(op, body)
            return self._answer(self._next(lease, deadline))

    def items(self, op: Op, body: bytes, kind: type[Record], *, deadline: float) -> list[Record]:
        """One request with an answer of many parts; each has to come within ``sign_timeout``, empty ones included."""
        found: list[Record] = []
        with self._lease(deadline, None) as lease:
            lease.channel.send(op, body)
            while (reply := self._next(lease, deadline)).status is Status.ITEM:
                lease.hung_at = self._clock() + self.config.sign_timeout
                if reply.body:
                    found.append(unpack_record(kind, reply.body))
                if len(found) > MAX_ITEMS:
                    raise WireError("too many parts")
            self._answer(reply)
        return found

    @property
    def status(self) -> TokenStatus:
        """How the token fares; raises as every verb does where it is closed or was started before a fork."""
        return self._running().status

    @property
    def load(self) -> int:
        """How many requests it is answering or has waiting."""
        return self._running().channels.load + self.loop_load

    @property
    def channels(self) -> ChannelPool:
        """How requests reach its process."""
        return self._running().channels

    def _running(self) -> Supervisor:
        supervisor = self._supervisor
        if supervisor is None:
            raise TokenUnavailable(token=self.config.name, reason="closed")
        if self._pid != os.getpid():
            raise ConfigurationError(token=self.config.name, setting="process", reason="used after a fork")
        return supervisor

    @contextmanager
    def _lease(self, deadline: float, hung_after: float | None) -> Iterator[Lease]:
        """The control channel for one request; it goes back only if its answer was taken to the end."""
        channels = self._running().channels
        lease = channels.borrow(control=True, deadline=deadline)
        started = self._clock()
        lease.hung_at = started + (self.config.sign_timeout if hung_after is None else hung_after)
        try:
            yield lease
        except BaseException as fault:  # noqa: BLE001  (whatever it is, the lease is handed on, and it is raised)
            raise self.handed_on(lease, fault, allowed=deadline - started) from None
        channels.give_back(lease)

    def handed_on(self, lease: Lease, fault: BaseException, *, allowed: float) -> BaseException:
        """Give the lease of a request that failed to whom it belongs now; returns what the caller is told.

        Exactly one of the branches disposes of the lease, and none closes its channel: see ``channel_pool``.
        """
        channels = lease.owner
        match fault:
            case ChannelClosed() | WireError():
                channels.drop(lease.child)
                channels.give_back(lease)
                return TokenUnavailable(token=self.config.name, reason="process ended", retry_after=1.0)
            case ChannelTimeout():
                channels.leave(lease)
                return self._late(lease, allowed)
            case _Answered(error=error):
                channels.give_back(lease)
                return replace(error, token=self.config.name)
        channels.leave(lease)
        return fault

    def _next(self, lease: Lease, deadline: float) -> ReplyMessage:
        return lease.channel.receive(min(deadline, lease.hung_at) - self._clock())

    def _late(self, lease: Lease, allowed: float) -> DeadlineExceeded | TokenUnavailable:
        if self._clock() >= lease.hung_at:
            return TokenUnavailable(token=self.config.name, reason="hung", retry_after=1.0)
        return DeadlineExceeded(token=self.config.name, timeout=allowed)

    @staticmethod
    def _answer(reply: ReplyMessage) -> bytes:
        if reply.status is Status.DONE:
            return reply.body
        if reply.status is Status.ERROR:
            raise _Answered(unpack_error(reply.body))
        raise WireError("unexpected status")


class Exchange:
    """A batch under way: its answers, for the thread that began it."""

    def __init__(
        self, client: TokenClient, lease: Lease, count: int, *, deadline: float, clock: Callable[[], float]
    ) -> None:
        self._client = client
        self._lease: Lease | None = lease
        self._left = set(range(count))
        self._deadline = deadline
        self._clock = clock
        self._started = clock()

    @property
    def unanswered(self) -> frozenset[int]:
        """The numbers of the items that have no answer."""
        return frozenset(self._left)

    def answers(self) -> Iterator[tuple[int, Outcome]]:
        """Number and outcome of each item, as they come; raises ``TokenError`` where no more will."""
        lease = self._lease
        assert lease is not None  # noqa: S101  (taken once)
        try:
            while self._left:
                group = self._group(lease)
                self._left.difference_update(number for number, _ in group)
                yield from group
        except BaseException as fault:  # noqa: BLE001  (whatever it is, the lease is handed on, and it is raised)
            self._lease = None
            raise self._client.handed_on(lease, fault, allowed=self._deadline - self._started) from None
        self._lease = None
        lease.owner.give_back(lease)

    def close(self) -> None:
        """Nobody waits for the rest."""
        lease, self._lease = self._lease, None
        if lease is not None:
            lease.owner.leave(lease)

    def _group(self, lease: Lease) -> list[tuple[int, Outcome]]:
        """The next group: it answers items of this batch, each once, and says truly whether it is the last."""
        reply = lease.channel.receive(min(self._deadline, lease.hung_at) - self._clock())
        # Each group is a sign of life: what counts as hung is a process that makes none for so long.
        lease.hung_at = self._clock() + self._client.config.sign_timeout
        group = unpack_answers(reply.body)
        numbers = {number for number, _ in group}
        last = len(self._left) == len(group)
        if reply.status is not (Status.DONE if last else Status.ITEM) or not numbers <= self._left:
            raise WireError("answers to what was not asked")
        if len(numbers) != len(group):
            raise WireError("an item is answered twice")
        return group


class _Answered(Exception):
    """The process answered with an error: the channel is in order."""

    def __init__(self, error: TokenError) -> None:
        super().__init__()
        self.error = error
