"""What the processes of a crowd do to what waits for approvals, each with threads and connections of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from signer.services.approval_ports import AccessMovedError, Permit
from signer.storage.approval_store import SqlApprovalStore
from signer.storage.database import Database
from signer.storage.log_transaction import logged
from signer.storage.people_store import SqlPeopleStore
from signer.storage.permits import permitted

from .approvals import CHANGED, Assembly
from .clock import START
from .crowd import in_threads
from .databases import settings
from .rivals import DONE


def ask_for_approval(url: str, threads: int) -> Counter[str]:
    """Every thread asks for the same; the ids of what waits then."""
    return _approving(url, threads, lambda assembly, _: assembly.ask())


def approve(url: str, waiting: str, threads: int) -> Counter[str]:
    """Every thread votes as the same person."""

    def step(assembly: Assembly, _: int) -> str:
        assembly.vote(waiting, "ada")
        return DONE

    return _approving(url, threads, step)


def use_up(url: str, permit: Permit, threads: int) -> Counter[str]:
    """Every thread makes the change that was permitted once."""

    def step(assembly: Assembly, _: int) -> str:
        try:
            with logged(assembly.database, assembly.clock) as log:
                log.tell(permitted(log, permit, CHANGED))
        except AccessMovedError:
            return "moved"
        return DONE

    return _approving(url, threads, step)


def _approving(url: str, threads: int, step: Callable[[Assembly, int], str]) -> Counter[str]:
    database = Database(settings(url))
    assembly = Assembly(
        database,
        SqlPeopleStore(database=database, clock=lambda: START),
        SqlApprovalStore(database=database, clock=lambda: START),
        lambda: START,
    )
    try:
        return Counter(in_threads(threads, lambda number: step(assembly, number)))
    finally:
        database.close()
