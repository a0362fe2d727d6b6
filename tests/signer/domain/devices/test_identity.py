"""The one form of an identity: as Go writes it, and nothing that means two things."""

from __future__ import annotations

import pytest

from signer.domain.device_identity import MAX_DEPTH, MAX_TEXT, DeviceIdentity
from signer.errors import DeviceIdentityInvalid

CANONICAL = {
    "members are sorted and blanks go": ('{ "b" : "2", "a":"1" }', '{"a":"1","b":"2"}'),
    "members are sorted by code points": ('{"ä":1,"z":2,"Z":3}', '{"Z":3,"z":2,"ä":1}'),
    "arrays keep their order": ('{"mac":["b","a"]}', '{"mac":["b","a"]}'),
    "nested members are sorted too": ('{"x":{"b":1,"a":[{"d":1,"c":2}]}}', '{"x":{"a":[{"c":2,"d":1}],"b":1}}'),
    "what HTML could mean is escaped": ('{"a":"<b>&"}', '{"a":"\\u003cb\\u003e\\u0026"}'),
    "line separators are escaped": ('{"a":"\u2028\u2029"}', '{"a":"\\u2028\\u2029"}'),
    "other scripts stand as they are": ('{"a":"\\u00e9\U0001f600"}', '{"a":"é\U0001f600"}'),
    "control characters have their escapes": (
        '{"a":"\\u0000\\u001f\\n\\t\\r\\b\\f"}',
        '{"a":"\\u0000\\u001f\\n\\t\\r\\b\\f"}',
    ),
    "quotes and backslashes too": ('{"a\\"":"\\\\ \\/"}', '{"a\\"":"\\\\ /"}'),
    "delete is no control character of theirs": ('{"a":"\x7f"}', '{"a":"\x7f"}'),
    "booleans stay": ('{"a":true,"b":false}', '{"a":true,"b":false}'),
    "an empty text stays": ('{"a":""}', '{"a":""}'),
    "whole numbers are floats without a fraction": ('{"a":1.0}', '{"a":1}'),
    "what a float cannot hold is rounded": ('{"a":9007199254740993}', '{"a":9007199254740992}'),
    "a fraction has its shortest digits": ('{"a":0.10000000000000000555}', '{"a":0.1}'),
    "the largest number without an exponent": ('{"a":999999999999999900000}', '{"a":999999999999999900000}'),
    "the smallest with one": ('{"a":1000000000000000000000}', '{"a":1e+21}'),
    "digits before an exponent": ('{"a":1.5e300}', '{"a":1.5e+300}'),
    "the smallest fraction without one": ('{"a":0.000001}', '{"a":0.000001}'),
    "the largest fraction with one": ('{"a":0.00000012}', '{"a":1.2e-7}'),
    "an exponent of two digits": ('{"a":1e-10}', '{"a":1e-10}'),
    "the smallest number of all": ('{"a":5e-324}', '{"a":5e-324}'),
    "minus zero stays": ('{"a":-0.0}', '{"a":-0}'),
    "minus": ('{"a":-2.50}', '{"a":-2.5}'),
}


@pytest.mark.parametrize("sentence", CANONICAL)
def test_an_identity_has_one_form(sentence: str) -> None:
    given, canonical = CANONICAL[sentence]
    assert DeviceIdentity.of_text(given).text == canonical
    assert DeviceIdentity.of_text(canonical) == DeviceIdentity.of_text(given)


def test_the_digest_is_that_of_mender() -> None:
    """As ``printf '{"mac":"02:00:00:00:00:01"}' | sha256sum`` says."""
    found = DeviceIdentity.of_text('{"mac": "02:00:00:00:00:01"}').sha256
    assert found == "8c9a68434dcee82b9f73a26fa0efb4c8c80b7b49f7504a1a90b1ddb35c4fa27a"


REFUSED = {
    "null": "null",
    "nothing": "",
    "text": '"a"',
    "a number": "1",
    "a list": '[{"mac":"x"}]',
    "no member": "{}",
    "a member twice": '{"mac":"1","mac":"2"}',
    "a member twice in another spelling": '{"mac":"1","m\\u0061c":"2"}',
    "a nested member twice": '{"a":{"b":1,"b":1}}',
    "null in a member": '{"mac":null}',
    "null in a list": '{"mac":["a",null]}',
    "two objects": '{"mac":"1"}{"mac":"2"}',
    "a comma too many": '{"mac":"1",}',
    "single quotes": "{'mac':'1'}",
    "NaN": '{"a":NaN}',
    "infinity": '{"a":Infinity}',
    "a number that no float holds": '{"a":1e400}',
    "digits that no float holds": '{"a":' + "9" * 400 + "}",
    "half a character": '{"a":"\\ud800"}',
    "half a character in a name": '{"\\udc00":"a"}',
    "a control character as it is": '{"a":"\n"}',
    "a byte order mark": '\ufeff{"a":"1"}',
    "a comment": '{"a":"1"}//',
    "too long": '{"a":"' + "x" * MAX_TEXT + '"}',
    "too deep": '{"a":' + "[" * (MAX_DEPTH + 1) + '"x"' + "]" * (MAX_DEPTH + 1) + "}",
    "deeper than the decoder": '{"a":' + "[" * 4000 + "]" * 4000 + "}",
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_is_no_identity_is_refused(sentence: str) -> None:
    with pytest.raises(DeviceIdentityInvalid):
        DeviceIdentity.of_text(REFUSED[sentence])


def test_as_many_levels_as_may_be() -> None:
    levels = MAX_DEPTH - 1
    text = '{"a":' + "[" * levels + '"x"' + "]" * levels + "}"
    assert DeviceIdentity.of_text(text).text == text
