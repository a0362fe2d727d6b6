"""Bodies of batches: one form, read in steps of any size, with bounds on what is held and looked at."""

from __future__ import annotations

import base64
import json
import os
import time
from dataclasses import dataclass
from typing import Any

import pytest

from signer.errors import EmptyBody, InvalidRequest, SignerError
from signer.errors.batches import BatchEmpty, BatchItemInvalid, BatchItemTooLarge, BatchTooLong
from signer.web.batch_reader import (
    MAX_ITEM_BYTES,
    MAX_ITEM_PARTS,
    MAX_ITEM_TEXT,
    MAX_ITEMS,
    BatchItem,
    BatchReader,
    Part,
    Read,
)

A, B = b"a manifest", b"\x00\xff\xfe? a head"
CODED = {each: base64.b64encode(each).decode() for each in (A, B)}
STEPS = (1, 2, 7, 4096)


def body(*items: Any) -> bytes:
    return json.dumps({"requests": list(items)}).encode()


def read(text: bytes, step: int | None = None) -> list[Read]:
    reader = BatchReader()
    for start in range(0, len(text), step or len(text) or 1):
        reader.feed(text[start : start + (step or len(text))])
    return reader.finish()


def told(text: bytes, step: int | None = None) -> Any:
    """What comes of a body, in a form that can be compared."""
    try:
        return [each if isinstance(each, BatchItem) else str(each) for each in read(text, step)]
    except SignerError as error:
        return str(error)


PLAIN = [BatchItem(Part.MANIFEST, A), BatchItem(Part.HEAD, B)]
PAIR = ({"manifest": CODED[A]}, {"head": CODED[B]})
FORMS = {
    "as json.dumps writes it": body(*PAIR),
    "without any space": json.dumps({"requests": PAIR}, separators=(",", ":")).encode(),
    "with much space": json.dumps({"requests": PAIR}, indent="\t \r\n").encode() + b"\n\n",
    "with space wherever it may stand": b' { "requests" : [ { "manifest" : "%s" } , { "head" : "%s" } ] } '
    % (CODED[A].encode(), CODED[B].encode()),
    "with slashes and letters escaped": body(*PAIR).replace(b"/", rb"\/").replace(b"A", rb"\u0041"),
}


@pytest.mark.parametrize("step", [None, *STEPS])
@pytest.mark.parametrize("sentence", FORMS)
def test_items_come_out_in_order(sentence: str, step: int | None) -> None:
    assert read(FORMS[sentence], step) == PLAIN


