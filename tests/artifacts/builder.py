"""Writes Mender Artifacts of format version 3, correct unless told to deviate at one stage by an edit.

The stages run in order, each from the ones before it. An edit before `MANIFEST` is what a rogue writer
does: digests and signature cover it. An edit after `SIGNATURE` is what somebody on the way does.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path
from typing import IO, Any

from .compression import Compression, compress, compressed_chunks
from .keys import PrivateKey, SignatureForm, sign
from .tarwriter import (
    CHUNK,
    END_OF_ARCHIVE,
    ZEROS,
    Blob,
    Content,
    Member,
    content_chunks,
    tar_bytes,
    tar_chunks,
    tar_size,
)

VERSION = b'{"format":"mender","version":3}'
PAYLOAD_TYPE = "corpus-module"
DEVICE_TYPE = "corpus-device"
ARTIFACT_NAME = "corpus-release"

Json = dict[str, Any]
Edit = Callable[[Any], Any]


class Stage(Enum):
    """A step of building; the comment is the type of the value that an edit receives and returns."""

    VERSION = auto()  # bytes
    HEADER_INFO = auto()  # dict, before it becomes JSON
    HEADER_INFO_JSON = auto()  # bytes
    TYPE_INFO = auto()  # dict, before it becomes JSON
    TYPE_INFO_JSON = auto()  # bytes
    HEADER_MEMBERS = auto()  # list of Member
    HEADER_TAR = auto()  # bytes, uncompressed
    HEADER_STORED = auto()  # bytes, as compressed
    PAYLOAD_MEMBERS = auto()  # list of Member
    PAYLOAD_TAR = auto()  # bytes, uncompressed
    PAYLOAD_STORED = auto()  # bytes, as compressed
    MANIFEST_LINES = auto()  # list of (hex digest, name)
    MANIFEST = auto()  # bytes
    SIGNATURE_RAW = auto()  # bytes, before base64
    SIGNATURE = auto()  # bytes of manifest.sig
    MEMBERS = auto()  # list of Member of the outer tar
    ARTIFACT = auto()  # bytes of the whole file


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadFile:
    """A file of the payload: its base name and its content."""

    name: str
    content: Content


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A state script: its name, such as `ArtifactInstall_Enter_00`, its text and its mode."""

    name: str
    content: bytes = b"#!/bin/sh\nexit 0\n"
    mode: int = 0o755


