"""``artifact-signer sign`` of many artifacts: one batch, an answer for each, and what became of each file."""

from __future__ import annotations

import base64
import errno
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from signer.artifacts import Form, UploadReader
from signer.cli import approval_wait
from signer.cli.exit_codes import REFUSED, UNREACHABLE, USAGE, WAITING
from signer.cli.main import run
from signer.cli.signing import many
from signer.domain.publication import public_key_pem
from tests.artifacts import ArtifactBuilder
from tests.cli.test_artifact_verify_log import P256, proof_of
from tests.cli.test_sign import OTHER, http, signature, signed
from tests.cli.test_strange_answers import API_TOKEN
from tests.support.canned import answering
from tests.support.memory_tokens import spki_of
from verifier import Limits, VerificationKey

RELEASES = {name: ArtifactBuilder(name=name).build() for name in ("one", "two", "three")}
SIGNED = {name: signature(artifact, P256) for name, artifact in RELEASES.items()}
FINGERPRINT = VerificationKey.from_spki(spki_of(P256)).fingerprint


def problem(status: int, code: str, **more: Any) -> dict[str, Any]:
    facts = {"facts": {"approval": "ab" * 16, "sha256": "cd" * 32, "lacking": ["1 of qa"]}}
    document = {"code": code, "detail": f"it is {code}", "hint": "look", **facts}
    return {"status": status, "problem": document, **more}


