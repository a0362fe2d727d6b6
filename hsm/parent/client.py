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
from hsm.parent.channel_pool import Lease
from hsm.parent.child import ChannelClosed, ChannelTimeout
from hsm.parent.lock_location import lock_directory, lock_group
from hsm.parent.pin_source import PinHandle
from hsm.parent.pin_source import handle as pin_handle
from hsm.parent.status import TokenStatus
from hsm.parent.supervisor import Supervisor
from hsm.protocol.messages import Op, ReplyMessage, Status
from hsm.protocol.records import Setup, unpack_record
from hsm.protocol.refusals import unpack_error
from hsm.protocol.signing import PayloadKind, pack_signing
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

    def sign(self, packed_key: bytes, kind: PayloadKind, payload: bytes, *, deadline: float) -> bytes:
        """The signature as the token gave it: not verified, not normalised."""
        self.status.last_key = packed_key
        return self.call(Op.SIGN, pack_signing(packed_key, kind, payload), deadline=deadline)

    def call(self, op: Op, body: bytes, *, deadline: float, hung_after: float | None = None) -> bytes:
        """One request with one answer. ``hung_after``: seconds; None: the token's ``sign_timeout``."""
        with self._lease(op, deadline, hung_after) as lease:
            lease.channel.send(op, body)
            return self._answer(self._next(lease, deadline))

    def items(self, op: Op, body: bytes, kind: type[Record], *, deadline: float) -> list[Record]:
        """One request with an answer of many parts; each has to come within ``sign_timeout``."""
        found: list[Record] = []
        with self._lease(op, deadline, None) as lease:
            lease.channel.send(op, body)
            while (reply := self._next(lease, deadline)).status is Status.ITEM:
                lease.hung_at = self._clock() + self.config.sign_timeout
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
        return self._running().channels.load

    def _running(self) -> Supervisor:
        supervisor = self._supervisor
        if supervisor is None:
            raise TokenUnavailable(token=self.config.name, reason="closed")
        if self._pid != os.getpid():
            raise ConfigurationError(token=self.config.name, setting="process", reason="used after a fork")
        return supervisor

    @contextmanager
    def _lease(self, op: Op, deadline: float, hung_after: float | None) -> Iterator[Lease]:
        """A channel for one request; it goes back only if its answer was taken to the end."""
        channels = self._running().channels
        # From here on the lease is ours, until one of the branches below hands it on; exactly one of them does.
        lease = channels.borrow(control=op is not Op.SIGN, deadline=deadline)
        started = self._clock()
        lease.hung_at = started + (self.config.sign_timeout if hung_after is None else hung_after)
        try:
            yield lease
        except (ChannelClosed, WireError):
            channels.drop(lease.child)
            channels.give_back(lease)
            raise TokenUnavailable(token=self.config.name, reason="process ended", retry_after=1.0) from None
        except ChannelTimeout:
            channels.leave(lease)
            raise self._late(lease, deadline - started) from None
        except _Answered as answer:
            channels.give_back(lease)
            raise replace(answer.error, token=self.config.name) from None
        except BaseException:
            channels.leave(lease)
            raise
        channels.give_back(lease)

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


class _Answered(Exception):
    """The process answered with an error: the channel is in order."""

    def __init__(self, error: TokenError) -> None:
        super().__init__()
        self.error = error
