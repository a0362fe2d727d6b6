"""Text for people: hostile text cannot steer a terminal, and stays readable."""

from __future__ import annotations

import pytest

from verifier import Finding, FindingCode, errors
from verifier.wording import explain, explain_finding, visible

ROWS = {
    "plain text stays": ("release-1.0", "release-1.0"),
    "blanks and other scripts stay": ("έκδοση 1", "έκδοση 1"),
    "an escape sequence is shown": ("a\x1b[2Jb", "a\\x1b[2Jb"),
    "a newline is shown": ("a\nb", "a\\x0ab"),
    "a carriage return is shown": ("a\rb", "a\\x0db"),
    "a C1 control is shown": ("a\x9bb", "a\\x9bb"),
    "an override of the writing direction is shown": ("a\u202eb", "a\\u202eb"),
    "an unpaired surrogate, as of a file name, is shown": ("a\udcff", "a\\udcff"),
    "a character of a high plane that does not print is shown": ("\U000e0001", "\\U000e0001"),
    "a very long text is cut": ("x" * 5000, "x" * 200 + "..."),
}


@pytest.mark.parametrize("sentence", ROWS)
def test_visible(sentence: str) -> None:
    text, expected = ROWS[sentence]
    assert visible(text) == expected
    assert visible(text).isprintable()


def test_braces_in_a_fact_are_not_filled_in() -> None:
    explanation = explain(errors.PayloadNotListed(name="{name}{0}{limit.__class__}"))
    assert "{name}{0}{limit.__class__}" in explanation.sentence


def test_modes_are_shown_in_octal() -> None:
    finding = Finding(code=FindingCode.PAYLOAD_MODE, subject="tool", value=0o4755)
    assert "4755" in explain_finding(finding).sentence
