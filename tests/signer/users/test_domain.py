"""What a user, a password and a code may be: addresses, rules of passwords, codes of RFC 6238, and limits of logins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from signer.domain.access.giving import rule_beyond
from signer.domain.access.reading import parse_policy
from signer.domain.login_limits import LoginPlace, LoginRates
from signer.domain.one_time_codes import provisioning_uri, shown_seed, used_step
from signer.domain.users import Password, checked_email, checked_roles, new_password
from signer.errors.users import PasswordProblem, PasswordRefused, SecondFactorRejected, UserFactsInvalid

EMAIL = "ops@example.com"
# RFC 6238 appendix B, SHA-1: the last six of the eight digits.
SEED = b"12345678901234567890"
VECTORS = {
    59: "287082",
    1111111109: "081804",
    1111111111: "050471",
    1234567890: "005924",
    2000000000: "279037",
    20000000000: "353130",
}

ADDRESSES = {"Ops@Example.COM": EMAIL, "a+b@host": "a+b@host", "o'neil@x.y": "o'neil@x.y"}
NO_ADDRESSES = {
    "nothing": "",
    "without an at sign": "ops",
    "two at signs": "a@b@c",
    "a colon, which ends the name in HTTP's Basic": "a:b@c",
    "an asterisk, which rules have for nothing but patterns": "*@example.com",
    "a blank": "a b@c",
    "a line break": "a@b\n",
    "another script": "ö@example.com",
    "a NUL": "a\0@b",
    "longer than an identity's name can be": "a" * 64 + "@" + "b" * 131,
    "a host that begins with a dot": "a@.b",
}


@pytest.mark.parametrize("given", ADDRESSES)
def test_an_address_is_kept_in_lower_case(given: str) -> None:
    assert checked_email(given) == ADDRESSES[given]


@pytest.mark.parametrize("sentence", NO_ADDRESSES)
def test_an_address_is_refused(sentence: str) -> None:
    with pytest.raises(UserFactsInvalid):
        checked_email(NO_ADDRESSES[sentence])


@pytest.mark.parametrize("roles", [("UPPER",), ("a b",), ("",), ("..",), tuple(f"r{n}" for n in range(17))])
def test_roles_are_refused(roles: tuple[str, ...]) -> None:
    with pytest.raises(UserFactsInvalid):
        checked_roles(roles)


def test_roles_stand_once_and_sorted() -> None:
    assert checked_roles(["b", "a", "b"]) == ("a", "b")


REFUSED_PASSWORDS = {
    "seven characters": ("seven77", PasswordProblem.TOO_SHORT),
    "257 characters": ("x" * 257, PasswordProblem.TOO_LONG),
    "another script": ("passwörter", PasswordProblem.NOT_ASCII),
    "a line break": ("password\n", PasswordProblem.NOT_ASCII),
    "a NUL": ("pass\0word", PasswordProblem.NOT_ASCII),
    "a part of the address": ("example.c", PasswordProblem.LIKE_EMAIL),
    "the address in capitals": ("OPS@EXAMPLE.COM", PasswordProblem.LIKE_EMAIL),
    "the address with something": ("ops@example.com1", PasswordProblem.LIKE_EMAIL),
}


@pytest.mark.parametrize("sentence", REFUSED_PASSWORDS)
def test_a_password_is_refused(sentence: str) -> None:
    text, problem = REFUSED_PASSWORDS[sentence]
    with pytest.raises(PasswordRefused) as refused:
        new_password(text, email=EMAIL)
    assert refused.value.problem is problem
    assert text not in str(refused.value)


@pytest.mark.parametrize("text", ["8 chars.", "x" * 256, "correct horse: battery"])
def test_a_password_is_taken(text: str) -> None:
    assert new_password(text, email=EMAIL) == Password(text)


def test_a_password_is_in_no_repr() -> None:
    assert "secret" not in repr(Password("secret words"))


@pytest.mark.parametrize("seconds", VECTORS)
def test_a_code_of_rfc_6238_is_that_of_its_step(seconds: int) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    assert used_step(SEED, VECTORS[seconds], at=at, last=None) == seconds // 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A code at a moment, in seconds after a step began. ``last``: the step that was used, from that one."""

    text: str | None = "279037"
    after: int = 0
    last: int | None = None


