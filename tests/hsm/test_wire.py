"""Messages between processes: what was packed comes back, and nothing else is accepted."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm import Algorithm, TokenKey
from hsm.errors import KeyNotFound
from hsm.protocol.messages import MAX_FRAME, Op, RequestMessage, Status, parse_reply, parse_request, reply, request
from hsm.protocol.records import Capabilities, Setup, pack_record, unpack_record
from hsm.protocol.signing import (
    MAX_MESSAGE,
    Batch,
    KeyReference,
    PayloadKind,
    pack_answers,
    pack_batch,
    pack_key,
    unpack_answers,
    unpack_batch,
    unpack_key,
)
from hsm.protocol.values import WireError, pack_values, unpack_values

KEYS = st.builds(
    KeyReference, st.sampled_from(Algorithm), st.binary(min_size=32, max_size=32), st.binary(min_size=1, max_size=255)
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner).map(tuple),
    max_leaves=10,
)
KEY = pack_key(KeyReference(Algorithm.RSA_3072, bytes(32), b"id"))
ITEM = (0, PayloadKind.DIGEST, bytes(32))
RECORD = TokenKey(
    key_id=b"\1",
    label="ключ",
    algorithm=Algorithm.ED25519,
    spki=None,
    extractable=False,
    sensitive=True,
    always_sensitive=True,
    local=True,
    sign=True,
    has_private=True,
    has_public=False,
)


@given(st.sampled_from(Op), st.integers(0, 2**32 - 1), st.binary())
def test_a_request_arrives(op: Op, number: int, body: bytes) -> None:
    assert parse_request(request(op, number, body)) == RequestMessage(op, number, body)


@given(KEYS)
def test_a_key_arrives(key: KeyReference) -> None:
    assert unpack_key(pack_key(key)) == key


@given(st.lists(KEYS, min_size=1, max_size=5), st.data())
def test_a_batch_arrives(keys: list[KeyReference], data: st.DataObject) -> None:
    packed = tuple(pack_key(key) for key in keys)
    digests = st.tuples(st.integers(0, len(keys) - 1), st.just(PayloadKind.DIGEST), st.binary(min_size=32, max_size=32))
    messages = st.tuples(st.integers(0, len(keys) - 1), st.just(PayloadKind.MESSAGE), st.binary(max_size=100))
    items = tuple(data.draw(st.lists(digests | messages, min_size=1, max_size=20)))
    assert unpack_batch(pack_batch(packed, items)) == Batch(packed, items)


def test_answers_arrive() -> None:
    refused = KeyNotFound(key_id="01")
    answers = unpack_answers(pack_answers([(7, b"signature"), (0, refused)]))
    assert answers[0] == (7, b"signature")
    number, error = answers[1]
    assert (number, type(error), str(error)) == (0, KeyNotFound, str(refused))


@given(st.lists(VALUES))
def test_values_arrive(values: list[Any]) -> None:
    assert unpack_values(pack_values(*values)) == tuple(values)


@pytest.mark.parametrize(
    "record",
    [
        RECORD,
        Capabilities(by_digest=("rsa-2048",), by_message=()),
        Setup(
            module_path="/m",
            uri_token=None,
            uri_serial="1",
            uri_manufacturer=None,
            uri_model=None,
            uri_slot_id=3,
            lock_directory="/l",
            lock_group="g",
        ),
    ],
    ids=lambda record: type(record).__name__,
)
def test_records_arrive(record: Any) -> None:
    assert unpack_record(type(record), pack_record(record)) == record


def nested(depth: int) -> bytes:
    """So many tuples inside each other."""
    data = b""
    for _ in range(depth):
        data = b"(" + len(data).to_bytes(4, "big") + data
    return data


REFUSED = {
    "an empty message": lambda: parse_request(b""),
    "a message of four bytes": lambda: parse_reply(bytes(4)),
    "an unknown operation": lambda: parse_request(b"\xff" + bytes(4)),
    "an unknown status": lambda: parse_reply(b"\xff" + bytes(4)),
    "a message above the limit": lambda: parse_reply(bytes(MAX_FRAME + 1)),
    "a request above the limit is not even packed": lambda: request(Op.SIGN, 1, bytes(MAX_FRAME)),
    "a reply above the limit is not even packed": lambda: reply(Status.DONE, 1, bytes(MAX_FRAME)),
    "a batch of nothing": lambda: unpack_batch(b""),
    "a batch without items": lambda: unpack_batch(pack_batch([KEY], [])),
    "a batch without keys": lambda: unpack_batch(pack_batch([], [ITEM])),
    "a batch with half a key": lambda: unpack_batch(pack_batch([KEY], [ITEM])[:20]),
    "a batch whose key is longer than the batch": lambda: unpack_batch(b"\1\0\1" + bytes(33) + b"\xff"),
    "a batch with half an item": lambda: unpack_batch(pack_batch([KEY], [ITEM])[:-1]),
    "a batch with something behind it": lambda: unpack_batch(pack_batch([KEY], [ITEM]) + b"\0"),
    "a batch of more items than it has": lambda: unpack_batch(b"\1\0\2" + pack_batch([KEY], [ITEM])[3:]),
    "a batch of 257 items": lambda: unpack_batch(pack_batch([KEY], [ITEM] * 257)),
    "an item of a key that is not there": lambda: unpack_batch(pack_batch([KEY], [(1, *ITEM[1:])])),
    "an item of an unknown kind": lambda: unpack_batch(pack_batch([KEY], [(0, 2, bytes(32))])),
    "a digest of 31 bytes": lambda: unpack_batch(pack_batch([KEY], [(0, PayloadKind.DIGEST, bytes(31))])),
    "a digest of 33 bytes": lambda: unpack_batch(pack_batch([KEY], [(0, PayloadKind.DIGEST, bytes(33))])),
    "a message of 64 KiB and a byte": lambda: unpack_batch(
        pack_batch([KEY], [(0, PayloadKind.MESSAGE, bytes(MAX_MESSAGE + 1))])
    ),
    "no answers": lambda: unpack_answers(b""),
    "a cut head of an answer": lambda: unpack_answers(pack_answers([(1, b"x")])[:4]),
    "a cut answer": lambda: unpack_answers(pack_answers([(1, b"signature")])[:-1]),
    "an answer of an unknown kind": lambda: unpack_answers(b"\0\1\2\0\0"),
    "an answer whose error is of an unknown code": lambda: unpack_answers(b"\0\1\1\0\0"),
    "a cut key": lambda: unpack_key(KEY[:-1]),
    "a key of three bytes": lambda: unpack_key(KEY[:3]),
    "a key of an unknown algorithm": lambda: unpack_key(b"\x09" + KEY[1:]),
    "a key without an identifier": lambda: unpack_key(KEY[:33] + b"\0"),
    "a cut value": lambda: unpack_values(pack_values("text")[:-1]),
    "a cut head of a value": lambda: unpack_values(b"s\0\0"),
    "tuples inside each other without end": lambda: unpack_values(nested(5000)),
    "a value of an unknown kind": lambda: unpack_values(b"x\0\0\0\0"),
    "a truth that is neither": lambda: unpack_values(b"t\0\0\0\1\2"),
    "nothing with something in it": lambda: unpack_values(b"n\0\0\0\1\0"),
    "a number that is none": lambda: unpack_values(b"i\0\0\0\1x"),
    "a text that is not UTF-8 at all": lambda: unpack_values(b"f\0\0\0\1\xff"),
    "a record with a field too few": lambda: unpack_record(TokenKey, pack_values(b"\1")),
    "a record with a field of a wrong type": lambda: unpack_record(Capabilities, pack_values(("a",), "b")),
    "a record with a list of a wrong type": lambda: unpack_record(Capabilities, pack_values(("a",), (1,))),
    "a record of an unknown algorithm": lambda: unpack_record(
        TokenKey, pack_record(RECORD).replace(b"ed25519", b"ed448-x")
    ),
    "a truth where a number belongs": lambda: unpack_record(
        Setup, pack_values(1, "", None, None, None, None, True, "", "", None, None, None, 1, 1.0, 1.0, False)
    ),
}


@pytest.mark.parametrize("row", REFUSED)
def test_refused(row: str) -> None:
    with pytest.raises(WireError):
        REFUSED[row]()


@given(st.binary())
def test_noise_is_refused_and_nothing_else_is_raised(noise: bytes) -> None:
    for parse in (
        parse_request,
        parse_reply,
        unpack_batch,
        unpack_answers,
        unpack_key,
        unpack_values,
        lambda data: unpack_record(TokenKey, data),
    ):
        with contextlib.suppress(WireError):
            parse(noise)
