"""What the processes of a crowd do to one database, each with threads and connections of its own."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from signer.domain.access.limits import LimitDemand
from signer.domain.ci import CiSession, TokenUse
from signer.domain.events import EventType
from signer.domain.keys import Key, VersionState
from signer.domain.records import Outcome, Recorded, Refused, SignatureEntry, Stale
from signer.errors import SignerError
from signer.storage.ci_session_store import SqlCiSessionStore
from signer.storage.database import Database
from signer.storage.key_store import SqlKeyStore

from .books import SqlBook, entry
from .clock import START, MovingClock
from .crowd import in_threads
from .databases import migrate, settings
from .house import ADMIN, KEY, House, open_house
from .memory_tokens import MemoryTokens, Snapshot
from .records import event, new_key, new_version, pin_fields, swap

DONE = "done"
BROKEN = "two versions at once"


def utc_now() -> datetime:
    """The real clock: processes have to agree."""
    return datetime.now(UTC)


def _outcomes(url: str, threads: int, step: Callable[[SqlKeyStore, int], str]) -> Counter[str]:
    """How often each thread's step ended how: with its own word, or with the code of a refusal."""
    database = Database(settings(url))
    store = SqlKeyStore(database=database, clock=utc_now)

    def guarded(number: int) -> str:
        try:
            return step(store, number)
        except SignerError as error:
            return error.code

    try:
        return Counter(in_threads(threads, guarded))
    finally:
        database.close()


def add_the_same_key(url: str, name: str, threads: int) -> Counter[str]:
    """Every thread records a key of one name."""

    def step(store: SqlKeyStore, _: int) -> str:
        store.add_key(new_key(name), new_version(), event(key=name))
        return DONE

    return _outcomes(url, threads, step)


def add_the_next_version(url: str, name: str, threads: int) -> Counter[str]:
    """Every thread records a next version of the key as it was at first."""

    def step(store: SqlKeyStore, _: int) -> str:
        store.add_version(store.key(name), new_version(), event(key=name))
        return DONE

    return _outcomes(url, threads, step)


def add_next_versions_of_several(url: str, names: tuple[str, ...], threads: int) -> Counter[str]:
    """Every thread records a next version of each key, in an order of its own."""
    outcomes: list[str] = []

    def add(store: SqlKeyStore, name: str) -> str:
        try:
            store.add_version(store.key(name), new_version(), event(key=name))
        except SignerError as error:
            return error.code
        return DONE

    def step(store: SqlKeyStore, number: int) -> str:
        start = number % len(names)
        order = (*names[start:], *names[:start])[:: 1 if number % 2 else -1]
        outcomes.extend(add(store, name) for name in order)
        return "left"

    total = _outcomes(url, threads, step)
    return total + Counter(outcomes)


def change_several(url: str, names: tuple[str, ...], threads: int, rounds: int) -> Counter[str]:
    """Every thread makes the version of each key active and previous again, in an order of its own."""
    outcomes: list[str] = []

    def step(store: SqlKeyStore, number: int) -> str:
        start = number % len(names)
        order = (*names[start:], *names[:start])[:: 1 if number % 2 else -1]
        outcomes.extend(_activate_once(store, name, 0) for name in order * rounds)
        return "left"

    total = _outcomes(url, threads, step)
    return total + Counter(outcomes)


def disable_the_active_version(url: str, key: Key, threads: int) -> Counter[str]:
    """Every thread disables the version that it believes to be active."""

    def step(store: SqlKeyStore, _: int) -> str:
        store.change(key, [swap(key.versions[0], VersionState.DISABLED)], [event(EventType.VERSION_DISABLED)])
        return DONE

    return _outcomes(url, threads, step)


def activate_and_step_back(url: str, name: str, threads: int, rounds: int) -> Counter[str]:
    """Every thread makes its version active and previous again, ``rounds`` times, and looks while it is active."""
    outcomes: list[str] = []

    def step(store: SqlKeyStore, number: int) -> str:
        outcomes.extend(_activate_once(store, name, (number + turn) % threads) for turn in range(rounds))
        return "left"

    total = _outcomes(url, threads, step)
    return total + Counter(outcomes)


def _activate_once(store: SqlKeyStore, name: str, index: int) -> str:
    key = store.key(name)
    version = key.versions[index]
    if version.state is not VersionState.PREVIOUS:
        return "seen in use"
    try:
        key = store.change(key, [swap(version, VersionState.ACTIVE)], [event(EventType.KEY_ROTATED, key=name)])
    except SignerError as error:
        return error.code
    seen = [item.number for item in store.key(name).versions if item.state is VersionState.ACTIVE]
    store.change(key, [swap(key.versions[index], VersionState.PREVIOUS)], [])
    return DONE if seen == [version.number] else BROKEN


