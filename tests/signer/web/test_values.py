"""Odd values are refused at the edge, with what is wrong: none reaches storage, none is taken for another."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

import pytest

from signer.domain.identity import Role
from tests.docs.application import KEY, Application
from tests.support.asking import Reply

KEYS = "/v1/keys"
VERSIONS = f"/v1/keys/{KEY}/versions"
NEW = '"name": "new", "algorithm": "ecdsa-p256"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A request, and how it is refused. ``says``: a part of the detail."""

    path: str
    body: str | None = None
    status: int = 400
    code: str = "invalid-request"
    says: str = ""


def bounded(member: str, value: str, says: str = "") -> Value:
    """A new key with one bound of its first version, ``value`` being JSON."""
    return Value(path=KEYS, body=f'{{{NEW}, "{member}": {value}}}', says=says or member)


def event_query(query: str, says: str) -> Value:
    return Value(path=f"/v1/events?{query}", says=says)


def version(digits: str) -> Value:
    return Value(path=f"{VERSIONS}/{quote(digits)}/public-key", status=404, code="route-not-found")


def no_key(name: str) -> Value:
    return Value(path=f"{KEYS}/{quote(name)}", status=404, code="key-not-found")


def adopted(pair: str, says: str) -> Value:
    return Value(path=KEYS, body=f'{{{NEW}, "adopt": {{{pair}}}}}', says=says)


