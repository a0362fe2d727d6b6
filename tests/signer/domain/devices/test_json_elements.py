"""Objects of long lists: the same whole or byte by byte, and nothing that is not whole."""

from __future__ import annotations

import json

import pytest

from signer.domain.json_elements import JsonElements
from signer.errors.imports import ListUnreadable

MOST = 256
TRICKY = [{"a": '}"]\\'}, {"b": {"c": [{"d": "{"}]}}, {}]
WHOLE = {
    "a list": (json.dumps(TRICKY), TRICKY),
    "a list with blanks": (json.dumps(TRICKY, indent=2), TRICKY),
    "an empty list": ("[]", []),
    "pages one after another": ('[{"a":1}]\n[{"b":2}, {"c":3}][]', [{"a": 1}, {"b": 2}, {"c": 3}]),
    "a line each": ('{"a":1}\n{"b":2}\n', [{"a": 1}, {"b": 2}]),
    "text that is not ASCII": ('[{"a":"ü€😀"}]', [{"a": "ü€😀"}]),
}
BROKEN = {
    "nothing": ("", 0),
    "blanks": (" \n", 2),
    "half an object": ('[{"a":1},{"b"', 13),
    "half a text": ('[{"a":"b}', 9),
    "half a list": ('[{"a":1}', 8),
    "a comma too many": ('[{"a":1},]', 9),
    "a comma too few": ('[{"a":1}{"b":2}]', 8),
    "a comma first": ('[,{"a":1}]', 1),
    "a number": ("[1]", 1),
    "a text": ('["a"]', 1),
    "a list in the list": ("[[]]", 1),
    "an end without a beginning": ("]", 0),
    "something behind it": ("[] x", 3),
    "an object that is too long": ('[{"a":"' + "b" * MOST + '"}]', 1),
}


def _read(text: str, piece: int) -> list[object]:
    elements, raw = JsonElements(most=MOST), text.encode()
    found = [each for start in range(0, len(raw), piece) for each in elements.feed(raw[start : start + piece])]
    elements.finish()
    return [json.loads(each) for each in found]


@pytest.mark.parametrize("piece", [1, 2, 7, 1000])
@pytest.mark.parametrize("name", WHOLE)
def test_objects_are_found_whatever_the_pieces(name: str, piece: int) -> None:
    text, objects = WHOLE[name]
    assert _read(text, piece) == objects


@pytest.mark.parametrize("piece", [1, 3, 1000])
@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_list_is_refused(name: str, piece: int) -> None:
    text, at = BROKEN[name]
    with pytest.raises(ListUnreadable) as refused:
        _read(text, piece)
    if name != "an object that is too long":  # told where it is noticed
        assert refused.value.at == at


def test_after_an_error_it_stays_broken() -> None:
    elements = JsonElements(most=MOST)
    for _ in range(2):
        with pytest.raises(ListUnreadable):
            elements.feed(b"x")
    with pytest.raises(ListUnreadable):
        elements.feed(b"[]")
    with pytest.raises(ListUnreadable):
        elements.finish()