def record_events(url: str, threads: int, each: int) -> Counter[str]:
    """Every thread records ``each`` events."""

    def step(store: SqlKeyStore, number: int) -> str:
        for _ in range(each):
            store.record(event(version=number))
        return DONE

    return _outcomes(url, threads, step)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingPlan:
    """Each thread records ``batches`` batches of ``batch`` entries, over the versions in an order of its own.

    Where ``same`` is set, the manifests of a batch are the same ones everywhere. ``limits`` are everybody's.
    """

    version_ids: tuple[int, ...]
    batches: int
    batch: int
    same: bool
    limits: tuple[LimitDemand, ...] = ()

    def entries(self, thread: int, turn: int, revision: int) -> list[SignatureEntry]:
        """One batch."""
        mark = "" if self.same else f"{os.getpid()} {thread} {turn} "
        versions = itertools.islice(itertools.cycle(self.version_ids), thread, thread + self.batch)
        return [
            entry(version_id, f"{mark}{number}", access_revision=revision, limits=self.limits)
            for number, version_id in enumerate(versions)
        ]


def record_signatures(url: str, plan: RecordingPlan, threads: int) -> Counter[str]:
    """Every thread records what the plan says."""
    return _recording(url, threads, lambda book, number: _record(book, plan, number))


def record_while_keys_change(url: str, plan: RecordingPlan, threads: int) -> Counter[str]:
    """The same, while the first thread of each process adds keys."""

    def step(book: SqlBook, number: int) -> Counter[str]:
        if number:
            return _record(book, plan, number)
        for turn in range(plan.batches):
            name = f"beside-{os.getpid()}-{turn}"
            key = book.store.add_key(new_key(name), new_version(), event(key=name))
            book.store.change(key, [swap(key.versions[0], VersionState.ACTIVE, **pin_fields())], [event(key=name)])
        return Counter(changed=plan.batches)

    return _recording(url, threads, step)


def _recording(url: str, threads: int, step: Callable[[SqlBook, int], Counter[str]]) -> Counter[str]:
    database = Database(settings(url, timeout=60.0))
    # Of the future, like the clock of the test that made the versions.
    book = SqlBook(database, MovingClock())
    try:
        return sum(in_threads(threads, lambda number: step(book, number)), Counter())
    finally:
        database.close()


def _record(book: SqlBook, plan: RecordingPlan, thread: int) -> Counter[str]:
    counts: Counter[str] = Counter()
    for turn in range(plan.batches):
        outcomes = book.record_many(plan.entries(thread, turn, book.revision()))
        counts.update(_said(outcome) for outcome in outcomes)
    return counts


def _said(outcome: Outcome) -> str:
    match outcome:
        case Recorded():
            return "repeated" if outcome.repeated else "recorded"
        case Stale():
            return "stale"
        case Refused():
            return outcome.reason.value


def rotate_together(url: str, directory: Path, tokens: Snapshot, threads: int) -> Counter[str]:
    """Every thread rotates the key."""

    def work(house: House) -> str:
        house.rotate()
        return DONE

    return _steps(url, directory, tokens, threads, work)


def enable_together(url: str, directory: Path, tokens: Snapshot, threads: int) -> Counter[str]:
    """Every thread enables a version of its own."""
    numbers = itertools.count(1)

    def work(house: House) -> str:
        house.lifecycle.enable(ADMIN, KEY, next(numbers))
        return DONE

    return _steps(url, directory, tokens, threads, work)


def destroy_together(url: str, directory: Path, tokens: Snapshot, threads: int) -> Counter[str]:
    """Every thread destroys the first version."""

    def work(house: House) -> str:
        house.lifecycle.destroy(ADMIN, KEY, 1, confirmation=KEY)
        return DONE

    return _steps(url, directory, tokens, threads, work)


def _steps(url: str, directory: Path, tokens: Snapshot, threads: int, work: Callable[[House], str]) -> Counter[str]:
    with open_house(url, directory, MemoryTokens.restored(("one",), tokens), utc_now) as house:

        def guarded(_: int) -> str:
            try:
                return work(house)
            except SignerError as error:
                return error.code

        return Counter(in_threads(threads, guarded))


def upgrade(url: str) -> str:
    """Bring the database to the newest revision."""
    migrate(url)
    return DONE


def token_use(number: int, at: datetime) -> TokenUse:
    """The use of a CI token."""
    return TokenUse(
        token_id=number.to_bytes(32),
        issued_at=at,
        keep_until=at + timedelta(minutes=10),
        nonce_sha256=b"n" * 32,
        salt=b"s" * 32,
    )


def ci_session(number: int, at: datetime, *, subject: str = "456789") -> CiSession:
    """A session that begins at this moment."""
    return CiSession(
        id=f"{number:016x}",
        issuer="github",
        subject=subject,
        pinned_sha256="p" * 64,
        claims={"ref": "refs/heads/main"},
        secret_sha256=b"h" * 32,
        created_at=at,
        expires_at=at + timedelta(minutes=15),
    )


def use_ci_tokens(url: str, tokens: int, threads: int) -> list[str]:
    """Every thread uses the same few CI tokens; how each try ended."""
    database = Database(settings(url))
    store = SqlCiSessionStore(database=database, clock=lambda: START)

    def one(thread: int) -> list[str]:
        return [
            store.begin(
                token_use(number, START), ci_session(number << 32 | os.getpid() << 8 | thread, START), "j" * 64
            ).name
            for number in range(tokens)
        ]

    try:
        return [outcome for part in in_threads(threads, one) for outcome in part]
    finally:
        database.close()