STEP = 2000000000 // 30
BEGAN = datetime.fromtimestamp(STEP * 30, UTC)
TAKEN = {
    "in its own step": Code(after=29),
    "one step later": Code(after=30 + 29),
    "one step earlier": Code(after=-30),
    "after an earlier one was used": Code(last=-1),
}
REFUSED_CODES = {
    "two steps later": Code(after=60),
    "two steps earlier": Code(after=-31),
    "the second time": Code(last=0),
    "after a later one was used": Code(last=1),
    "none at all": Code(text=None),
    "nothing": Code(text=""),
    "five digits": Code(text="27903"),
    "seven digits": Code(text="2790370"),
    "another one": Code(text="279038"),
    "digits of another script": Code(text="٢٧٩٠٣٧"),
    "a blank before": Code(text=" 79037"),
    "a line break after": Code(text="279037\n"),
}


def _step(code: Code) -> int:
    last = None if code.last is None else STEP + code.last
    return used_step(SEED, code.text, at=BEGAN + timedelta(seconds=code.after), last=last)


@pytest.mark.parametrize("sentence", TAKEN)
def test_a_code_counts(sentence: str) -> None:
    assert _step(TAKEN[sentence]) == STEP


@pytest.mark.parametrize("sentence", REFUSED_CODES)
def test_a_code_does_not_count(sentence: str) -> None:
    with pytest.raises(SecondFactorRejected):
        _step(REFUSED_CODES[sentence])


def test_an_app_is_told_the_seed_in_base32() -> None:
    assert shown_seed(SEED) == "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    uri = provisioning_uri(SEED, email=EMAIL, issuer="artifact-signer")
    assert uri.startswith("otpauth://totp/artifact-signer:ops%40example.com?")
    assert shown_seed(SEED) in uri


RATES = LoginRates(most=5, period=timedelta(minutes=5))


def _most(places: tuple[LoginPlace, ...]) -> list[int]:
    return [place.most for place in places]


def test_a_stranger_counts_at_the_address_at_the_account_from_there_and_at_the_account() -> None:
    assert _most(RATES.places(EMAIL, "192.0.2.1", known=False)) == [20, 5, 20]


def test_who_logged_in_from_there_does_not_count_at_the_account_of_strangers() -> None:
    assert _most(RATES.places(EMAIL, "192.0.2.1", known=True)) == [20, 5]


def test_without_an_address_there_is_the_account_alone() -> None:
    assert _most(RATES.places(EMAIL, None, known=False)) == [5]


def test_an_ipv6_network_is_one_client() -> None:
    one, other = (RATES.places(EMAIL, f"2001:db8::{end}", known=False) for end in ("1", "2"))
    assert one == other
    assert RATES.places(EMAIL, "2001:db8:0:1::1", known=False)[0] != one[0]


def test_one_stranger_alone_keeps_nobody_out() -> None:
    """What one address may try of an account runs out faster than it fills what all may."""
    _, there, anywhere = RATES.places(EMAIL, "192.0.2.1", known=False)
    assert there.most < anywhere.most
    assert there.level_after(5, timedelta(minutes=1)) > anywhere.level_after(5, timedelta(minutes=1))


def test_a_place_runs_out_steadily_and_a_clock_that_went_back_lets_none_run_out() -> None:
    place = RATES.places(EMAIL, None, known=False)[0]
    assert place.wait(4) == timedelta()
    assert place.wait(5) == timedelta(minutes=1)
    assert place.level_after(5, timedelta(minutes=1)) == pytest.approx(4)
    assert place.level_after(5, timedelta(days=1)) == 0
    assert place.level_after(5, -timedelta(days=1)) == 5


POLICY = parse_policy(
    """version = 1
[[rules]]
name = "boss"
effect = "allow"
principals = ["role:administrator", "user:boss@example.com"]
actions = ["administer"]
[[rules]]
name = "devices"
effect = "allow"
principals = ["role:device-manager", "group:desk"]
actions = ["manage-devices"]
[[rules]]
name = "not-these"
effect = "deny"
principals = ["group:desk"]
actions = ["manage-devices"]
"""
)
DESK = {"user:a@x", "group:desk"}
BEYOND = {
    "a role that may more": ({"user:b@x", "role:administrator"}, "boss"),
    "an address that a rule names": ({"user:boss@example.com"}, "boss"),
    "somebody whom a rule does not keep from what it keeps the giver from": ({"role:device-manager"}, "not-these"),
}


@pytest.mark.parametrize("sentence", BEYOND)
def test_nobody_is_given_more_than_the_giver_has(sentence: str) -> None:
    given, rule = BEYOND[sentence]
    found = rule_beyond(POLICY, giver=DESK, given=given)
    assert found is not None
    assert found.name == rule


def test_what_the_giver_has_may_be_given() -> None:
    assert rule_beyond(POLICY, giver=DESK, given={"user:b@x", "group:desk"}) is None