VALUES: dict[str, Value] = {
    # events
    "an event id beyond what databases count": event_query(f"after={1 << 63}", "after"),
    "an event id of many digits": event_query("after=" + "9" * 5000, "after"),
    "a negative event id": event_query("after=-1", "after"),
    "an event id with a sign": event_query("after=%2B1", "after"),
    "an event id with a leading zero": event_query("after=01", "after"),
    "an event id with spaces": event_query("after=%201", "after"),
    "an event id with underscores": event_query("after=1_0", "after"),
    "an event id in other digits": event_query("after=" + quote("\u0661"), "after"),
    "an event id that is a fraction": event_query("after=1.0", "after"),
    "an event id that is empty": event_query("after=", "after"),
    "an event id that is true": event_query("after=true", "after"),
    "a limit of zero": event_query("limit=0", "limit"),
    "a limit in other digits": event_query("limit=" + quote("\uff15"), "limit"),
    "a parameter twice": event_query("after=1&after=2", "after"),
    "an unknown parameter": event_query("before=1", "before"),
    "a key's name with a NUL": event_query("key=a%00b", "key"),
    "a key's name that can be none": event_query("key=" + "a" * 64, "key"),
    "a key's name that is no UTF-8": event_query("key=%ff", "key"),
    # names in paths
    "a path with a NUL": no_key("a\x00b"),
    "a path with a NUL alone": no_key("\x00"),
    "a path with a key name too long": no_key("a" * 4000),
    "a path that is no UTF-8": Value(path=f"{KEYS}/%ff", status=404, code="route-not-found"),
    "a NUL where a key is asked for its public keys": Value(
        path=f"{KEYS}/a%00b/public-keys", status=404, code="key-not-found"
    ),
    "a NUL where a key is rotated": Value(path=f"{KEYS}/a%00b/rotate", body="", status=404, code="key-not-found"),
    "a NUL where a key signs": Value(path=f"{KEYS}/a%00b/signatures", body="x", status=404, code="key-not-found"),
    # version numbers
    "a version with a leading zero": version("01"),
    "version zero": version("0"),
    "a version in Arabic digits": version("\u0661"),
    "a version in full-width digits": version("\uff11"),
    "a version of many digits": version("9" * 5000),
    "a version with a sign": version("+1"),
    # timestamps
    "a time in seconds since 1970": bounded("not_after", "1900000000"),
    "a time in seconds as text": bounded("not_after", '"1900000000"'),
    "a time that is a fraction": bounded("not_after", "1900000000.5"),
    "a time that is true": bounded("not_after", "true"),
    "a time that is a list": bounded("not_after", "[]"),
    "a day without a time": bounded("not_after", '"2030-01-31"'),
    "a time without a zone": bounded("not_after", '"2030-01-31T12:00:00"'),
    "a time without seconds": bounded("not_after", '"2030-01-31T12:00Z"'),
    "a time in other digits": bounded("not_after", '"\u0662\u066030-01-31T12:00:00Z"'),
    "a day that does not exist": bounded("not_after", '"2030-02-30T12:00:00Z"'),
    "a leap second": bounded("not_after", '"2030-06-30T23:59:60Z"'),
    "a zone that does not exist": bounded("not_after", '"2030-01-31T12:00:00+25:00"'),
    "the first moment of the calendar in an eastern zone": bounded("not_before", '"0001-01-01T00:00:00+14:00"'),
    "the last moment of the calendar in a western zone": bounded("not_after", '"9999-12-31T23:59:59-12:00"'),
    "a time before certificates can hold it": bounded("not_before", '"1949-12-31T23:59:59Z"'),
    "the end before the beginning": Value(
        path=KEYS,
        body=f'{{{NEW}, "not_before": "2031-01-01T00:00:00Z", "not_after": "2030-01-01T00:00:00Z"}}',
        says="later than",
    ),
    # numbers
    "a limit of signatures that is true": bounded("signature_limit", "true"),
    "a limit of signatures as text": bounded("signature_limit", '"5"'),
    "a limit of signatures that is a fraction": bounded("signature_limit", "5.0"),
    "a limit of signatures beyond what is exact in JSON": bounded("signature_limit", str((1 << 53) + 1)),
    "a limit of signatures with an exponent": bounded("signature_limit", "1e3"),
    "a limit of signatures of many digits": bounded("signature_limit", "9" * 5000, "number"),
    "a limit of signatures that is no number": bounded("signature_limit", "NaN"),
    # members
    "a member twice": Value(path=KEYS, body=f'{{{NEW}, "name": "other"}}', says="name"),
    "a member twice, once escaped": Value(path=KEYS, body=f'{{{NEW}, "n\\u0061me": "other"}}', says="name"),
    "a member twice further inside": adopted('"label": "a", "label": "b"', "label"),
    "an unknown member": Value(path=KEYS, body=f'{{{NEW}, "colour": 1}}', says="colour"),
    "JSON nested deeply": Value(path=KEYS, body="[" * 20000, says="the body"),
    "a list": Value(path=KEYS, body="[]", says="the body"),
    "a name that is true": Value(path=KEYS, body='{"name": true, "algorithm": "ecdsa-p256"}', says="name"),
    "a name that is a number": Value(path=KEYS, body='{"name": 5, "algorithm": "ecdsa-p256"}', says="name"),
    "a name with half a character": Value(path=KEYS, body='{"name": "\\ud800", "algorithm": "ecdsa-p256"}'),
    "a name with a NUL": Value(path=KEYS, body='{"name": "a\\u0000b", "algorithm": "rsa-2048"}', code="invalid-name"),
    "an algorithm with half a character": Value(path=KEYS, body='{"name": "new", "algorithm": "\\udfff"}'),
    "a token with half a character": Value(path=KEYS, body=f'{{{NEW}, "tokens": ["\\ud800"]}}'),
    "a token that is a number": bounded("tokens", "[5]"),
    # pairs in the token
    "a label too long for a token in characters": adopted(f'"label": "{"a" * 256}"', "label"),
    "a label too long for a token in bytes": adopted(f'"label": "{"ä" * 128}"', "label"),
    "a label with half a character": adopted('"label": "\\ud800"', "JSON"),
    "an empty label": adopted('"label": ""', "label"),
    "a label that is true": adopted('"label": true', "label"),
    "a CKA_ID of an odd number of digits": adopted('"cka_id": "abc"', "cka_id"),
    "a CKA_ID too long": adopted(f'"cka_id": "{"ab" * 256}"', "cka_id"),
    "a CKA_ID in other digits": adopted('"cka_id": "\u0661\u0662"', "cka_id"),
    "a CKA_ID with a colon at its end": adopted('"cka_id": "ab:"', "cka_id"),
    "a CKA_ID with a colon at its beginning": adopted('"cka_id": ":ab"', "cka_id"),
    "a CKA_ID with two colons": adopted('"cka_id": "ab::cd"', "cka_id"),
    "a CKA_ID with a colon within a byte": adopted('"cka_id": "a:b"', "cka_id"),
    "a public key that is a number": adopted('"label": "a", "public_key": 1', "public_key"),
    "a public key alone": adopted('"public_key": "PEM"', "exactly one"),
    "a CKA_ID with a newline at its end": adopted('"cka_id": "ab\\n"', "cka_id"),
}


def ask(site: Application, value: Value) -> Reply:
    authorization = site.credentials[Role.ADMINISTRATOR]
    if value.body is None:
        return site.ask("GET", quote(value.path, safe="/?=&%"), authorization)
    return site.ask("POST", quote(value.path, safe="/?=&%"), authorization, value.body.encode())


@pytest.mark.parametrize("sentence", VALUES)
def test_a_value_is_refused(site: Application, sentence: str) -> None:
    value = VALUES[sentence]
    answer = ask(site, value)
    assert answer.content_type == "application/problem+json"
    document = answer.json()
    assert (answer.status_code, document["code"]) == (value.status, value.code), document
    assert value.says in document["detail"]


EXTREMES = {
    "the largest event id": "/v1/events?after=9223372036854775807",
    "the largest page": "/v1/events?limit=1000",
    "no parameter": "/v1/events",
    "a key that is not there": "/v1/events?key=nothing",
}


@pytest.mark.parametrize("sentence", EXTREMES)
def test_a_value_at_the_end_of_its_range_is_taken(site: Application, sentence: str) -> None:
    assert ask(site, Value(path=EXTREMES[sentence])).status_code == 200
