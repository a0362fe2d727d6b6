"""`python -m tests.artifacts write`, as the demonstration uses it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.artifacts.__main__ import COMPRESSIONS, main
from verifier import inspect


def arguments(out: Path, *files: Path, compression: str = "gzip") -> list[str]:
    """The command line that writes `files` to `out`."""
    what = ["--name", "release-1", "--device-type", "board-a", "--device-type", "board-b", "--type", "single-file"]
    return ["write", *what, "--compression", compression, "-o", str(out), *map(str, files)]


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_what_is_written_is_an_unsigned_artifact(tmp_path: Path, compression: str) -> None:
    one, two, out = tmp_path / "one.txt", tmp_path / "two.bin", tmp_path / "out.mender"
    one.write_bytes(b"one\n")
    two.write_bytes(bytes(5000))

    assert main(arguments(out, one, two, compression=compression)) == 0

    with out.open("rb") as stream:
        inspection = inspect(stream)
    assert inspection.header.artifact_name == "release-1"
    assert inspection.header.device_types == ("board-a", "board-b")
    assert inspection.header.payload_type == "single-file"
    assert [(payload.name, payload.size) for payload in inspection.payloads] == [("one.txt", 4), ("two.bin", 5000)]
    assert not inspection.has_signature
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.txt", "out.mender", "two.bin"]


def test_a_missing_file_is_said_and_nothing_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing, out = tmp_path / "missing", tmp_path / "out.mender"

    assert main(arguments(out, missing)) == 2

    assert capsys.readouterr().err == f"tests.artifacts: {missing}: No such file or directory\n"
    assert list(tmp_path.iterdir()) == []


def test_a_directory_is_said_and_nothing_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory, out = tmp_path / "directory", tmp_path / "out.mender"
    directory.mkdir()

    assert main(arguments(out, directory)) == 2

    assert capsys.readouterr().err == f"tests.artifacts: {directory}: Is a directory\n"
    assert list(tmp_path.iterdir()) == [directory]
