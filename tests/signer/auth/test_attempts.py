"""Guessing is slow: who is heard, who has to wait, and that nobody is locked out by it who is at work."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from signer.auth.attempts import CREDENTIAL_ATTEMPTS, GOOD_ENTRIES, Attempts, Counts, GuardedAuthenticator
from signer.domain.credentials import Credentials, Peer, PeerKind
from signer.domain.identity import Identity
from signer.errors import CredentialsExpired, CredentialsRejected, DatabaseUnavailable, SignerError, TooManyAttempts
from tests.support.clock import START

MOST = 5
ADDRESS = "192.0.2.7"


@dataclass(slots=True)
class Seconds:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True)
class Door:
    """Knows some tokens, and what was asked."""

    good: set[str] = field(default_factory=lambda: {"ast_good_1"})
    asked: list[str | None] = field(default_factory=list)
    trouble: SignerError | None = None

    def named(self, credentials: Credentials) -> str | None:
        text = credentials.authorization
        return None if text is None else text.rpartition("_")[0] or None

    def remembered(self, credentials: Credentials) -> Identity | None:
        return Identity(name="api-token:known") if credentials.authorization == "known" else None

    def authenticate(self, credentials: Credentials) -> Identity:
        self.asked.append(credentials.authorization)
        if self.trouble is not None:
            raise self.trouble
        if credentials.authorization not in self.good:
            raise CredentialsRejected
        return Identity(name="api-token:good")


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def guarded(door: Door, seconds: Seconds) -> GuardedAuthenticator:
    return GuardedAuthenticator(door, Attempts(per_address=MOST, monotonic=seconds))


def shows(authorization: str | None, address: str | None = ADDRESS, kind: PeerKind = PeerKind.TCP) -> Credentials:
    return Credentials(peer=Peer(kind=kind, address=address), authorization=authorization)


def guess(guarded: GuardedAuthenticator, times: int, text: str = "wrong", address: str | None = ADDRESS) -> int:
    """How many of so many wrong credentials were heard."""
    heard = 0
    for number in range(times):
        with pytest.raises((CredentialsRejected, TooManyAttempts)) as refusal:
            guarded.authenticate(shows(text.format(number), address))
        heard += refusal.type is CredentialsRejected
    return heard


def refused(guarded: GuardedAuthenticator, credentials: Credentials) -> int:
    """After how many seconds it is heard."""
    with pytest.raises(TooManyAttempts) as refusal:
        guarded.authenticate(credentials)
    return refusal.value.retry_after


class TestByAddress:
    def test_so_many_are_heard_at_once_and_as_many_in_a_minute(
        self, guarded: GuardedAuthenticator, seconds: Seconds
    ) -> None:
        assert guess(guarded, 2 * MOST) == MOST
        for _ in range(3 * MOST):
            seconds.now += 60 / MOST
            assert guess(guarded, 3) == 1

    def test_it_is_said_when_the_next_one_is_heard(self, guarded: GuardedAuthenticator, seconds: Seconds) -> None:
        guess(guarded, MOST)
        wait = refused(guarded, shows("wrong"))
        assert wait == 60 / MOST
        seconds.now += wait - 1
        assert refused(guarded, shows("wrong")) == 1
        seconds.now += 1
        assert guess(guarded, 1) == 1

    def test_nobody_is_asked_meanwhile_whatever_comes(self, guarded: GuardedAuthenticator, door: Door) -> None:
        guess(guarded, MOST)
        before = len(door.asked)
        for text in ("wrong", "ast_good_1", ""):
            refused(guarded, shows(text))
        assert len(door.asked) == before

    @pytest.mark.parametrize("address", ["192.0.2.8", "2001:db8::1", None], ids=["another", "IPv6", "none"])
    def test_others_are_heard(self, guarded: GuardedAuthenticator, address: str | None) -> None:
        guess(guarded, MOST)
        assert guarded.authenticate(shows("ast_good_1", address)).name == "api-token:good"

    def test_an_ipv6_network_of_one_client_is_one(self, guarded: GuardedAuthenticator) -> None:
        heard = sum(guess(guarded, 1, address=f"2001:db8:0:7::{number:x}") for number in range(1, 2 * MOST))
        assert heard == MOST
        assert guess(guarded, 1, address="2001:db8:0:8::1") == 1

    def test_without_an_address_nobody_is_bounded_by_it(self, guarded: GuardedAuthenticator) -> None:
        assert guess(guarded, 10 * MOST, address=None) == 10 * MOST

    def test_it_can_be_switched_off(self, door: Door, seconds: Seconds) -> None:
        guarded = GuardedAuthenticator(door, Attempts(per_address=0, monotonic=seconds))
        assert guess(guarded, 10 * MOST) == 10 * MOST


class TestByCredential:
    def test_a_name_is_bounded_from_wherever_it_is_tried(self, guarded: GuardedAuthenticator) -> None:
        heard = sum(
            guess(guarded, 1, f"ast_good_x{number}", f"198.51.100.{number}")
            for number in range(3 * CREDENTIAL_ATTEMPTS)
        )
        assert heard == CREDENTIAL_ATTEMPTS

    def test_also_where_no_address_is_believed(self, guarded: GuardedAuthenticator) -> None:
        assert guess(guarded, 3 * CREDENTIAL_ATTEMPTS, "ast_good_x{}", None) == CREDENTIAL_ATTEMPTS

    def test_one_that_does_not_exist_is_bounded_alike(self, guarded: GuardedAuthenticator) -> None:
        assert guess(guarded, 3 * CREDENTIAL_ATTEMPTS, "ast_none_x{}", None) == CREDENTIAL_ATTEMPTS

    def test_another_name_is_heard(self, guarded: GuardedAuthenticator, door: Door) -> None:
        guess(guarded, 2 * CREDENTIAL_ATTEMPTS, "ast_other_x{}", None)
        assert guarded.authenticate(shows("ast_good_1", None))

    def test_the_right_one_has_to_wait_where_it_was_not_proved_before(self, guarded: GuardedAuthenticator) -> None:
        guess(guarded, CREDENTIAL_ATTEMPTS, "ast_good_x{}", None)
        assert refused(guarded, shows("ast_good_1", None)) == 60 / CREDENTIAL_ATTEMPTS


class TestWhoIsAtWork:
    def test_whoever_was_proved_before_is_heard_while_others_guess(self, guarded: GuardedAuthenticator) -> None:
        guarded.authenticate(shows("ast_good_1"))
        guess(guarded, 3 * MOST)
        guess(guarded, 3 * CREDENTIAL_ATTEMPTS, "ast_good_x{}", None)
        assert guarded.authenticate(shows("ast_good_1"))

    def test_it_is_looked_up_all_the_same_and_no_longer_heard_once_it_was_refused(
        self, guarded: GuardedAuthenticator, door: Door
    ) -> None:
        guarded.authenticate(shows("ast_good_1"))
        guess(guarded, MOST)
        door.good.clear()
        with pytest.raises(CredentialsRejected):
            guarded.authenticate(shows("ast_good_1"))
        refused(guarded, shows("ast_good_1"))

    def test_what_is_remembered_is_not_even_counted(self, guarded: GuardedAuthenticator) -> None:
        guess(guarded, 2 * MOST)
        assert guarded.remembered(shows("known"))
        assert guarded.remembered(shows("wrong")) is None

    @pytest.mark.parametrize(
        "error", [CredentialsExpired(expires_at=START), DatabaseUnavailable()], ids=lambda e: e.code
    )
    def test_what_is_no_wrong_credential_counts_nothing(
        self, guarded: GuardedAuthenticator, door: Door, error: SignerError
    ) -> None:
        door.trouble = error
        for _ in range(3 * MOST):
            with pytest.raises(type(error)):
                guarded.authenticate(shows("ast_good_1"))

    def test_what_was_proved_is_kept_within_bounds(self, guarded: GuardedAuthenticator, door: Door) -> None:
        for number in range(GOOD_ENTRIES + 50):
            door.good.add(f"ast_n{number}_1")
            guarded.authenticate(shows(f"ast_n{number}_1"))
        assert len(guarded._good) <= GOOD_ENTRIES


class TestCertificates:
    CLIENT = Credentials(peer=Peer(kind=PeerKind.TCP, address=ADDRESS), peer_certificate=b"DER")

    def test_who_shows_one_is_heard_while_others_guess_from_there(
        self, guarded: GuardedAuthenticator, door: Door
    ) -> None:
        guess(guarded, 3 * MOST)
        door.good.add(None)  # type: ignore[arg-type]
        assert guarded.authenticate(self.CLIENT)

    def test_one_that_is_refused_locks_nobody_out(self, guarded: GuardedAuthenticator) -> None:
        for _ in range(3 * MOST):
            with pytest.raises(CredentialsRejected):
                guarded.authenticate(self.CLIENT)
        assert guarded.authenticate(shows("ast_good_1"))


class TestMemory:
    def test_it_is_bounded_and_whoever_failed_longest_ago_is_forgotten(self, seconds: Seconds) -> None:
        counts = Counts(most=1, monotonic=seconds, entries=100)
        for number in range(1000):
            counts.add(f"first-{number}")
            counts.add("steady")
        assert len(counts._counts) == 100
        assert counts.wait("steady") > 0
        assert counts.wait("first-0") == 0

    def test_a_count_of_long_ago_is_none(self, seconds: Seconds) -> None:
        counts = Counts(most=2, monotonic=seconds)
        for _ in range(10):
            counts.add("a")
        assert counts.wait("a") == 9 * 30
        seconds.now += 3600
        assert counts.wait("a") == 0
