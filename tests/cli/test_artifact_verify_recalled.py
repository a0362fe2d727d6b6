"""``artifact-verify --recalled``: what a list names is not valid, and a bad list stops everything."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.artifacts import ArtifactBuilder, KeyKind, private_key, public_pem
from tests.cli.artifact_verify import Session, artifact_verify
from tests.support.recalled_lists import LOG_KEY, OTHER, OTHER_KEY, digest, list_text, recalled_note, signed
from verifier import ManifestRead, TrustStore, Verifier

P256 = private_key(KeyKind.P256)
SIGNED = ArtifactBuilder(key=P256, name="release-1")
KEY, LIST = ("--key", "release.pem"), ("--recalled-key", "log.vkey")


def _manifest(artifact: bytes) -> str:
    events = Verifier(trust=TrustStore.from_pem(public_pem(P256))).feed(artifact)
    return next(event.manifest.sha256 for event in events if isinstance(event, ManifestRead))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two artifacts of one key, one of them recalled, and lists of all kinds."""
    directory = tmp_path_factory.mktemp("desk")
    bad, good = SIGNED.build(), replace(SIGNED, name="release-2").build()
    good_list = recalled_note(7, _manifest(bad))
    files = {
        "bad.mender": bad,
        "good.mender": good,
        "release.pem": public_pem(P256),
        "log.vkey": f"{LOG_KEY}\n".encode(),
        "list": good_list,
        "of another": signed(list_text(7, digest(1)), OTHER, OTHER_KEY),
        "tampered": good_list.replace(b"\n7\n", b"\n8\n"),
        "cut": good_list[:-9],
        "huge": good_list + b"x" * (1 << 20),
        "empty": b"",
    }
    for name, content in files.items():
        (directory / name).write_bytes(content)
    return directory


def _run(desk: Path, *words: str) -> Session:
    return artifact_verify(*KEY, *words, cwd=desk)


def test_what_the_list_names_is_not_valid_and_the_rest_is(desk: Path) -> None:
    done = _run(desk, "--recalled", "list", *LIST, "bad.mender", "good.mender")
    assert done.code == 1
    assert "bad.mender: not valid: it was recalled: its manifest" in done.stderr
    assert "version 7" in done.stderr
    assert done.stdout.startswith("good.mender: valid\n")


def test_the_refusal_is_in_the_document(desk: Path) -> None:
    document = json.loads(_run(desk, "--json", "--recalled", "list", *LIST, "bad.mender").stdout)
    error = document["artifacts"][0]["error"]
    assert (error["code"], error["facts"]["version"]) == ("artifact-recalled", 7)


def test_the_key_may_be_text(desk: Path) -> None:
    assert _run(desk, "--recalled", "list", "--recalled-key", str(LOG_KEY), "bad.mender").code == 1


def test_a_list_may_be_demanded_of_a_version(desk: Path) -> None:
    words = ("--recalled", "list", *LIST, "good.mender")
    assert _run(desk, "--recalled-version", "7", *words).code == 0
    older = _run(desk, "--recalled-version", "8", *words)
    assert (older.code, older.stdout) == (2, "")
    assert "is of version 7, older than 8" in older.stderr


UNUSABLE = {
    "is of another signer": "of another",
    "was changed": "tampered",
    "is cut": "cut",
    "is huge": "huge",
    "is empty": "empty",
    "is not there": "missing",
    "is a directory": ".",
}


@pytest.mark.parametrize("sentence", UNUSABLE)
def test_nothing_is_verified_where_the_list(sentence: str, desk: Path) -> None:
    done = _run(desk, "--recalled", UNUSABLE[sentence], *LIST, "good.mender")
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr.startswith("artifact-verify: ")


@pytest.mark.parametrize("sentence", ["is of another signer", "is not there"])
def test_the_document_says_why_nothing_is_verified(sentence: str, desk: Path) -> None:
    done = _run(desk, "--json", "--recalled", UNUSABLE[sentence], *LIST, "good.mender")
    document = json.loads(done.stdout)
    assert (done.code, document["exit_code"], document["artifacts"]) == (2, 2, [])
    assert document["error"]["code"] in ("note-unsigned", "recalled-list-unreadable")


WRONG = {
    "a list without a key of its log": ("--recalled", "list"),
    "a key without a list": LIST,
    "a version without a list": ("--recalled-version", "7"),
    "a list for an inspection": ("--recalled", "list", *LIST, "--inspect"),
}


@pytest.mark.parametrize("sentence", WRONG)
def test_the_arguments_are_wrong_with(sentence: str, desk: Path) -> None:
    done = artifact_verify(*WRONG[sentence], "good.mender", *(() if "--inspect" in WRONG[sentence] else KEY), cwd=desk)
    assert (done.code, done.stdout) == (2, "")
    assert "usage" in done.stderr