@dataclass(slots=True, kw_only=True)
class BatchService:
    """Signs what it is asked for; ``answers``: instead of that, for an artifact's name, one after the other."""

    answers: dict[str, list[Any]] = field(default_factory=dict)
    whole: list[bytes] = field(default_factory=list)
    signs_with: ec.EllipticCurvePrivateKey = P256
    asked: list[list[str]] = field(default_factory=list)

    def __call__(self, head: str, body: bytes) -> bytes:
        if "/public-key" in head:
            return http(200, public_key_pem(spki_of(P256)), "application/x-pem-file")
        if self.whole:
            return self.whole.pop(0)
        if "/signatures/batch" not in head:
            name = self._name(body)
            return http(200, json.dumps({"key": "firmware", **self._signed(name)}).encode(), "application/json")
        names = [self._name(base64.b64decode(each["head"])) for each in json.loads(body)["requests"]]
        self.asked.append(names)
        results = [self.answers[name].pop(0) if self.answers.get(name) else self._item(name) for name in names]
        return http(200, json.dumps({"results": results}).encode(), "application/json")

    @staticmethod
    def _name(head: bytes) -> str:
        upload = UploadReader(form=Form.HEAD, limits=Limits(), head_bytes=1 << 20, replace=True)
        upload.feed(head)
        assert upload.header is not None
        return upload.header.artifact_name

    def _item(self, name: str) -> dict[str, Any]:
        return {"status": 200, **self._signed(name)}

    def _signed(self, name: str) -> dict[str, Any]:
        encoded = SIGNED[name] if self.signs_with is P256 else signature(RELEASES[name], self.signs_with)
        return {
            "signature": encoded.decode(),
            "version": 7,
            "fingerprint": FINGERPRINT,
            "index": 1,
            "checked": "head",
            "manifest_sha256": "0" * 64,
            "proof": proof_of(signed(RELEASES[name], SIGNED[name])).decode(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    code: int
    out: str
    err: str


Sign = Callable[..., Done]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    for name, artifact in RELEASES.items():
        (tmp_path / "in" / f"{name}.mender").write_bytes(artifact)
    return tmp_path


@pytest.fixture
def sign(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Sign:
    """Runs ``sign`` over the three artifacts, unless others are named."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("ARTIFACT_SIGNER_API_TOKEN", API_TOKEN)
    monkeypatch.setenv("ARTIFACT_SIGNER_TIMEOUT", "20")
    monkeypatch.setenv("ARTIFACT_SIGNER_RETRY_SECONDS", "0")
    monkeypatch.setenv("XDG_STATE_HOME", f"{folder}-state")
    for name in ("ARTIFACT_SIGNER_CA_FILE", "ARTIFACT_SIGNER_LOG_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)

    def session(service: BatchService, *options: str, names: tuple[str, ...] = tuple(RELEASES)) -> Done:
        with answering(service) as server:
            monkeypatch.setenv("ARTIFACT_SIGNER_URL", server.url)
            code = run(["sign", *(f"in/{name}.mender" for name in names), "--key", "firmware", *options])
        out, err = capsys.readouterr()
        return Done(code=code, out=out, err=err)

    return session


def left(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def all_signed() -> dict[str, bytes]:
    return {f"{name}.mender": signed(artifact, SIGNED[name]) for name, artifact in RELEASES.items()}


UNSIGNED = {f"{name}.mender": artifact for name, artifact in RELEASES.items()}


def test_many_are_one_batch_into_a_directory(sign: Sign, folder: Path) -> None:
    service = BatchService()
    done = sign(service, "--output-dir", "out")
    assert done.code == 0, done.err
    assert service.asked == [["one", "two", "three"]]
    assert left(folder / "out") == all_signed()
    assert left(folder / "in") == UNSIGNED
    assert [line for line in done.err.splitlines() if "signed" in line] == [
        f"artifact-signer: signed out/{name}.mender" for name in RELEASES
    ]


def test_many_are_replaced_in_place(sign: Sign, folder: Path) -> None:
    assert sign(BatchService(), "--in-place").code == 0
    assert left(folder / "in") == all_signed()


def test_each_has_a_proof_in_a_directory(sign: Sign, folder: Path) -> None:
    done = sign(
        BatchService(),
        "--in-place",
        "--proof-dir",
        "out",
    )
    assert done.code == 0, done.err
    expected = {f"{name}.mender.tlog-proof": proof_of(signed(RELEASES[name], SIGNED[name])) for name in RELEASES}
    assert left(folder / "out") == expected


def test_a_proof_is_taken_away_where_the_output_cannot_get_its_name(
    sign: Sign, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = Path.replace

    def full(draft: Path, target: Path) -> Path:
        if target.name == "two.mender":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        return named(draft, target)

    monkeypatch.setattr(Path, "replace", full)
    done = sign(BatchService(), "--output-dir", "out", "--proof-dir", "out")
    assert (done.code, "no space left" in done.err) == (REFUSED, True)
    endings = (".mender", ".mender.tlog-proof")
    assert set(left(folder / "out")) == {f"{name}{ending}" for name in ("one", "three") for ending in endings}


def test_json_tells_of_each(sign: Sign) -> None:
    service = BatchService(answers={"two": [problem(422, "bad-artifact")]})
    done = sign(service, "--output-dir", "out", "--json")
    told = json.loads(done.out)["results"]
    assert done.code == REFUSED
    by_name = {each["artifact"]: each for each in told}
    assert by_name["in/two.mender"]["problem"] == {
        "code": "bad-artifact",
        "detail": "it is bad-artifact",
        "hint": "look",
    }
    assert by_name["in/one.mender"]["output"] == "out/one.mender"
    assert re.fullmatch("[0-9a-f]{64}", by_name["in/one.mender"]["sha256"])


OTHER_SIGNATURE = signature(RELEASES["one"], OTHER).decode()
OK: dict[str, Any] = {
    "status": 200, "version": 7, "fingerprint": FINGERPRINT, "index": 1, "checked": "head", "manifest_sha256": "0" * 64,
    "proof": "p",
}  # fmt: skip
SPOILT: dict[str, tuple[Any, str]] = {
    "a refusal": (problem(422, "bad-artifact"), "it is bad-artifact"),
    "the signature of another artifact": ({**OK, "signature": SIGNED["one"].decode()}, "does not verify"),
    "the signature of another key": ({**OK, "signature": OTHER_SIGNATURE}, "does not verify"),
    "the name of another key": (
        {**OK, "signature": SIGNED["two"].decode(), "fingerprint": "0" * 64},
        "another public key",
    ),
    "a service that has no time": (problem(503, "service-busy", retry_after=1), "it is service-busy"),
}


@pytest.mark.parametrize("sentence", SPOILT)
def test_what_is_wrong_with_one_spoils_no_other(sign: Sign, folder: Path, sentence: str) -> None:
    answer, says = SPOILT[sentence]
    done = sign(BatchService(answers={"two": [answer]}), "--in-place")
    assert done.code == REFUSED
    assert "\nartifact-signer: in/two.mender: " in f"\n{done.err}"
    assert says in done.err
    assert left(folder / "in") == {**all_signed(), "two.mender": RELEASES["two"]}


BROKEN: dict[str, bytes] = {
    "fewer answers than items": http(200, b'{"results": []}', "application/json"),
    "answers that are none": http(200, b'{"results": [1, 2, 3]}', "application/json"),
    "items without a status": http(200, b'{"results": [{}, {}, {}]}', "application/json"),
    "problems that are none": http(
        200, json.dumps({"results": [{"status": 422, "problem": {}}] * 3}).encode(), "application/json"
    ),
    "a page": http(200, b"<html>", "text/html"),
    "nothing": b"",
}


@pytest.mark.parametrize("sentence", BROKEN)
def test_a_service_that_answers_a_batch_with(sign: Sign, folder: Path, sentence: str) -> None:
    done = sign(BatchService(whole=[BROKEN[sentence]]), "--in-place")
    assert done.code == UNREACHABLE, done.err
    assert len(done.err.splitlines()) <= 2
    assert left(folder / "in") == UNSIGNED


def test_a_refusal_of_the_whole_batch_is_told_once(sign: Sign, folder: Path) -> None:
    refused = http(404, json.dumps({"code": "key-not-found", "detail": "no key"}).encode(), "application/problem+json")
    done = sign(BatchService(whole=[refused]), "--in-place")
    assert (done.code, done.err) == (REFUSED, "artifact-signer: no key\n")
    assert left(folder / "in") == UNSIGNED


def test_what_cannot_be_signed_is_not_sent(sign: Sign, folder: Path) -> None:
    (folder / "in" / "two.mender").write_bytes(b"hello")
    (folder / "in" / "three.mender").write_bytes(signed(RELEASES["three"], SIGNED["three"]))
    service = BatchService()
    done = sign(service, "--in-place")
    assert (done.code, service.asked) == (REFUSED, [["one"]])
    assert "in/three.mender: the artifact is signed already" in done.err
    assert "hint: --replace" in done.err


def test_all_that_wait_are_told_and_the_others_are_signed(sign: Sign, folder: Path) -> None:
    waits = problem(403, "approval-required", retry_after=1)
    done = sign(BatchService(answers={"one": [waits], "three": [waits]}), "--in-place")
    assert done.code == WAITING
    assert done.err.count("waits for 1 of qa") == 2
    assert left(folder / "in") == {**UNSIGNED, "two.mender": all_signed()["two.mender"]}


def test_one_that_fails_is_more_than_one_that_waits(sign: Sign) -> None:
    answers = {"one": [problem(403, "approval-required")], "two": [problem(422, "bad-artifact")]}
    assert sign(BatchService(answers=answers), "--in-place").code == REFUSED


def test_those_that_wait_are_asked_for_again(sign: Sign, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approval_wait, "LEAST_PAUSE_SECONDS", 0.0)
    service = BatchService(answers={"two": [problem(403, "approval-required", retry_after=0)] * 2})
    done = sign(service, "--in-place", "--wait")
    assert done.code == 0, done.err
    assert service.asked == [["one", "two", "three"], ["two"], ["two"]]
    assert left(folder / "in") == all_signed()


def test_items_that_the_service_had_no_time_for_are_asked_for_again(
    sign: Sign, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = BatchService(answers={"two": [problem(503, "service-busy", retry_after=0)]})
    monkeypatch.setenv("ARTIFACT_SIGNER_RETRY_SECONDS", "20")
    done = sign(service, "--in-place")
    assert done.code == 0, done.err
    assert service.asked[-1] == ["two"]
    assert left(folder / "in") == all_signed()


def test_a_batch_that_is_too_large_for_the_service_is_halved(sign: Sign, folder: Path) -> None:
    refused = http(413, json.dumps({"code": "body-too-large", "detail": "no"}).encode(), "application/problem+json")
    service = BatchService(whole=[refused])
    assert sign(service, "--in-place").code == 0
    assert service.asked == [["one"], ["two", "three"]]


def test_one_that_is_too_large_for_the_service_is_refused(sign: Sign, folder: Path) -> None:
    refused = http(413, json.dumps({"code": "body-too-large", "detail": "no"}).encode(), "application/problem+json")
    assert sign(BatchService(whole=[refused] * 3), "--in-place", names=("one",)).code == REFUSED
    assert left(folder / "in") == UNSIGNED


@pytest.mark.parametrize("bound", ["MAX_ITEMS", "MAX_BATCH_BYTES"])
def test_more_than_a_batch_takes_are_several(sign: Sign, monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    monkeypatch.setattr(many, bound, 2 if bound == "MAX_ITEMS" else 1)
    service = BatchService()
    assert sign(service, "--in-place").code == 0
    assert service.asked == ([["one", "two"], ["three"]] if bound == "MAX_ITEMS" else [["one"], ["two"], ["three"]])


def test_a_head_that_no_item_holds_goes_by_itself(sign: Sign, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "MAX_ITEM_BYTES", 1)
    service = BatchService()
    assert sign(service, "--in-place").code == 0
    assert service.asked == []
    assert left(folder / "in") == all_signed()


USES: dict[str, tuple[tuple[str, ...], str]] = {
    "no output": ((), "one of --output"),
    "one output for many": (("-o", "out/all.mender"), "--output is for one artifact"),
    "two kinds of output": (("--in-place", "--output-dir", "out"), "one of --output"),
    "one proof for many": (("--in-place", "--proof", "out/proof"), "--proof-dir is for many"),
    "the artifacts' own directory": (("--output-dir", "in"), "is the artifact itself: --in-place"),
    "a directory that is not there": (("--output-dir", "nowhere"), "does not exist"),
    "proofs over the artifacts": (("--in-place", "--proof-dir", "odd"), "names the same file as something else"),
}


@pytest.mark.parametrize("sentence", USES)
def test_is_refused_before_anything_is_sent(sign: Sign, folder: Path, sentence: str) -> None:
    (folder / "odd").mkdir()
    (folder / "odd" / "one.mender.tlog-proof").symlink_to("../in/one.mender")
    service = BatchService()
    done = sign(service, *USES[sentence][0])
    assert (done.code, service.asked) == (USAGE, [])
    assert USES[sentence][1] in done.err
    assert left(folder / "in") == UNSIGNED


def test_two_artifacts_of_one_name_have_no_place_in_one_directory(sign: Sign, folder: Path) -> None:
    (folder / "in" / "sub").mkdir()
    (folder / "in" / "sub" / "one.mender").write_bytes(RELEASES["two"])
    done = sign(BatchService(), "--output-dir", "out", names=("one", "sub/one"))
    assert (done.code, "two artifacts would be written to out/one.mender" in done.err) == (USAGE, True)
    assert left(folder / "out") == {}


def test_two_proofs_of_one_name_have_no_place_in_one_directory(sign: Sign, folder: Path) -> None:
    (folder / "in" / "sub").mkdir()
    (folder / "in" / "sub" / "one.mender").write_bytes(RELEASES["two"])
    service = BatchService()
    done = sign(service, "--in-place", "--proof-dir", "out", names=("one", "sub/one"))
    assert (done.code, service.asked) == (USAGE, [])
    assert "the proof out/one.mender.tlog-proof names the same file as something else" in done.err
    assert left(folder / "out") == {}


def test_standard_input_has_no_name_among_many(sign: Sign) -> None:
    done = sign(BatchService(), "--in-place", "-")
    assert (done.code, "standard input has no name" in done.err) == (USAGE, True)