def test_a_thousand_are_taken_and_each_of_the_largest() -> None:
    large = os.urandom(MAX_ITEM_BYTES)
    assert len(read(body(*[PAIR[0]] * MAX_ITEMS))) == MAX_ITEMS
    for step in (None, 65536):
        assert read(body({"head": base64.b64encode(large).decode()}, PAIR[0]), step) == [
            BatchItem(Part.HEAD, large),
            PLAIN[0],
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    text: bytes
    error: type[SignerError] = InvalidRequest


WHOLE = {
    "nothing at all": Refused(text=b"", error=EmptyBody),
    "no item": Refused(text=b'{"requests": [ ]}', error=BatchEmpty),
    "an item too many": Refused(text=body(*[PAIR[0]] * (MAX_ITEMS + 1)), error=BatchTooLong),
    "a list alone": Refused(text=b'[{"manifest": "YQ=="}]'),
    "an empty object": Refused(text=b"{}"),
    "requests that are an object": Refused(text=b'{"requests": {}}'),
    "requests that are null": Refused(text=b'{"requests": null}'),
    "another member before": Refused(text=b'{"replace": true, "requests": [{"manifest": "YQ=="}]}'),
    "another member behind": Refused(text=b'{"requests": [{"manifest": "YQ=="}], "replace": true}'),
    "requests twice": Refused(text=b'{"requests": [{"manifest": "YQ=="}], "requests": []}'),
    "a comma at the list's end": Refused(text=b'{"requests": [{"manifest": "YQ=="},]}'),
    "two commas": Refused(text=b'{"requests": [{"manifest": "YQ=="},,{"manifest": "YQ=="}]}'),
    "a comma at the list's beginning": Refused(text=b'{"requests": [,{"manifest": "YQ=="}]}'),
    "no comma": Refused(text=b'{"requests": [{"manifest": "YQ=="} {"manifest": "YQ=="}]}'),
    "something behind the end": Refused(text=b'{"requests": [{"manifest": "YQ=="}]}{}'),
    "a second document": Refused(text=b'{"requests": [{"manifest": "YQ=="}]}\n' * 2),
    "an end too early, in the list": Refused(text=b'{"requests": [{"manifest": "YQ=="}'),
    "an end too early, in an item": Refused(text=b'{"requests": [{"manifest": "YQ'),
    "an end too early, behind the list": Refused(text=b'{"requests": [{"manifest": "YQ=="}]'),
    "a brace too many": Refused(text=b'{"requests": [{"manifest": "YQ=="}}]}'),
    "an item that is no JSON": Refused(text=b'{"requests": [{"manifest": YQ==}]}'),
    "a comma at an item's end": Refused(text=b'{"requests": [{"manifest": "YQ==",}]}'),
    "brackets that do not fit": Refused(text=b'{"requests": [{"manifest": ["YQ==")}, 1]}'),
    "single quotes": Refused(text=b"{'requests': [{'manifest': 'YQ=='}]}"),
    "a line end within a text": Refused(text=b'{"requests": [{"manifest": "YQ\n=="}]}'),
    "what is no UTF-8": Refused(text=b'{"requests": [{"manifest": "\xff"}]}'),
    "UTF-16": Refused(text=body(*PAIR).decode().encode("utf-16")),
    "a mark of the byte order": Refused(text=b"\xef\xbb\xbf" + body(*PAIR)),
    "a number that JSON does not know": Refused(text=b'{"requests": [NaN]}'),
    "space without end": Refused(text=b" " * 100_000),
    "lists in lists": Refused(text=b'{"requests": [' + b"[" * 100_000),
    "objects in objects": Refused(text=b'{"requests": [' + b'{"a":' * 100_000),
    "an item of too many parts, whole": Refused(
        text=b'{"requests": [' + b"[" * MAX_ITEM_PARTS + b"]" * MAX_ITEM_PARTS + b"]}"
    ),
    "an item of many members": Refused(text=b'{"requests": [{' + b'"a":1,' * MAX_ITEM_PARTS),
}


@pytest.mark.parametrize("sentence", WHOLE)
def test_what_is_no_batch_is_refused_whole(sentence: str) -> None:
    with pytest.raises(WHOLE[sentence].error):
        read(WHOLE[sentence].text)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("sentence", WHOLE)
def test_and_in_the_same_words_however_it_comes(sentence: str, step: int) -> None:
    text = WHOLE[sentence].text[:20_000]
    assert told(text, step) == told(text)


INVALID = {
    "no object": "5",
    "null": "null",
    "a text": '"YQ=="',
    "a list of what an object has": '[["manifest", "YQ=="]]',
    "an object without members": "{}",
    "both": '{"manifest": "YQ==", "head": "YQ=="}',
    "a manifest twice": '{"manifest": "YQ==", "manifest": "YQ=="}',
    "another member beside": '{"manifest": "YQ==", "replace": true}',
    "another member": '{"artifact": "YQ=="}',
    "a name in another case": '{"Manifest": "YQ=="}',
    "a number": '{"manifest": 5}',
    "a number of very many digits": '{"manifest": %s}' % ("9" * 10_000),
    "a list": '{"manifest": ["YQ=="]}',
    "an object": '{"manifest": {"manifest": "YQ=="}}',
    "no bytes": '{"manifest": ""}',
    "base64 without padding": '{"manifest": "YQ"}',
    "base64 with too much padding": '{"manifest": "YQ==="}',
    "base64 with bits behind its end": '{"manifest": "YR=="}',
    "base64 of the other alphabet": '{"manifest": "_-__"}',
    "base64 with a line end": r'{"manifest": "YWFh\nYWFh"}',
    "base64 with a space": '{"manifest": "YWFh YWFh"}',
    "base64 that goes on": '{"manifest": "YQ==YQ=="}',
    "letters that are no base64": '{"manifest": "\u00e4\u00f6\u00fc!"}',
    "half a surrogate": r'{"manifest": "\ud800"}',
}


@pytest.mark.parametrize("step", [None, *STEPS])
@pytest.mark.parametrize("sentence", INVALID)
def test_an_item_of_another_form_spoils_no_other(sentence: str, step: int | None) -> None:
    text = b'{"requests": [{"manifest": "%s"}, %s, {"head": "%s"}]}'
    first, bad, last = read(text % (CODED[A].encode(), INVALID[sentence].encode(), CODED[B].encode()), step)
    assert [first, last] == PLAIN
    assert isinstance(bad, BatchItemInvalid)


@pytest.mark.parametrize(
    "item",
    [
        {"head": base64.b64encode(bytes(MAX_ITEM_BYTES + 1)).decode()},
        {"head": "A" * (4 * MAX_ITEM_TEXT)},
        {"head": "\n" * MAX_ITEM_TEXT},
        {"x" * MAX_ITEM_TEXT: 1},
    ],
    ids=["a byte too many", "much too long", "of escapes", "a long name"],
)
@pytest.mark.parametrize("step", [None, 65536])
def test_an_item_that_is_too_large_spoils_no_other(item: dict[str, Any], step: int | None) -> None:
    first, large, last = read(body(PAIR[0], item, PAIR[1]), step)
    assert [first, last] == PLAIN
    assert isinstance(large, BatchItemTooLarge)


HOSTILE = {
    "space": b" ",
    "backslashes": b"\\\\",
    "escaped quotes": b'\\"',
    "quotes": b'""',
    "letters": b"A",
    "digits": b"9",
    "colons": b":",
    "items": b"0,",
    "empty items": b"{},",
}


@pytest.mark.parametrize("start", [b'{"requests": [', b'{"requests": [{"head": "', b'{"requests": [{"head": '])
@pytest.mark.parametrize("sentence", HOSTILE)
def test_twice_as_much_takes_no_more_than_some_times_as_long(sentence: str, start: bytes) -> None:
    """Processor time of this thread: quadratic, sixteen times as much would take 256 times as long."""

    def seconds(size: int) -> float:
        text = start + HOSTILE[sentence] * (size // len(HOSTILE[sentence]))
        begun = time.thread_time()
        told(text, 16384)
        return time.thread_time() - begun

    small = min(seconds(256 << 10) for _ in range(3))
    assert seconds(4 << 20) < 64 * max(small, 0.001)


def test_what_is_held_of_an_item_is_bounded() -> None:
    reader = BatchReader()
    reader.feed(b'{"requests": [{"head": "')
    for _ in range(64):
        reader.feed(b"A" * 65536)
        assert len(reader._text) + len(reader._buffer) - reader._at <= MAX_ITEM_TEXT + 1
