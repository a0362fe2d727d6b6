"""The reader: events, offsets, brokenness, and the gate before the header."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from tests.artifacts import ArtifactBuilder, Compression, PayloadFile, Script, Stage
from tests.artifacts.breaks import flip
from tests.artifacts.tarwriter import Member, header_bytes, tar_bytes, zeros
from verifier import (
    ArtifactFinished,
    ArtifactReader,
    Event,
    Finding,
    FindingCode,
    HeaderRead,
    Limits,
    Manifest,
    ManifestRead,
    PayloadData,
    PayloadFinished,
    PayloadStarted,
    SignatureRead,
    VerificationError,
    VersionRead,
    errors,
)

from .support import P256, SIGNED, UNSIGNED, one_file, told

GIB = 1024**3
VERSION_DIGEST = "96bcd965947569404798bcbdb614f103db5a004eb6e364cfc162c146890ea35b"
EMPTY = replace(SIGNED, payload_type=None, files=())


def events_of(recipe: ArtifactBuilder, **arguments: Any) -> list[Event]:
    events, error = told(recipe.build(), 1 << 20, ArtifactReader(**arguments))
    if error is not None:
        raise error
    return events


def test_events_come_in_the_order_of_the_bytes() -> None:
    artifact = replace(SIGNED, files=one_file(b"contents")).build()

    events, error = told(artifact, len(artifact), ArtifactReader())

    assert error is None
    version, manifest, signature, header, started, data, finished, end = events
    assert version == VersionRead(sha256=VERSION_DIGEST)
    assert isinstance(manifest, ManifestRead)
    assert isinstance(signature, SignatureRead)
    assert isinstance(header, HeaderRead)
    assert header.sha256 == manifest.manifest.header_digest
    assert started == PayloadStarted(name="image.bin", mode=0o600, size=8)
    assert data == PayloadData(name="image.bin", data=memoryview(b"contents"))
    assert finished == PayloadFinished(name="image.bin", size=8, sha256=hashlib.sha256(b"contents").hexdigest())
    assert end == ArtifactFinished(size=len(artifact))


def test_events_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        events_of(SIGNED)[0].sha256 = ""  # type: ignore[union-attr, misc]


def test_offsets_are_where_a_signature_is_spliced_in_and_out() -> None:
    signed, unsigned = SIGNED.build(), UNSIGNED.build()
    by_kind = {type(event): event for event in ArtifactReader().feed(signed)}
    manifest, signature = by_kind[ManifestRead], by_kind[SignatureRead]
    assert isinstance(manifest, ManifestRead)
    assert isinstance(signature, SignatureRead)

    assert signature.start_offset == manifest.end_offset
    without = signed[: signature.start_offset] + signed[signature.end_offset :]
    assert without == unsigned
    member = tar_bytes([Member(name="manifest.sig", content=signature.encoded)], end=b"")
    assert signed[signature.start_offset : signature.end_offset] == member


def test_the_offset_of_a_signature_counts_its_extension_header() -> None:
    def extended(members: list[Member]) -> list[Member]:
        return [replace(each, records={"mtime": "1"}) if each.name == "manifest.sig" else each for each in members]

    recipe = SIGNED.edited(Stage.MEMBERS, extended)
    artifact = recipe.build()
    signature = next(event for event in events_of(recipe) if isinstance(event, SignatureRead))

    assert artifact[: signature.start_offset] + artifact[signature.end_offset :] == UNSIGNED.build()


def test_the_end_of_the_head_is_where_the_payload_begins() -> None:
    artifact = SIGNED.build()
    header = next(event for event in events_of(SIGNED) if isinstance(event, HeaderRead))
    assert artifact[header.end_offset :].startswith(b"data/0000.tar.gz\0")


def test_a_head_alone_gives_its_header_and_no_error() -> None:
    artifact = SIGNED.build()
    end = next(event for event in events_of(SIGNED) if isinstance(event, HeaderRead)).end_offset
    reader = ArtifactReader()

    events = reader.feed(artifact[:end])

    assert isinstance(events[-1], HeaderRead)
    assert reader.feed(b"") == []


def test_a_head_followed_by_rubbish_gives_its_header_first_and_the_error_next() -> None:
    end = next(event for event in events_of(SIGNED) if isinstance(event, HeaderRead)).end_offset
    reader = ArtifactReader()

    events = reader.feed(SIGNED.build()[:end] + b"rubbish " * 100)

    assert isinstance(events[-1], HeaderRead)
    with pytest.raises(errors.TarChecksumInvalid):
        reader.finish()


def test_a_finished_head_is_truncated() -> None:
    end = next(event for event in events_of(SIGNED) if isinstance(event, HeaderRead)).end_offset
    reader = ArtifactReader()
    reader.feed(SIGNED.build()[:end])
    with pytest.raises(errors.Truncated):
        reader.finish()


@pytest.mark.parametrize("compression", Compression)
@pytest.mark.parametrize("size", [1, 511, 4096])
def test_pieces_of_any_size_tell_the_same(compression: Compression, size: int) -> None:
    recipe = replace(
        SIGNED.compressed(compression),
        scripts=(Script(name="ArtifactInstall_Enter_00"),),
        files=(*SIGNED.files, PayloadFile(name="empty", content=b"")),
    )
    artifact = recipe.build()
    assert told(artifact, size, ArtifactReader()) == told(artifact, len(artifact), ArtifactReader())


BROKEN: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "not a tar": lambda: b"x" * 2000,
    "cut in the middle": lambda: SIGNED.build()[:3000],
    "a payload bit": lambda: SIGNED.compressed(Compression.NONE).edited(Stage.PAYLOAD_STORED, flip(513)).build(),
    "a compressed payload bit": lambda: SIGNED.edited(Stage.PAYLOAD_STORED, flip(40)).build(),
    "an xz payload bit": lambda: SIGNED.compressed(Compression.XZ).edited(Stage.PAYLOAD_STORED, flip(40)).build(),
    "a zstd payload bit": lambda: SIGNED.compressed(Compression.ZSTD).edited(Stage.PAYLOAD_STORED, flip(40)).build(),
    "something after the end": lambda: SIGNED.build() + b"x",
}


@pytest.mark.parametrize("sentence", BROKEN)
@pytest.mark.parametrize("size", [1, 1000])
def test_pieces_of_any_size_tell_the_same_error(sentence: str, size: int) -> None:
    artifact = BROKEN[sentence]()
    events, error = told(artifact, len(artifact) or 1, ArtifactReader())
    assert error is not None
    assert told(artifact, size, ArtifactReader()) == (events, error)


def test_after_an_error_it_stays_broken() -> None:
    reader = ArtifactReader()
    with pytest.raises(errors.NotAnArtifact) as first:
        reader.feed(b"x" * 512)
    for call in (lambda: reader.feed(SIGNED.build()), lambda: reader.feed(b""), reader.finish, reader.finish):
        with pytest.raises(errors.NotAnArtifact) as again:
            call()
        assert again.value is first.value


def test_feeding_a_finished_reader_is_a_mistake_of_the_caller() -> None:
    reader = ArtifactReader()
    reader.feed(SIGNED.build())
    reader.finish()
    with pytest.raises(RuntimeError):
        reader.feed(b"x")
    with pytest.raises(RuntimeError):
        reader.finish()


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_every_kind_of_buffer_is_read(kind: Callable[[bytes], Any]) -> None:
    reader = ArtifactReader()
    reader.feed(kind(SIGNED.build()))
    assert isinstance(reader.finish()[-1], ArtifactFinished)


def test_payload_data_can_be_left_out() -> None:
    events = events_of(SIGNED, payload_data=False)
    assert not any(isinstance(event, PayloadData) for event in events)
    assert sum(isinstance(event, PayloadFinished) for event in events) == len(SIGNED.files)


def test_payload_data_can_be_taken_as_it_comes() -> None:
    taken: dict[str, bytes] = {}

    def take(piece: PayloadData) -> None:
        taken[piece.name] = taken.get(piece.name, b"") + piece.data

    events = events_of(SIGNED, on_payload=take)

    assert taken == {file.name: file.content for file in SIGNED.files}
    assert not any(isinstance(event, PayloadData) for event in events)


@pytest.mark.parametrize("reason", [OSError("disk full"), KeyboardInterrupt()], ids=["OSError", "KeyboardInterrupt"])
def test_what_is_no_verdict_comes_out_at_once_and_breaks_the_reader(reason: BaseException) -> None:
    """Before the next bytes, for which the caller may wait for ever."""

    def refuse(_: PayloadData) -> None:
        raise reason

    reader = ArtifactReader(on_payload=refuse)
    for call in (lambda: reader.feed(SIGNED.build()), reader.finish, reader.finish):
        with pytest.raises(type(reason)) as raised:
            call()
        assert raised.value is reason


class TestGate:
    """The gate stands before the header: what it refuses is never looked at."""

    HOSTILE_HEADER = SIGNED.edited(Stage.HEADER_STORED, lambda _: b"not even gzip")

    def test_it_is_given_manifest_and_signature_once(self) -> None:
        seen: list[tuple[Manifest, SignatureRead | None]] = []
        events = events_of(SIGNED, gate=lambda manifest, signature: seen.append((manifest, signature)))
        manifest = next(event.manifest for event in events if isinstance(event, ManifestRead))
        signature = next(event for event in events if isinstance(event, SignatureRead))
        assert seen == [(manifest, signature)]

    def test_without_a_signature_it_is_given_none(self) -> None:
        seen: list[SignatureRead | None] = []
        events_of(UNSIGNED, gate=lambda _, signature: seen.append(signature))
        assert seen == [None]

    def test_what_it_refuses_is_refused_before_the_header_is_read(self) -> None:
        def refuse(*_: object) -> None:
            raise errors.Unsigned

        events, error = told(self.HOSTILE_HEADER.build(), 1 << 20, ArtifactReader(gate=refuse))
        assert isinstance(error, errors.Unsigned)
        assert isinstance(events[-1], SignatureRead)

    def test_what_it_lets_through_is_still_checked(self) -> None:
        _, error = told(self.HOSTILE_HEADER.build(), 1 << 20, ArtifactReader(gate=lambda *_: None))
        assert isinstance(error, errors.CompressionMismatch)


class TestOverEightGibibytes:
    """Artifacts over 8 GiB, read as far as their sizes; the zeros are neither stored nor hashed."""

    RECIPE = replace(UNSIGNED.compressed(Compression.NONE), files=(PayloadFile(name="small", content=b"x"),))

    @pytest.mark.parametrize("size", [8 * GIB, 9 * GIB + 512, 1024 * GIB])
    def test_the_data_member_may_be_large(self, size: int) -> None:
        head = tar_bytes(self.RECIPE.members()[:3], end=b"")
        payload = header_bytes(Member(name="small", content=b"x")) + b"x".ljust(512, b"\0")
        reader = ArtifactReader()
        events = reader.feed(head + header_bytes(Member(name="data/0000.tar", content=zeros(size))) + payload)
        assert PayloadFinished(name="small", size=1, sha256=hashlib.sha256(b"x").hexdigest()) in events
        assert reader.feed(bytes(1024 + 10_240)) == []

    def test_a_payload_file_may_be_large(self) -> None:
        size = 9 * GIB + 1
        head = tar_bytes(self.RECIPE.members()[:3], end=b"")
        inner = header_bytes(Member(name="small", content=zeros(size)))
        outer = header_bytes(Member(name="data/0000.tar", content=zeros(size + 10_240)))
        events = ArtifactReader(limits=Limits()).feed(head + outer + inner + bytes(4096))
        assert PayloadStarted(name="small", mode=0o600, size=size) in events


class TestFindings:
    def test_an_ordinary_artifact_has_none(self) -> None:
        reader = ArtifactReader()
        told(SIGNED.build(), 1 << 20, reader)
        assert reader.findings == ()

    ROWS: tuple[tuple[str, ArtifactBuilder, Finding], ...] = (
        (
            "a compressed suffix",
            replace(SIGNED, files=one_file(b"x", "rootfs.ext4.gz")),
            Finding(code=FindingCode.PAYLOAD_NAME_SUFFIX, subject="rootfs.ext4.gz"),
        ),
        (
            "a setuid file",
            SIGNED.edited(Stage.PAYLOAD_MEMBERS, lambda m: [replace(m[0], mode=0o4755), *m[1:]]),
            Finding(code=FindingCode.PAYLOAD_MODE, subject="hello.txt", value=0o4755),
        ),
        (
            "a world-writable file",
            SIGNED.edited(Stage.PAYLOAD_MEMBERS, lambda m: [replace(m[0], mode=0o666), *m[1:]]),
            Finding(code=FindingCode.PAYLOAD_MODE, subject="hello.txt", value=0o666),
        ),
        (
            "zstd",
            SIGNED.compressed(Compression.ZSTD),
            Finding(code=FindingCode.ZSTD_CLIENTS, subject="header.tar.zst"),
        ),
        (
            "bytes in the padding of the version",
            SIGNED.edited(Stage.MEMBERS, lambda m: [replace(m[0], padding=b"x"), *m[1:]]),
            Finding(code=FindingCode.HIDDEN_BYTES, subject="version"),
        ),
        (
            "bytes in the padding of a payload file",
            SIGNED.edited(Stage.PAYLOAD_MEMBERS, lambda m: [replace(m[0], padding=b"x"), *m[1:]]),
            Finding(code=FindingCode.HIDDEN_BYTES, subject="data/0000.tar.gz"),
        ),
        (
            "bytes in the padding of a script",
            replace(SIGNED, scripts=(Script(name="ArtifactInstall_Enter_00"),)).edited(
                Stage.HEADER_MEMBERS, lambda m: [m[0], replace(m[1], padding=b"x"), *m[2:]]
            ),
            Finding(code=FindingCode.HIDDEN_BYTES, subject="header.tar.gz"),
        ),
        (
            "a misspelt field",
            SIGNED.edited(Stage.TYPE_INFO, lambda info: {**info, "artifact_provide": {}}),
            Finding(code=FindingCode.FIELD_IGNORED, subject="artifact_provide"),
        ),
        (
            "a script without its executable bit",
            replace(SIGNED, scripts=(Script(name="ArtifactInstall_Enter_00", mode=0o644),)),
            Finding(code=FindingCode.SCRIPT_NOT_EXECUTABLE, subject="scripts/ArtifactInstall_Enter_00", value=0o644),
        ),
    )

    @pytest.mark.parametrize(("sentence", "recipe", "finding"), ROWS, ids=[row[0] for row in ROWS])
    def test_is_told_once(self, sentence: str, recipe: ArtifactBuilder, finding: Finding) -> None:
        reader = ArtifactReader()
        _, error = told(recipe.build(), 1 << 20, reader)
        assert error is None
        assert reader.findings == (finding,)


def test_an_artifact_without_payload_has_an_empty_data_member() -> None:
    assert isinstance(events_of(EMPTY)[-1], ArtifactFinished)
    with pytest.raises(errors.MemberMissing):
        events_of(EMPTY.edited(Stage.MEMBERS, lambda members: members[:-1]))


def test_a_rootfs_image_may_leave_its_type_out_of_type_info() -> None:
    """mender-artifact before 4.4.0 writes rootfs images so, and every client reads them."""
    image = replace(SIGNED, payload_type="rootfs-image", files=SIGNED.files[:1])
    recipe = image.edited(Stage.TYPE_INFO, lambda info: {**info, "type": ""})
    header = next(event.header for event in events_of(recipe) if isinstance(event, HeaderRead))
    assert header.payload_type == "rootfs-image"
    assert header.type_left_empty


def test_a_header_says_what_was_written() -> None:
    recipe = replace(
        ArtifactBuilder(key=P256, name="release 1", device_types=("a", "b"), meta_data=b'{"k":[1]}'),
        scripts=(Script(name="ArtifactInstall_Enter_00"), Script(name="ArtifactCommit_Leave_99_done")),
    ).edited(Stage.TYPE_INFO, lambda info: {**info, "artifact_depends": {"rootfs": "x"}})
    recipe = recipe.edited(
        Stage.HEADER_INFO,
        lambda info: {
            **info,
            "artifact_provides": {**info["artifact_provides"], "artifact_group": "stable"},
            "artifact_depends": {**info["artifact_depends"], "artifact_name": ["n"], "artifact_group": ["g"]},
        },
    )

    header = next(event.header for event in events_of(recipe) if isinstance(event, HeaderRead))

    assert (header.artifact_name, header.artifact_group) == ("release 1", "stable")
    assert header.device_types == ("a", "b")
    assert (header.depends_artifact_names, header.depends_artifact_groups) == (("n",), ("g",))
    assert header.payload_types == ("corpus-module",)
    assert header.provides == {"corpus-module.version": "release 1"}
    assert header.depends == {"rootfs": "x"}
    assert header.clears_provides == ("corpus-module.*",)
    assert header.scripts == ("ArtifactInstall_Enter_00", "ArtifactCommit_Leave_99_done")
    assert header.meta_data == {"k": [1]}
    assert header.ignored_fields == ()


def test_every_prefix_is_refused() -> None:
    artifact = SIGNED.build()
    for end in range(0, len(artifact), 97):
        assert isinstance(told(artifact[:end], 1 << 20, ArtifactReader())[1], VerificationError)
