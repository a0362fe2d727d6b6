"""The text of bearer tokens: one form, with a checksum that is compared before anybody is asked."""

from __future__ import annotations

import re

import pytest

from signer.auth.token_text import TokenText

TEXT = "ast_0011223344556677_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf3G0Kpu"


def test_it_is_made_as_the_vector_says() -> None:
    made = TokenText.make("ast", token_id="0011223344556677", secret=bytes(range(32)))
    assert made.text == TEXT


def test_it_is_read_again() -> None:
    read = TokenText.parse("ast", TEXT)
    assert read is not None
    assert (read.id, read.text) == ("0011223344556677", TEXT)
    assert TEXT not in repr(read)


def test_what_is_random_is_another_each_time_and_always_one_word() -> None:
    made = {TokenText.make("asx").text for _ in range(50)}
    assert len(made) == 50
    assert all(re.fullmatch(r"\basx_[0-9a-f]{16}_[0-9A-Za-z]{49}\b", text) for text in made)


def test_the_largest_secret_fits() -> None:
    made = TokenText.make("ast", secret=b"\xff" * 32)
    assert TokenText.parse("ast", made.text) == made


NONE = {
    "nothing": "",
    "the prefix alone": "ast_",
    "another prefix": TEXT.replace("ast", "asx"),
    "no prefix": TEXT[3:],
    "a wrong character of the checksum": TEXT[:-1] + "v",
    "two characters swapped": TEXT.replace("aUlT", "UalT"),
    "another id": TEXT.replace("6677", "6678"),
    "capitals in the id": TEXT.replace("_0011223344556677_", "_001122334455667A_"),
    "one character less": TEXT[:-1],
    "one character more": TEXT + "0",
    "a newline": TEXT + "\n",
    "a character of the old form": TEXT.replace("aUlT", "aU-T"),
    "digits of another script": TEXT.replace("0011", "\uff10011"),
}


@pytest.mark.parametrize("text", NONE.values(), ids=NONE)
def test_it_is_no_token(text: str) -> None:
    assert TokenText.parse("ast", text) is None
