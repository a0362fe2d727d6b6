"""``artifact-verify`` over directories of artifacts: what was signed under older rules is found by its exit status."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.artifacts import ArtifactBuilder, KeyKind, private_key, public_pem
from tests.artifacts.corpus.second_archives import WHOLE
from tests.cli.artifact_verify import Session, artifact_verify

SIGNED = ArtifactBuilder(key=private_key(KeyKind.P256))
SECOND_ARCHIVES = {case.name: case.recipe for case in WHOLE}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Artifacts in a directory and in one below it, beside a file that is none."""
    (tmp_path / "release.pem").write_bytes(public_pem(private_key(KeyKind.P256)))
    directory = tmp_path / "store"
    (directory / "2026").mkdir(parents=True)
    for name in ("b.mender", "a.mender", "2026/c.mender"):
        (directory / name).write_bytes(replace(SIGNED, name=f"release-{Path(name).stem}").build())
    (directory / "notes.txt").write_text("no artifact\n")
    return directory


def inspect(store: Path, *arguments: str) -> tuple[Session, dict[str, dict[str, object]]]:
    """What ``--inspect --json`` says of each artifact, by its path."""
    session = artifact_verify("--inspect", "--json", *arguments, cwd=store.parent)
    document = json.loads(session.stdout)
    assert session.stderr == ""
    assert document["exit_code"] == session.code
    return session, {artifact["path"]: artifact for artifact in document["artifacts"]}


def test_every_artifact_below_it_is_inspected_in_order(store: Path) -> None:
    session, artifacts = inspect(store, "store")

    assert session.code == 0
    assert list(artifacts) == ["store/a.mender", "store/b.mender", "store/2026/c.mender"]
    assert {artifact["status"] for artifact in artifacts.values()} == {"inspected"}
    assert artifacts["store/2026/c.mender"]["name"] == "release-c"


def test_and_verified_where_there_is_a_key(store: Path) -> None:
    session = artifact_verify("--key", "release.pem", "store", "store/a.mender", cwd=store.parent)

    assert session.code == 0
    assert [line for line in session.stdout.splitlines() if line.endswith(": valid")] == [
        "store/a.mender: valid",
        "store/b.mender: valid",
        "store/2026/c.mender: valid",
        "store/a.mender: valid",
    ]


@pytest.mark.parametrize("name", SECOND_ARCHIVES)
def test_a_second_archive_among_them_is_found_and_nothing_of_it_is_told(name: str, store: Path) -> None:
    (store / "2026" / "c.mender").write_bytes(SECOND_ARCHIVES[name].build())

    session, artifacts = inspect(store, "store")

    assert session.code == 1
    found = artifacts["store/2026/c.mender"]
    assert set(found) == {"path", "status", "error"}
    assert found["status"] == "refused"
    error = found["error"]
    assert isinstance(error, dict)
    assert error["code"] == "second-archive"
    assert error["sentence"].endswith("holds a second archive that some devices would read instead")
    text = artifact_verify("--inspect", "store/2026/c.mender", cwd=store.parent)
    assert text.code == 1
    assert text.stdout == ""
    assert "holds a second archive that some devices would read instead\n" in text.stderr
    for fact in ("corpus-release", "corpus-device", "older-release", "hello.txt"):
        assert fact not in json.dumps(found) + text.stderr


def empty(store: Path) -> None:
    (store / "empty").mkdir()


def pipe(store: Path) -> None:
    os.mkfifo(store / "pipe.mender")


def loop(store: Path) -> None:
    (store / "around").symlink_to(store)


def dangling(store: Path) -> None:
    (store / "gone.mender").symlink_to("nowhere")


def linked(store: Path) -> None:
    (store / "linked.mender").symlink_to("a.mender")


NOT_READ = {
    "a directory without artifacts": (empty, "store/empty", 3, "there is no file named *.mender in it"),
    "a pipe that nobody writes": (pipe, "store", 3, "pipe.mender: cannot be read: it is not a regular file"),
    "a link to nothing": (dangling, "store", 3, "gone.mender: cannot be read: No such file or directory"),
}


@pytest.mark.parametrize("sentence", NOT_READ)
def test_what_is_not_read_is_told(sentence: str, store: Path) -> None:
    prepare, argument, code, reason = NOT_READ[sentence]
    prepare(store)

    session = artifact_verify("--inspect", argument, cwd=store.parent)

    assert session.code == code
    assert reason in session.stderr


@pytest.mark.parametrize(("prepare", "count"), [(loop, 3), (linked, 4)], ids=["a loop", "a link to an artifact"])
def test_links_lead_to_files_and_not_in_circles(prepare: object, count: int, store: Path) -> None:
    assert callable(prepare)
    prepare(store)

    session, artifacts = inspect(store, "store")

    assert session.code == 0
    assert len(artifacts) == count


@pytest.mark.skipif(os.geteuid() == 0, reason="root lists every directory")
def test_a_directory_that_cannot_be_listed_is_told(store: Path) -> None:
    (store / "2026").chmod(0)
    try:
        session = artifact_verify("--inspect", "store", cwd=store.parent)
    finally:
        (store / "2026").chmod(0o700)

    assert session.code == 3
    assert "store/2026: cannot be read: Permission denied" in session.stderr
