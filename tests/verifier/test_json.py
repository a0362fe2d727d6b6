"""JSON that every client reads alike."""

from __future__ import annotations

from typing import Any

import pytest

from verifier import Limits, VerificationError
from verifier._json import parse_object, unknown_fields

ACCEPTED: dict[str, tuple[bytes, dict[str, Any]]] = {
    "an empty object": (b"{}", {}),
    "white space": (b' {\n\t"a" :\r [ 1 , 2 ] } \n', {"a": [1, 2]}),
    "numbers": (b'{"a":-0,"b":1.5e3,"c":12345678901234567890}', {"a": 0, "b": 1500.0, "c": 12345678901234567890}),
    "escapes": (b'{"a":"\\u00e9\\n\\/"}', {"a": "é\n/"}),
    "a pair of surrogates": (b'{"a":"\\ud83d\\ude00"}', {"a": "😀"}),
    "the same key in two objects": (b'{"a":{"x":1},"b":{"x":2}}', {"a": {"x": 1}, "b": {"x": 2}}),
    "brackets in strings": (b'{"a":"' + b"[{" * 500 + b'"}', {"a": "[{" * 500}),
    "quotes in strings": (b'{"a":"\\"[[[\\\\"}', {"a": '"[[[\\'}),
}

REFUSED = {
    "nothing": (b"", "json-invalid"),
    "blanks": (b"  ", "json-invalid"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "json-invalid"),
    "UTF-16": ("{}".encode("utf-16"), "json-invalid"),
    "Latin-1": (b'{"a":"\xe9"}', "json-invalid"),
    "an overlong byte sequence": (b'{"a":"\xc0\xaf"}', "json-invalid"),
    "an encoded surrogate": (b'{"a":"\xed\xa0\x80"}', "json-invalid"),
    "an unpaired surrogate": (b'{"a":"\\ud800"}', "json-invalid"),
    "an unpaired surrogate in a key": (b'{"\\udc00":1}', "json-invalid"),
    "an unpaired surrogate in a list": (b'{"a":[["\\udc00"]]}', "json-invalid"),
    "NaN": (b'{"a":NaN}', "json-invalid"),
    "Infinity": (b'{"a":-Infinity}', "json-invalid"),
    "a number over the range of a double": (b'{"a":1e999}', "json-invalid"),
    "a whole number over the range of a double": (b'{"a":1' + b"0" * 400 + b"}", "json-invalid"),
    "a number of ten thousand digits": (b'{"a":' + b"1" * 10_000 + b"}", "json-invalid"),
    "a leading zero": (b'{"a":01}', "json-invalid"),
    "a leading plus": (b'{"a":+1}', "json-invalid"),
    "a number that begins with a point": (b'{"a":.5}', "json-invalid"),
    "a trailing comma": (b'{"a":1,}', "json-invalid"),
    "a comment": (b'{"a":1} // x', "json-invalid"),
    "single quotes": (b"{'a':1}", "json-invalid"),
    "a second value": (b"{}{}", "json-invalid"),
    "a NUL after it": (b"{}\0", "json-invalid"),
    "a raw newline in a string": (b'{"a":"\n"}', "json-invalid"),
    "no end": (b'{"a":', "json-invalid"),
    "an unfinished string": (b'{"a":"', "json-invalid"),
    "an array": (b"[]", "json-field-type-wrong"),
    "a string": (b'"a"', "json-field-type-wrong"),
    "null": (b"null", "json-field-type-wrong"),
    "a repeated key": (b'{"a":1,"a":1}', "json-key-repeated"),
    "a repeated key that is escaped once": (b'{"a":1,"\\u0061":1}', "json-key-repeated"),
    "a repeated key further down": (b'{"a":[{"b":1,"b":2}]}', "json-key-repeated"),
    "deep nesting": (b'{"a":' + b"[" * 64 + b"]" * 64 + b"}", "limit-exceeded"),
    "deep nesting without an end": (b"[" * 100_000, "limit-exceeded"),
    "deep nesting of objects": (b'{"a":' * 65 + b"1" + b"}" * 65, "limit-exceeded"),
    "more bytes than allowed": (b'{"a":"' + b"x" * 1024 * 1024 + b'"}', "limit-exceeded"),
}


@pytest.mark.parametrize("sentence", ACCEPTED)
def test_accepted(sentence: str) -> None:
    raw, value = ACCEPTED[sentence]
    assert parse_object(raw, document="document", limits=Limits()) == value


@pytest.mark.parametrize("sentence", REFUSED)
def test_refused(sentence: str) -> None:
    raw, code = REFUSED[sentence]
    with pytest.raises(VerificationError) as refusal:
        parse_object(raw, document="document", limits=Limits())
    assert refusal.value.code == code, str(refusal.value)


def test_the_deepest_nesting_allowed_is_read() -> None:
    raw = b'{"a":' + b"[" * 63 + b"]" * 63 + b"}"
    assert parse_object(raw, document="document", limits=Limits())


@pytest.mark.parametrize("field", ["Type", "TYPE", "artifact_Provides", "clears_artifact_provide\u017f"])
def test_a_field_that_go_takes_for_a_known_one_is_refused(field: str) -> None:
    known = frozenset({"type", "artifact_provides", "clears_artifact_provides"})
    with pytest.raises(VerificationError) as refusal:
        unknown_fields({"type": "x", field: "y"}, known, document="document")
    assert refusal.value.code == "json-field-ambiguous"
