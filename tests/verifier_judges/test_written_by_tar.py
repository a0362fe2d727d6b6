"""Artifacts whose archives `tar` wrote, in each of its formats, are accepted: nobody's honest artifact is refused.

Upstream's own test artifacts are put together like this. All three archives are written by the program: the outer one,
the header with a state script whose name is too long for most formats, and the payload.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.artifacts import ArtifactBuilder, Compression, KeyKind, Script, Stage, private_key, public_pem
from tests.artifacts.tarwriter import Member
from verifier import Evidence, TrustStore, verify

KEY = private_key(KeyKind.P256)
TRUST = TrustStore.from_pem(public_pem(KEY))
FORMATS = {
    "tar": ("v7", "oldgnu", "gnu", "ustar", "posix"),
    "bsdtar": ("ustar", "pax", "gnutar", "v7tar"),
    "busybox": ("",),
}
LONG_NAMES = {
    ("tar", "oldgnu"),
    ("tar", "gnu"),
    ("tar", "posix"),
    ("bsdtar", "pax"),
    ("bsdtar", "gnutar"),
    ("busybox", ""),
}
SHORT, LONG = "ArtifactInstall_Enter_00", "ArtifactInstall_Enter_00_" + "n" * 120
WRITE_SECONDS = 60


def archive(program: str, form: str, members: list[Member], directory: Path) -> bytes:
    """An archive of `members` by the program."""
    directory.mkdir()
    for member in members:
        path = directory / member.name
        path.parent.mkdir(parents=True, exist_ok=True)
        assert isinstance(member.content, bytes)
        path.write_bytes(member.content)
        path.chmod(member.mode)
    names = [member.name for member in members]
    option = [f"--format={form}"] if form else []
    done = subprocess.run(
        [*((program, "tar") if program == "busybox" else (program,)), "-c", *option, "-f", "-", *names],
        cwd=directory,
        capture_output=True,
        check=True,
        timeout=WRITE_SECONDS,
    )
    return done.stdout


def artifact(program: str, form: str, compression: Compression, script: str, directory: Path) -> bytes:
    """The usual artifact with all archives by the program."""

    def written(name: str, members: list[Member]) -> bytes:
        return archive(program, form, members, directory / name)

    collected: dict[str, list[Member]] = {}

    def keep(name: str) -> object:
        return lambda members: collected.setdefault(name, members)

    recipe = replace(ArtifactBuilder(key=KEY, scripts=(Script(name=script),)).compressed(compression))
    tarred = recipe.edited(Stage.HEADER_MEMBERS, keep("header")).edited(Stage.PAYLOAD_MEMBERS, keep("payload"))
    tarred.build()
    for stage, name in ((Stage.HEADER_TAR, "header"), (Stage.PAYLOAD_TAR, "payload")):
        tar = written(name, collected[name])
        recipe = recipe.edited(stage, lambda _, tar=tar: tar)
    return written("outer", recipe.members())


def rows() -> Iterator[object]:
    for program, forms in FORMATS.items():
        absent = pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")
        for form in forms:
            for compression in Compression:
                for script in (SHORT, LONG) if (program, form) in LONG_NAMES else (SHORT,):
                    name = f"{program} {form}, {compression.name.lower()}, a name of {len(script)} bytes"
                    yield pytest.param(program, form, compression, script, id=name, marks=absent)


def evidence_of(content: bytes) -> Evidence:
    return verify(io.BytesIO(content), trust=TRUST)


@pytest.mark.parametrize(("program", "form", "compression", "script"), list(rows()))
def test_it_is_accepted(program: str, form: str, compression: Compression, script: str, tmp_path: Path) -> None:
    evidence = evidence_of(artifact(program, form, compression, script, tmp_path))

    assert evidence.artifact_name == "corpus-release"
    assert evidence.header.scripts == (script,)
    assert [payload.name for payload in evidence.payloads] == ["hello.txt", "image.bin"]
    assert evidence.payloads[0].sha256 == hashlib.sha256(b"hello, device\n").hexdigest()
    assert {finding.code.value for finding in evidence.findings} <= {"zstd-clients"}
