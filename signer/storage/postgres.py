"""Connections to PostgreSQL whose every wait ends.

``statement_timeout`` and ``lock_timeout`` are kept by the server; a server that stands still, or a network that
swallows packets, keeps nothing. So the client gives up a little later by itself, and drops the connection: what
became of the statement is not known then. Waits that were given an ``Allowance`` together end with it.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

from signer.storage.allowance import Allowance

# How much longer than the server the client waits, so that a server that works is the one to refuse.
GRACE_SECONDS = 1.0

Result = TypeVar("Result")


def connect(timeout: float, given: Allowance, *arguments: Any, **parameters: Any) -> psycopg.Connection[Any]:
    """As ``psycopg.connect``; no wait on the connection takes much longer than ``timeout`` seconds.

    Nothing is begun when the time is over that was given to all of them.
    """
    if time.monotonic() > given.until:
        raise psycopg.OperationalError("there is no time left to connect")

    class Deadline(_DeadlineConnection):
        seconds = timeout + GRACE_SECONDS
        allowance = given

    return Deadline.connect(*arguments, **parameters)


class _DeadlineConnection(psycopg.Connection[Any]):
    seconds: float
    allowance: Allowance

    def wait(self, gen: PQGen[Result], *arguments: Any, **options: Any) -> Result:
        """As the base; raises ``psycopg.OperationalError`` and closes when the time is over."""
        until = min(time.monotonic() + self.seconds, self.allowance.until)
        return super().wait(self._until(gen, until), *arguments, **options)

    def _until(self, gen: PQGen[Result], deadline: float) -> Generator[Any, Any, Result]:
        # The driver resumes its generators several times a second, ready or not.
        resume: Any = None
        while True:
            try:
                wanted = gen.send(resume)
            except StopIteration as end:
                result: Result = end.value
                return result
            if time.monotonic() > deadline:
                self.pgconn.finish()
                raise psycopg.OperationalError("the server did not answer in time")
            resume = yield wanted
