"""Looks at passwords: what they cost is the same for everybody, how many there are at once is bounded."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import argon2
import pytest
from argon2.exceptions import VerifyMismatchError

from signer.auth.passwords import Argon2Cost, Argon2Passwords
from signer.domain.users import Password
from signer.errors.users import LoginsBusy, PasswordRejected

COST = Argon2Cost(memory=64, passes=1, lanes=1)
RIGHT, WRONG = Password("correct horse"), Password("wrong horse")


@pytest.fixture
def passwords() -> Iterator[Argon2Passwords]:
    made = Argon2Passwords(COST, threads=1, waiting=1)
    yield made
    made.close()


def test_the_right_password_is_found_right(passwords: Argon2Passwords) -> None:
    kept = passwords.hash(RIGHT).result()
    assert kept.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    checked = passwords.check(kept, RIGHT).result()
    assert (checked.kept, checked.renewed) == (kept, None)


def test_two_hashes_of_one_password_differ(passwords: Argon2Passwords) -> None:
    assert passwords.hash(RIGHT).result() != passwords.hash(RIGHT).result()


REJECTED = {
    "another password": ("kept", WRONG),
    "nobody's": (None, RIGHT),
    "what is no hash": ("garbage", RIGHT),
    "a hash of another kind": ("$2b$12$" + "a" * 53, RIGHT),
    "a hash that was cut off": ("$argon2id$v=19$m=64,t=1,p=1$c2FsdA", RIGHT),
    "no password": ("kept", Password("")),
}


@pytest.mark.parametrize("sentence", REJECTED)
def test_a_password_is_rejected(passwords: Argon2Passwords, sentence: str) -> None:
    kept, password = REJECTED[sentence]
    if kept == "kept":
        kept = passwords.hash(RIGHT).result()
    with pytest.raises(PasswordRejected) as rejected:
        passwords.check(kept, password).result()
    assert rejected.value.__cause__ is None


@dataclass
class Counting:
    """Argon2 that is told what it is asked, with the cost of each hash that it looked at."""

    inner: argon2.PasswordHasher = field(default_factory=lambda: argon2.PasswordHasher(1, 64, 1))
    verified: list[str] = field(default_factory=list)

    def hash(self, password: str, /) -> str:
        return self.inner.hash(password)

    def verify(self, kept: str, password: str, /) -> bool:
        self.verified.append(kept.rpartition("$")[0].rpartition("$")[0])
        return self.inner.verify(kept, password)

    def check_needs_rehash(self, kept: str, /) -> bool:
        return self.inner.check_needs_rehash(kept)


def test_nobodys_password_is_looked_at_as_often_as_somebodys_and_at_the_same_cost() -> None:
    counting = Counting()
    passwords = Argon2Passwords(COST, threads=1, waiting=1, hasher=counting)
    kept = passwords.hash(RIGHT).result()
    for who in (kept, None):
        with pytest.raises(PasswordRejected):
            passwords.check(who, WRONG).result()
    passwords.close()
    assert counting.verified == ["$argon2id$v=19$m=64,t=1,p=1"] * 2


def test_nobodys_hash_is_one_that_argon2_reads() -> None:
    """Else it would be refused before anything was computed."""
    counting = Counting()
    passwords = Argon2Passwords(COST, threads=1, waiting=1, hasher=counting)
    with pytest.raises(VerifyMismatchError):
        counting.inner.verify(passwords._nobodys, "anything")
    passwords.close()


def test_a_hash_of_another_cost_is_made_anew(passwords: Argon2Passwords) -> None:
    old = argon2.PasswordHasher(2, 64, 1).hash(RIGHT.text)
    renewed = passwords.check(old, RIGHT).result().renewed
    assert renewed is not None
    assert passwords.check(renewed, RIGHT).result().renewed is None


def test_a_hash_of_another_cost_is_not_made_anew_for_a_wrong_password(passwords: Argon2Passwords) -> None:
    with pytest.raises(PasswordRejected):
        passwords.check(argon2.PasswordHasher(2, 64, 1).hash(RIGHT.text), WRONG).result()


def test_who_comes_while_enough_wait_is_told_to_come_again(passwords: Argon2Passwords) -> None:
    with passwords.admitted(), passwords.admitted(), pytest.raises(LoginsBusy), passwords.admitted():
        pass
    with passwords.admitted():
        pass


def test_passwords_are_looked_at_in_threads_of_their_own() -> None:
    seen: list[str] = []

    class Looking(Counting):
        def verify(self, kept: str, password: str, /) -> bool:
            seen.append(threading.current_thread().name)
            return True

    passwords = Argon2Passwords(COST, threads=1, waiting=1, hasher=Looking())
    passwords.check(passwords.hash(RIGHT).result(), RIGHT).result()
    passwords.close()
    assert [name.partition("_")[0] for name in seen] == ["passwords"]