DEFAULT_FILES = (
    PayloadFile(name="hello.txt", content=b"hello, device\n"),
    PayloadFile(name="image.bin", content=bytes(range(256)) * 3),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactBuilder:
    """The recipe of one artifact. Every `with`-like change is `dataclasses.replace` or `edited`."""

    name: str = ARTIFACT_NAME
    device_types: tuple[str, ...] = (DEVICE_TYPE,)
    payload_type: str | None = PAYLOAD_TYPE
    files: tuple[PayloadFile, ...] = DEFAULT_FILES
    scripts: tuple[Script, ...] = ()
    meta_data: bytes | None = None
    header_compression: Compression = Compression.GZIP
    payload_compression: Compression = Compression.GZIP
    key: PrivateKey | None = None
    form: SignatureForm = SignatureForm.STANDARD
    outer_end: bytes = END_OF_ARCHIVE
    edits: tuple[tuple[Stage, Edit], ...] = ()

    def edited(self, stage: Stage, edit: Edit) -> ArtifactBuilder:
        """The same recipe with `edit` applied to the value of `stage`."""
        return replace(self, edits=(*self.edits, (stage, edit)))

    def compressed(self, compression: Compression) -> ArtifactBuilder:
        """The same recipe with header and payload stored under `compression`."""
        return replace(self, header_compression=compression, payload_compression=compression)

    def build(self) -> bytes:
        """The artifact's bytes."""
        return bytes(self._at(Stage.ARTIFACT, tar_bytes(self.members(), self.outer_end)))

    def members(self) -> list[Member]:
        """The members of the outer tar."""
        payload_tar = self._at(Stage.PAYLOAD_TAR, tar_bytes(self._payload_members()))
        stored = self._at(Stage.PAYLOAD_STORED, compress(payload_tar, self.payload_compression))
        members = [*self._head(), Member(name=self._payload_name, content=stored)]
        return list(self._at(Stage.MEMBERS, members))

    def chunks(self) -> Iterator[bytes]:
        """The artifact piece by piece, in bounded memory; compressed payloads are spooled to a file.

        Edits of the payload's bytes or of the whole need them in memory: use `build`.
        """
        if {stage for stage, _ in self.edits} & {Stage.PAYLOAD_TAR, Stage.PAYLOAD_STORED, Stage.ARTIFACT}:
            raise ValueError("an edit of the payload's bytes or of the whole cannot be streamed")
        with tempfile.TemporaryFile() as spool:
            payload = Member(name=self._payload_name, content=self._stored(self._payload_members(), spool))
            yield from tar_chunks(self._at(Stage.MEMBERS, [*self._head(), payload]), self.outer_end)

    def write(self, out: IO[bytes]) -> None:
        """Write `chunks` to a seekable file, leaving holes where there are only zeros."""
        for chunk in self.chunks():
            if chunk is ZEROS:
                out.seek(len(chunk), os.SEEK_CUR)
            else:
                out.write(chunk)
        out.truncate()

    def manifest(self) -> bytes:
        """The bytes of the member manifest, which are what the signature covers."""
        return bytes(self._at(Stage.MANIFEST, self._manifest(*self._signed_parts())))

    @property
    def _payload_name(self) -> str:
        return "data/0000.tar" + self.payload_compression.value

    @property
    def _header_name(self) -> str:
        return "header.tar" + self.header_compression.value

    def _at(self, stage: Stage, value: Any) -> Any:
        for where, edit in self.edits:
            if where is stage:
                value = edit(value)
        return value

    def _head(self) -> list[Member]:
        version, header = self._signed_parts()
        manifest = self._at(Stage.MANIFEST, self._manifest(version, header))
        members = [Member(name="version", content=version), Member(name="manifest", content=manifest)]
        if self.key is not None:
            raw = self._at(Stage.SIGNATURE_RAW, sign(self.key, manifest, self.form))
            text = self._at(Stage.SIGNATURE, base64.b64encode(raw))
            members.append(Member(name="manifest.sig", content=text))
        return [*members, Member(name=self._header_name, content=header)]

    def _signed_parts(self) -> tuple[bytes, bytes]:
        tar = self._at(Stage.HEADER_TAR, tar_bytes(self._header_members()))
        stored = self._at(Stage.HEADER_STORED, compress(tar, self.header_compression))
        return self._at(Stage.VERSION, VERSION), stored

    def _manifest(self, version: bytes, header: bytes) -> bytes:
        lines = [(_digest(file.content), f"data/0000/{file.name}") for file in self.files]
        lines += [(_digest(header), self._header_name), (_digest(version), "version")]
        return b"".join(f"{digest}  {name}\n".encode() for digest, name in self._at(Stage.MANIFEST_LINES, lines))

    def _header_members(self) -> list[Member]:
        info = _json(self._at(Stage.HEADER_INFO, self._header_info()))
        type_info = _json(self._at(Stage.TYPE_INFO, self._type_info()))
        members = [Member(name="header-info", content=self._at(Stage.HEADER_INFO_JSON, info))]
        members += [
            Member(name=f"scripts/{script.name}", content=script.content, mode=script.mode) for script in self.scripts
        ]
        content = self._at(Stage.TYPE_INFO_JSON, type_info)
        members.append(Member(name="headers/0000/type-info", content=content))
        if self.meta_data is not None:
            members.append(Member(name="headers/0000/meta-data", content=self.meta_data))
        return list(self._at(Stage.HEADER_MEMBERS, members))

    def _header_info(self) -> Json:
        return {
            "payloads": [{"type": self.payload_type}],
            "artifact_provides": {"artifact_name": self.name},
            "artifact_depends": {"device_type": list(self.device_types)},
        }

    def _type_info(self) -> Json:
        if self.payload_type is None:
            return {"type": None}
        return {
            "type": self.payload_type,
            "artifact_provides": {f"{self.payload_type}.version": self.name},
            "clears_artifact_provides": [f"{self.payload_type}.*"],
        }

    def _payload_members(self) -> list[Member]:
        members = [Member(name=file.name, content=file.content) for file in self.files]
        return list(self._at(Stage.PAYLOAD_MEMBERS, members))

    def _stored(self, members: list[Member], spool: IO[bytes]) -> Blob:
        if self.payload_compression is Compression.NONE:
            return Blob(size=tar_size(members), chunks=lambda: tar_chunks(members))
        for chunk in compressed_chunks(tar_chunks(members), self.payload_compression):
            spool.write(chunk)
        return Blob(size=spool.tell(), chunks=lambda: _file_chunks(spool))


def file_on_disk(path: Path) -> PayloadFile:
    """A payload file whose content is read from `path` each time it is needed."""

    def chunks() -> Iterator[bytes]:
        with path.open("rb") as source:
            yield from _file_chunks(source)

    return PayloadFile(name=path.name, content=Blob(size=path.stat().st_size, chunks=chunks))


def _file_chunks(source: IO[bytes]) -> Iterator[bytes]:
    source.seek(0)
    while chunk := source.read(CHUNK):
        yield chunk


def _digest(content: Content) -> str:
    digest = hashlib.sha256()
    for chunk in content_chunks(content):
        digest.update(chunk)
    return digest.hexdigest()


def _json(value: Json) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
