"""Patterns: what fits, and the much longer list of what does not."""

from __future__ import annotations

import time

import pytest

from signer.domain.access.patterns import MAX_PATTERN_CHARACTERS, Pattern

FITS = {
    "text for itself": ("firmware", "firmware"),
    "an end": ("fw-*", "fw-eu"),
    "nothing at all": ("fw-*", "fw-"),
    "a beginning": ("*-prod", "eu-prod"),
    "the middle": ("fw-*-prod", "fw-eu-west-prod"),
    "a beginning that comes twice": ("*-prod", "a-prod-prod"),
    "a whole segment": ("refs/heads/*", "refs/heads/main"),
    "two segments": ("refs/*/*", "refs/tags/v1"),
    "segments that colons separate": ("mtls:fleet:*", "mtls:fleet:device-1"),
    "everything": ("**", "refs/heads/a:b"),
    "everything, of nothing": ("**", ""),
    "what begins so, over segments": ("refs/**", "refs/heads/feature/a"),
    "what ends so, over segments": ("**/main", "refs/heads/main"),
    "what has it inside, over segments": ("a/**/z", "a/b/c/z"),
    "two wild cards that overlap": ("*ab*", "aab"),
    "both kinds": ("**/v*", "refs/tags/v1"),
    "text that is not ASCII, under a wild card": ("release-*", "release-größe"),
}

FITS_NOT = {
    "a longer text": ("refs/heads/main", "refs/heads/main2"),
    "a text before it": ("refs/heads/main", "xrefs/heads/main"),
    "a newline at the end": ("refs/heads/main", "refs/heads/main\n"),
    "a newline under a wild card": ("refs/heads/*", "refs/heads/main\nx"),
    "a newline under everything": ("**", "a\nb"),
    "a line of its own": ("main", "evil\nmain"),
    "a carriage return": ("main*", "main\r"),
    "a NUL": ("main*", "main\0"),
    "a zero-width space": ("main*", "main\u200b"),
    "a right-to-left mark": ("main*", "main\u202e"),
    "a letter that looks like it": ("release-*", "rele\u0430se-1"),
    "a full-width letter": ("main", "\uff4dain"),
    "another case": ("firmware", "Firmware"),
    "a further segment": ("refs/heads/*", "refs/heads/feature/main"),
    "a missing segment": ("refs/*/*", "refs/heads"),
    "a colon under a wild card": ("mtls:*", "mtls:fleet:x"),
    "a slash under a wild card": ("ci:github/*", "ci:github/1/2"),
    "nothing where something stands": ("a*", ""),
    "an end that overlaps the beginning": ("ab*ba", "aba"),
    "a dot for any letter": ("v1.2", "v1x2"),
    "an empty text": ("*a", ""),
    "a segment that everything would need": ("a/**/z", "a/z"),
    "a space at the end": ("main", "main "),
}

REFUSED = {
    "empty": "",
    "too long": "a" * (MAX_PATTERN_CHARACTERS + 1),
    "three asterisks": "a***",
    "a question mark": "fw-?",
    "a class of characters": "fw-[0-9]",
    "alternatives": "fw-{a,b}",
    "a group": "(fw)",
    "a bar": "fw|gw",
    "an anchor before": "^fw",
    "an anchor behind": "fw$",
    "a backslash": "fw\\-1",
    "a quote": 'fw"',
    "a letter that is not ASCII": "f\u0430",
    "a newline": "fw\n",
    "a tab": "fw\t",
    "a NUL": "fw\0",
    "a space at the end": "fw ",
    "a space before": " fw",
}


@pytest.mark.parametrize("sentence", FITS)
def test_fits(sentence: str) -> None:
    pattern, text = FITS[sentence]
    assert Pattern(pattern).fits(text)


@pytest.mark.parametrize("sentence", FITS_NOT)
def test_fits_not(sentence: str) -> None:
    pattern, text = FITS_NOT[sentence]
    assert not Pattern(pattern).fits(text)


@pytest.mark.parametrize("sentence", REFUSED)
def test_is_no_pattern(sentence: str) -> None:
    with pytest.raises(ValueError, match="must"):
        Pattern(REFUSED[sentence])


def test_the_time_grows_with_the_text_alone() -> None:
    """What would cost a matcher that tries and goes back an age: many wild cards, a text that almost fits."""
    pattern = Pattern("*a" * 100 + "b")
    started = time.process_time()
    assert not pattern.fits("a" * 10_000)
    assert time.process_time() - started < 1.0


def test_patterns_are_equal_where_their_texts_are() -> None:
    assert Pattern("fw-*") == Pattern("fw-*")
    assert len({Pattern("fw-*"), Pattern("fw-*"), Pattern("fw-**")}) == 2
