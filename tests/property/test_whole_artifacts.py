"""Artifacts of any allowed shape and size are accepted, and the evidence says what was put into them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.artifacts import ArtifactBuilder, Compression, KeyKind, PayloadFile, private_key, public_pem
from tests.artifacts.breaks import changed
from tests.artifacts.builder import Stage
from tests.artifacts.tarwriter import USTAR_SIZE_LIMIT, Flavour, zeros
from tests.support.rows import slow_but
from verifier import PayloadData, TrustStore, verify

KEYS = (KeyKind.P256, KeyKind.RSA_2048)
OVER_USTAR = USTAR_SIZE_LIMIT + 1
"""More bytes than the size field of a plain header can say."""

printable = st.characters(codec="utf-8").filter(str.isprintable)
file_names = st.text("abcxyzABCXYZ0189_-.,", min_size=1, max_size=100).filter(lambda name: name.strip("."))
files = st.dictionaries(file_names, st.binary(max_size=5000), max_size=5)


DRAWN = given(
    name=st.text(printable, min_size=1, max_size=256),
    devices=st.lists(st.text(printable, min_size=1, max_size=20), min_size=1, max_size=3),
    contents=files,
    header=st.sampled_from(Compression),
    payload=st.sampled_from(Compression),
    kind=st.sampled_from(KEYS),
)


def proved(
    name: str,
    devices: list[str],
    contents: dict[str, bytes],
    header: Compression,
    payload: Compression,
    kind: KeyKind,
) -> None:
    """What is put into an artifact is what its evidence says."""
    builder = ArtifactBuilder(
        name=name,
        device_types=tuple(devices),
        files=tuple(PayloadFile(name=name, content=content) for name, content in contents.items()),
        header_compression=header,
        payload_compression=payload,
        key=private_key(kind),
    )
    received: dict[str, bytes] = dict.fromkeys(contents, b"")

    def receive(data: PayloadData) -> None:
        received[data.name] += bytes(data.data)

    trust = TrustStore.from_pem(public_pem(private_key(kind)))
    evidence = verify(io.BytesIO(builder.build()), trust=trust, on_payload=receive)

    assert evidence.artifact_name == name
    assert evidence.header.device_types == tuple(devices)
    assert received == contents


@pytest.mark.parametrize("examples", slow_but({25}, [25, 150]))
def test_what_is_put_in_is_what_is_proved(examples: int) -> None:
    settings(deadline=None, max_examples=examples)(DRAWN(proved))()


class Stream:
    """Reads what is generated, without a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = memoryview(b"")

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end."""
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._left = memoryview(chunk)
        piece, self._left = self._left[:size], self._left[size:]
        return bytes(piece)


@pytest.mark.slow
def test_an_artifact_over_eight_gibibytes() -> None:
    """The file's size stands in a pax record, the payload member's in GNU's base 256."""
    builder = replace(
        ArtifactBuilder(key=private_key(KeyKind.P256)),
        files=(PayloadFile(name="huge", content=zeros(OVER_USTAR)),),
    ).compressed(Compression.NONE)
    mixed = builder.edited(Stage.MEMBERS, changed("data/0000.tar", flavour=Flavour.GNU))

    evidence = verify(Stream(mixed.chunks()), trust=TrustStore.from_pem(public_pem(private_key(KeyKind.P256))))

    assert [(payload.name, payload.size) for payload in evidence.payloads] == [("huge", OVER_USTAR)]
    assert evidence.size > OVER_USTAR
