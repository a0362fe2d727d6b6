"""Verification: evidence or an error, whatever the stream, and the signature before the contents."""

from __future__ import annotations

import hashlib
import io
import os
import threading
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from tests.artifacts import ArtifactBuilder, Compression, KeyKind, PayloadFile, SignatureForm, Stage, private_key
from tests.artifacts.breaks import flip
from verifier import (
    Event,
    Evidence,
    FindingCode,
    HeaderRead,
    Limits,
    PayloadData,
    SignatureEncoding,
    SignatureRead,
    VerificationError,
    VerifiedPayload,
    Verifier,
    errors,
    inspect,
    verify,
)

from .support import SIGNED, UNSIGNED, Pipe, Watched, one_file, pieces, trust

MIB = 1024 * 1024
LARGE = replace(SIGNED, files=one_file(b"0123456789abcdef" * (MIB // 4))).compressed(Compression.NONE)


def pushed(artifact: bytes, size: int = MIB, **arguments: Any) -> Evidence:
    verifier = Verifier(trust=arguments.pop("trust", trust()), **arguments)
    for piece in pieces(artifact, size):
        verifier.feed(piece)
    return verifier.finish()


def test_evidence_says_what_was_proved() -> None:
    artifact = SIGNED.build()

    evidence = verify(io.BytesIO(artifact), trust=trust(KeyKind.RSA_2048, KeyKind.P256))

    assert evidence.artifact_name == evidence.header.artifact_name == SIGNED.name
    assert evidence.key == trust().keys[0]
    assert evidence.signature_encoding is SignatureEncoding.ECDSA_RAW
    assert evidence.payloads == tuple(
        VerifiedPayload(name=file.name, size=len(file.content), sha256=hashlib.sha256(file.content).hexdigest())
        for file in SIGNED.files
        if isinstance(file.content, bytes)
    )
    assert evidence.manifest.raw == SIGNED.manifest()
    assert evidence.size == len(artifact)
    assert evidence.findings == ()


def test_evidence_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        verify(io.BytesIO(SIGNED.build()), trust=trust()).size = 0  # type: ignore[misc]


@pytest.mark.parametrize("size", [1, 100, MIB])
def test_pushing_proves_the_same_as_pulling(size: int) -> None:
    artifact = SIGNED.build()
    assert pushed(artifact, size) == verify(io.BytesIO(artifact), trust=trust())


@pytest.mark.parametrize("most", [1, 1000, MIB])
def test_a_stream_is_only_ever_read_forward_and_once(most: int) -> None:
    artifact = SIGNED.build()
    pipe = Pipe(artifact, most=most)
    assert verify(pipe, trust=trust()).size == len(artifact) == pipe.bytes_read


def test_a_real_pipe_is_read() -> None:
    artifact = LARGE.build()
    read_end, write_end = os.pipe()

    def write() -> None:
        with os.fdopen(write_end, "wb") as sink:
            sink.write(artifact)

    writer = threading.Thread(target=write)
    writer.start()
    with os.fdopen(read_end, "rb", buffering=0) as source:
        assert verify(source, trust=trust()).size == len(artifact)
    writer.join(timeout=10)


def test_reading_begins_where_the_stream_stands() -> None:
    stream = io.BytesIO(b"prefix" + SIGNED.build())
    stream.seek(6)
    assert verify(stream, trust=trust()).artifact_name == SIGNED.name


def test_what_the_stream_raises_comes_out() -> None:
    class Failing:
        def read(self, size: int, /) -> bytes:
            raise OSError("connection reset")

    with pytest.raises(OSError, match="connection reset"):
        verify(Failing(), trust=trust())


def test_a_stream_that_would_block_is_an_error() -> None:
    class Empty:
        def read(self, size: int, /) -> None:
            return None

    with pytest.raises(BlockingIOError):
        verify(Empty(), trust=trust())


class TestTheSignatureComesFirst:
    """Nothing of the contents is handed out, or even read, before the signature has been decided."""

    def test_before_any_header_or_payload_event(self) -> None:
        artifact = replace(SIGNED, key=private_key(KeyKind.OTHER_P256)).build()
        verifier = Verifier(trust=trust())
        events: list[Event] = []

        def push() -> None:
            for piece in pieces(artifact, 1):
                events.extend(verifier.feed(piece))

        with pytest.raises(errors.SignatureInvalid):
            push()
        assert isinstance(events[-1], SignatureRead)

    def test_before_payload_is_given_to_a_callback(self) -> None:
        artifact = replace(SIGNED, key=private_key(KeyKind.OTHER_P256)).build()
        taken: list[PayloadData] = []
        with pytest.raises(errors.SignatureInvalid):
            verify(io.BytesIO(artifact), trust=trust(), on_payload=taken.append)
        assert taken == []

    @pytest.mark.parametrize(
        "recipe",
        [
            SIGNED.edited(Stage.HEADER_STORED, lambda _: b"rubbish"),
            SIGNED.edited(Stage.PAYLOAD_STORED, lambda _: b"rubbish"),
        ],
        ids=["the header is rubbish", "the payload is rubbish"],
    )
    def test_and_is_the_error_that_is_told(self, recipe: ArtifactBuilder) -> None:
        artifact = replace(recipe, key=private_key(KeyKind.OTHER_P256)).build()
        with pytest.raises(errors.SignatureInvalid):
            verify(io.BytesIO(artifact), trust=trust())
        with pytest.raises(errors.Unsigned):
            verify(io.BytesIO(replace(recipe, key=None).build()), trust=trust())

    def test_no_more_is_read_after_a_refusal(self) -> None:
        artifact = replace(LARGE, key=private_key(KeyKind.OTHER_P256)).build()
        asked: list[int] = []
        with pytest.raises(errors.SignatureInvalid):
            verify(Watched(artifact, asked.append, chunk=4096), trust=trust())
        assert max(asked) <= 12_288


class TestPayload:
    @pytest.mark.parametrize("compression", Compression)
    def test_comes_while_streaming(self, compression: Compression) -> None:
        recipe = SIGNED.compressed(compression)
        taken: dict[str, bytes] = {}

        def take(piece: PayloadData) -> None:
            taken[piece.name] = taken.get(piece.name, b"") + piece.data

        verify(io.BytesIO(recipe.build()), trust=trust(), on_payload=take)
        assert taken == {file.name: file.content for file in recipe.files}

    def test_comes_before_the_artifact_ends(self) -> None:
        artifact = LARGE.build()
        given = 0

        def take(piece: PayloadData) -> None:
            nonlocal given
            given += len(piece.data)

        def check(position: int) -> None:
            assert given >= position - 2 * 65_536

        verify(Watched(artifact, check, chunk=65_536), trust=trust(), on_payload=take)

    def test_that_was_handed_out_proves_nothing_by_itself(self) -> None:
        artifact = SIGNED.compressed(Compression.NONE).edited(Stage.PAYLOAD_STORED, flip(513)).build()
        taken: list[PayloadData] = []
        with pytest.raises(errors.DigestMismatch):
            verify(io.BytesIO(artifact), trust=trust(), on_payload=taken.append)
        assert taken

    def test_a_callback_that_fails_ends_it(self) -> None:
        def refuse(_: PayloadData) -> None:
            raise OSError("disk full")

        for recipe in (SIGNED, LARGE):
            with pytest.raises(OSError, match="disk full"):
                verify(io.BytesIO(recipe.build()), trust=trust(), on_payload=refuse)


class TestThread:
    """Hashing in a second thread changes nothing but the time it takes, and leaves no thread behind."""

    ARTIFACTS: tuple[tuple[str, Callable[[], bytes]], ...] = (
        ("valid, uncompressed", LARGE.build),
        ("valid, gzip", LARGE.compressed(Compression.GZIP).build),
        ("valid, xz", LARGE.compressed(Compression.XZ).build),
        ("valid, several large files", lambda: replace(
            SIGNED, files=tuple(PayloadFile(name=f"f{n}", content=bytes([n]) * 2 * MIB) for n in range(3))
        ).build()),
        ("one bit", LARGE.edited(Stage.PAYLOAD_STORED, flip(3 * MIB)).build),
        ("cut", lambda: LARGE.build()[: 2 * MIB]),
    )  # fmt: skip

    @pytest.mark.parametrize(("sentence", "build"), ARTIFACTS, ids=[row[0] for row in ARTIFACTS])
    def test_gives_the_same(self, sentence: str, build: Callable[[], bytes]) -> None:
        artifact = build()

        def outcome(*, hash_in_thread: bool) -> Evidence | VerificationError:
            try:
                return verify(io.BytesIO(artifact), trust=trust(), hash_in_thread=hash_in_thread)
            except VerificationError as error:
                return error

        assert outcome(hash_in_thread=True) == outcome(hash_in_thread=False)
        assert not [thread for thread in threading.enumerate() if thread.name == "verifier-sha256"]

    def test_is_not_begun_for_small_files(self) -> None:
        began: list[int] = []
        verify(io.BytesIO(SIGNED.build()), trust=trust(), on_payload=lambda _: began.append(threading.active_count()))
        assert began
        assert max(began) == threading.active_count()


class TestStrict:
    DER = replace(SIGNED, form=SignatureForm.DER).edited(Stage.SIGNATURE_RAW, lambda raw: raw)

    def test_an_artifact_without_findings_passes(self) -> None:
        assert verify(io.BytesIO(SIGNED.build()), trust=trust(), strict=True).findings == ()

    def test_findings_are_refused_with_their_facts(self) -> None:
        artifact = replace(SIGNED, files=one_file(b"x", "a.gz")).build()
        with pytest.raises(errors.FindingsRefused) as refusal:
            verify(io.BytesIO(artifact), trust=trust(), strict=True)
        assert [finding.code for finding in refusal.value.findings] == [FindingCode.PAYLOAD_NAME_SUFFIX]

    def test_a_short_rsa_key_is_a_finding(self) -> None:
        artifact = replace(SIGNED, key=private_key(KeyKind.RSA_1024)).build()
        (finding,) = verify(io.BytesIO(artifact), trust=trust(KeyKind.RSA_1024)).findings
        assert (finding.code, finding.value) == (FindingCode.RSA_KEY_SHORT, 1024)

    def test_a_refusal_is_told_again(self) -> None:
        verifier = Verifier(trust=trust(), strict=True)
        verifier.feed(replace(SIGNED, files=one_file(b"x", "a.gz")).build())
        for _ in range(2):
            with pytest.raises(errors.FindingsRefused):
                verifier.finish()


class TestInspect:
    @pytest.mark.parametrize(
        ("recipe", "has_signature"),
        [(SIGNED, True), (UNSIGNED, False), (replace(SIGNED, key=private_key(KeyKind.P384)), True)],
        ids=["signed", "unsigned", "signed with an unknown kind of key"],
    )
    def test_says_what_is_there_and_proves_nothing(self, recipe: ArtifactBuilder, has_signature: bool) -> None:
        inspection = inspect(io.BytesIO(recipe.build()))
        assert inspection.has_signature is has_signature
        assert inspection.header.artifact_name == recipe.name
        assert [payload.name for payload in inspection.payloads] == [file.name for file in recipe.files]
        assert not hasattr(inspection, "artifact_name")
        assert not hasattr(inspection, "key")

    def test_checks_everything_else(self) -> None:
        artifact = UNSIGNED.compressed(Compression.NONE).edited(Stage.PAYLOAD_STORED, flip(513)).build()
        with pytest.raises(errors.DigestMismatch):
            inspect(io.BytesIO(artifact))

    def test_gives_out_payload(self) -> None:
        taken: list[PayloadData] = []
        inspect(io.BytesIO(UNSIGNED.build()), on_payload=taken.append)
        assert b"".join(piece.data for piece in taken)


def test_progress_counts_to_the_end() -> None:
    seen: list[int] = []
    artifact = LARGE.build()
    verify(io.BytesIO(artifact), trust=trust(), progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == len(artifact)


def test_the_error_comes_before_the_stream_is_read_to_its_end() -> None:
    asked: list[int] = []
    artifact = LARGE.edited(Stage.HEADER_INFO, lambda info: {**info, "x": 1}).build()
    with pytest.raises(errors.JsonFieldUnknown):
        verify(Watched(artifact, asked.append, chunk=4096), trust=trust(), limits=Limits())
    assert max(asked) < MIB


def test_a_verifier_tells_its_events() -> None:
    verifier = Verifier(trust=trust())
    events = verifier.feed(SIGNED.build())
    assert any(isinstance(event, HeaderRead) for event in events)
    assert verifier.findings == ()
    assert verifier.finish().artifact_name == SIGNED.name
