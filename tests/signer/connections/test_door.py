"""Accepting: in turns with others, within the bound, and through a shortage of descriptors."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import time
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import pytest

from signer.web.connections.door import PAUSE_SECONDS, Door
from signer.web.connections.shares import Shares
from tests.signer.connections import applications
from tests.support.serving import LIMITS, serving, until_closed

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class Short(socket.socket):
    """A listener in a process that has no descriptors left, for a while."""

    failures = 0
    failed_at: tuple[float, ...] = ()

    def accept(self) -> tuple[socket.socket, object]:
        if self.failures:
            self.failures -= 1
            self.failed_at += (time.monotonic(),)
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


def test_a_shortage_of_descriptors_is_waited_out_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    listener = Short()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    listener.failures = 3
    caplog.set_level(logging.ERROR, "artifact-signer.server")
    with serving(applications.hello, listener=listener) as service, service.connect() as connection:
        connection.sendall(LAST)
        assert b"hello" in until_closed(connection)
    told = [record for record in caplog.records if "Too many open files" in record.getMessage()]
    assert len(told) == 1
    # Between two tries there is a pause: the loop is for those who are connected.
    tries = listener.failed_at
    assert len(tries) == 3
    assert min(later - earlier for earlier, later in pairwise(tries)) > PAUSE_SECONDS / 2


def test_at_the_bound_the_silent_go_and_the_new_are_served() -> None:
    with serving(applications.hello, limits=replace(LIMITS, connections=20)) as service:
        silent = [service.connect() for _ in range(60)]
        with service.connect() as connection:
            connection.sendall(LAST)
            assert b"hello" in until_closed(connection)
        # The oldest have gone first.
        assert silent[0].recv(1) == b""
        silent[-1].sendall(LAST)
        assert b"hello" in until_closed(silent[-1])
        for connection in silent:
            connection.close()


def test_at_the_bound_the_idle_go_after_the_silent_and_before_nobody() -> None:
    with serving(applications.hello, limits=replace(LIMITS, connections=20)) as service:
        idle = [service.connect() for _ in range(20)]
        for connection in idle:
            connection.sendall(GET)
            assert b"hello" in connection.recv(65536)
        with service.connect() as connection:
            connection.sendall(LAST)
            assert b"hello" in until_closed(connection)
        assert idle[0].recv(1) == b""
        idle[-1].sendall(GET)
        assert b"hello" in idle[-1].recv(65536)
        for connection in idle:
            connection.close()


def test_requests_under_way_are_never_closed_for_others() -> None:
    gate = applications.Gate()
    with serving(gate, limits=replace(LIMITS, connections=16)) as service:
        asking = [service.connect() for _ in range(16)]
        for connection in asking:
            connection.sendall(LAST)
        until = time.monotonic() + 10
        while gate.waiting < 16:
            assert time.monotonic() < until
            time.sleep(0.01)
        late = service.connect()
        late.sendall(LAST)
        late.settimeout(0.3)
        with pytest.raises(TimeoutError):
            late.recv(1)
        service.loop.call_soon_threadsafe(gate.opened.set)
        assert all(b"at last" in until_closed(connection) for connection in asking)
        late.settimeout(20)
        assert b"at last" in until_closed(late)
        for connection in (*asking, late):
            connection.close()


@dataclass
class Room:
    """A register with so many connections, and room for more."""

    open: int
    full: bool = False

    def make_room(self) -> bool:
        return True


@pytest.mark.parametrize(("connections", "taken"), [(0, 1), (15, 1), (16, 2), (160, 11), (10_000, 20)])
def test_a_turn_takes_more_of_those_who_wait_the_more_there_are(connections: int, taken: int) -> None:
    with closing(asyncio.new_event_loop()) as loop, socket.create_server(("127.0.0.1", 0), backlog=30) as listener:
        listener.setblocking(False)
        waiting = [socket.create_connection(listener.getsockname()) for _ in range(20)]
        welcomed: list[socket.socket] = []
        shares = Shares(1)
        shares.set(0, connections)
        room: Any = Room(connections)
        door = Door(loop=loop, listener=listener, register=room, shares=shares, seat=0, welcome=welcomed.append)
        door.open()
        # One turn of the loop.
        loop.stop()
        loop.run_forever()
        assert len(welcomed) == taken
        for each in (*waiting, *welcomed):
            each.close()
