"""``artifact-signer sign``: get an artifact signed, whole or by its head only."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

import click

from signer.answers import encoded_signature
from signer.artifacts import Form, UploadReader
from signer.cli.connection import connected, json_option
from signer.cli.output import note, show_json, terminal
from verifier import Limits

READ_BYTES = 1 << 16
HEAD_BYTES = 4 << 20


@click.command()
@click.argument("artifact", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--key", required=True, help="name of the key")
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), required=True, help="signed artifact")
@click.option("--head-only", is_flag=True, help="send only the head; the payload stays here")
@click.option("--replace", is_flag=True, help="drop the signature that the artifact carries")
@json_option
def sign(artifact: Path, *, key: str, output: Path, head_only: bool, replace: bool, as_json: bool) -> None:
    """Sign ARTIFACT with a key of the service."""
    document = (_sign_by_head if head_only else _sign_whole)(artifact, key, output, replace=replace)
    if as_json:
        show_json(document)
    note(f"signed {output}")


def _sign_whole(artifact: Path, key: str, output: Path, *, replace: bool) -> dict[str, object]:
    with connected() as client, artifact.open("rb") as source, _NewFile(output) as target:
        size = artifact.stat().st_size
        with click.progressbar(length=size, label="sending", file=sys.stderr, hidden=not terminal()) as bar:
            sent = cast("BinaryIO", _Watched(source, bar.update))
            with client.sign_artifact(key, sent, size, replace=replace) as signed:
                for chunk in signed.chunks:
                    target.write(chunk)
    return {"key": key, "version": signed.key.version, "fingerprint": signed.key.fingerprint, **target.facts}


def _sign_by_head(artifact: Path, key: str, output: Path, *, replace: bool) -> dict[str, object]:
    with connected() as client, artifact.open("rb") as source:
        upload = UploadReader(form=Form.ARTIFACT, limits=Limits(), head_bytes=HEAD_BYTES, replace=replace)
        head = bytearray()
        while upload.header is None and (chunk := source.read(READ_BYTES)):
            head += chunk
            upload.feed(chunk)
        document = client.sign_head(key, bytes(head), replace=replace)
        encoded = encoded_signature(document)
        with _NewFile(output) as target:
            for part in upload.splice.join(source, encoded):
                target.write(part)
    return {**document, **target.facts}


class _Watched:
    """A file that tells how much of it was read."""

    def __init__(self, file: BinaryIO, tell: Callable[[int], None]) -> None:
        self._file = file
        self._tell = tell

    def read(self, size: int) -> bytes:
        chunk = self._file.read(size)
        self._tell(len(chunk))
        return chunk


class _NewFile:
    """A file that appears under its name only when it is complete."""

    def __init__(self, path: Path) -> None:
        self._path = path
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        self._draft = Path(name)
        self._file = os.fdopen(descriptor, "wb")
        self._digest = hashlib.sha256()
        self._size = 0

    @property
    def facts(self) -> dict[str, object]:
        """What was written, and where."""
        return {"output": str(self._path), "size": self._size, "sha256": self._digest.hexdigest()}

    def __enter__(self) -> _NewFile:
        return self

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self._digest.update(chunk)
        self._size += len(chunk)

    def __exit__(self, kind: type[BaseException] | None, *_exc: object) -> None:
        self._file.close()
        if kind is not None:
            self._draft.unlink()
            return
        umask = os.umask(0)
        os.umask(umask)
        self._draft.chmod(0o666 & ~umask)
        self._draft.replace(self._path)
