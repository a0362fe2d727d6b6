"""The hashing thread: in order, bounded, and never silently gone."""

from __future__ import annotations

import hashlib
import threading

import pytest

from verifier import _hasher
from verifier._hasher import Hasher

DEADLINE = 10.0


class Held:
    """A digest that begins when it is let go, and keeps what it was given."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.taken: list[bytes] = []

    def update(self, data: memoryview) -> None:
        assert self.go.wait(DEADLINE)
        self.taken.append(bytes(data))


class Failing:
    """A digest that ends the thread."""

    def update(self, data: memoryview) -> None:
        raise SystemExit


def pieces(count: int) -> list[memoryview]:
    return [memoryview(bytes([number])) for number in range(count)]


def test_it_hashes_in_the_order_given() -> None:
    hasher, first, second = Hasher(), hashlib.sha256(), hashlib.sha256()
    for piece in pieces(100):
        hasher.update(first, piece)
    hasher.update(second, memoryview(b"x"))
    hasher.settle()
    assert first.digest() == hashlib.sha256(bytes(range(100))).digest()
    assert second.digest() == hashlib.sha256(b"x").digest()
    hasher.close()


def test_only_a_few_pieces_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_hasher, "_ALIVE_CHECK_SECONDS", 0.01)
    hasher, digest = Hasher(), Held()
    given = threading.Event()

    def give() -> None:
        for piece in pieces(10):
            hasher.update(digest, piece)  # type: ignore[arg-type]
        given.set()

    giver = threading.Thread(target=give)
    giver.start()
    assert not given.wait(0.2)
    digest.go.set()
    assert given.wait(DEADLINE)
    giver.join(DEADLINE)
    monkeypatch.undo()
    hasher.settle()
    assert digest.taken == [bytes(piece) for piece in pieces(10)]
    hasher.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_ended_is_noticed_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_hasher, "_ALIVE_CHECK_SECONDS", 0.01)
    hasher = Hasher()
    hasher.update(Failing(), memoryview(b"x"))  # type: ignore[arg-type]

    def give() -> None:
        for piece in pieces(10):
            hasher.update(Failing(), piece)  # type: ignore[arg-type]

    with pytest.raises(RuntimeError, match="ended early"):
        give()
    with pytest.raises(RuntimeError, match="ended early"):
        hasher.settle()
    hasher.close()


def test_closing_twice_is_fine() -> None:
    hasher = Hasher()
    hasher.close()
    hasher.close()
