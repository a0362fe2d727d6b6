"""The log of a running service: read from outside by Go's packages, and proofs that are checked offline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from signer.domain.identity import Role
from tests.artifacts import ArtifactBuilder
from tests.cli.artifact_verify import artifact_verify
from tests.integration.running import Installation, Pair
from tests.integration.test_web_details import issue
from tests.log_judges import golang
from tests.log_judges.golang import GoJudge
from tests.support.house import new_request
from verifier.log import Checkpoint, SignedNote, Tile, leaf_hash

PUBLIC_KEY = "public-key.pem"
# What is signed between two looks: past the first full tile in the end.
STEPS = (1, 1, 100, 200)


@pytest.fixture
def logged(pair: Pair) -> Installation:
    return pair[0]


def size_of(note: bytes) -> int:
    return Checkpoint.parse(SignedNote.parse(note).text).size


def test_every_answer_is_covered_by_the_checkpoint_that_is_served(logged: Installation) -> None:
    with logged.http() as http:
        for _ in range(20):
            document = http.post("/v1/keys/firmware/signatures", content=new_request().manifest.raw).json()
            assert size_of(http.get("/v1/log/checkpoint").content) > document["index"]


@pytest.mark.slow
def test_the_log_is_what_gos_packages_read(logged: Installation, tmp_path: Path) -> None:
    if reason := golang.missing():
        pytest.skip(reason)
    authorization = tmp_path / "authorization"
    authorization.write_text(f"Bearer {issue(logged, 'judge', Role.AUDITOR)}")
    judge = GoJudge(
        program=golang.build(tmp_path),
        base=f"{logged.url}/v1/log",
        vkey=(logged.directory / "log.vkey").read_text().strip(),
        ca=logged.directory / "cert.crt",
        authorization=authorization,
    )
    older: list[Path] = []
    with logged.http() as http:
        for step in STEPS:
            for _ in range(step):
                assert http.post("/v1/keys/firmware/signatures", content=new_request().manifest.raw).status_code == 200
            verdict = judge.judge(older)
            assert verdict.size is not None, verdict.said
            older.append(tmp_path / f"checkpoint-{verdict.size}")
            older[-1].write_bytes(http.get("/v1/log/checkpoint").content)
    assert verdict.size is not None
    assert verdict.size > 256


def test_the_keys_of_the_log_are_those_of_the_installation(logged: Installation) -> None:
    with logged.http() as http:
        assert (logged.directory / "log.vkey").read_text().strip() in http.get("/v1/log/keys").json()["keys"]


def test_a_partial_tile_of_any_width_stays_what_it_was(logged: Installation) -> None:
    with logged.http() as http:
        size = size_of(http.get("/v1/log/checkpoint").content)
        width = min(size, 255)
        before = http.get(f"/v1/log/{Tile(level=0, number=0, width=width).path}").content
        for _ in range(5):
            http.post("/v1/keys/firmware/signatures", content=new_request().manifest.raw)
        assert http.get(f"/v1/log/{Tile(level=0, number=0, width=width).path}").content == before
        for number in range(1, width + 1):
            assert http.get(f"/v1/log/tile/0/000.p/{number}").content == before[: 32 * number]
        leaf = http.get("/v1/log/tile/entries/000.p/1").content
        assert leaf_hash(leaf[2:]) == before[:32]


@pytest.mark.parametrize(
    "options", [(), pytest.param(("--whole",), marks=pytest.mark.slow)], ids=["by its head", "whole"]
)
def test_a_proof_is_checked_offline(logged: Installation, tmp_path: Path, options: tuple[str, ...]) -> None:
    (tmp_path / PUBLIC_KEY).write_text(logged.run("keys", "public-key", "firmware").stdout)
    vkey = logged.directory / "log.vkey"
    for name in ("one", "two"):
        artifact = tmp_path / f"{name}.mender"
        artifact.write_bytes(ArtifactBuilder(name=f"{name}-{options}").build())
        signed, proof = tmp_path / f"{name}-signed.mender", tmp_path / f"{name}.tlog-proof"
        asked = ("sign", artifact, "--key", "firmware", "-o", signed, "--proof", proof, "--log-key", vkey)
        done = logged.run(*asked, *options)
        assert done.returncode == 0, done.stderr

    def judged(artifact: str, proof: str) -> int:
        return artifact_verify(
            "--key", PUBLIC_KEY, "--log-key", str(vkey), "--proof", proof, artifact, cwd=tmp_path
        ).code

    assert judged("one-signed.mender", "one.tlog-proof") == 0
    assert judged("two-signed.mender", "two.tlog-proof") == 0
    assert judged("one-signed.mender", "two.tlog-proof") == 1


def test_the_clients_variables_name_the_logs_key(logged: Installation) -> None:
    assert f"ARTIFACT_SIGNER_LOG_KEY_FILE={logged.directory}/log.vkey" in (logged.directory / "client.env").read_text()


def test_a_signature_is_found_by_what_it_signed(logged: Installation) -> None:
    with logged.http() as http:
        request = new_request()
        document = http.post("/v1/keys/firmware/signatures", content=request.manifest.raw).json()
        found = http.get("/v1/log/entries", params={"manifest_sha256": request.manifest.sha256}).json()["entries"]
        assert [(entry["index"], entry["leaf"]) for entry in found] == [(document["index"], document["leaf"])]
        events = http.get("/v1/events?limit=1000").json()["events"]
        created = next(event for event in events if event["type"] == "key-created" and event["key"] == "firmware")
        leaf = http.get("/v1/log/entries", params={"type": "key-created", "key": "firmware"}).json()["entries"][0]
        assert created["id"] == leaf["index"] + 1
        assert json.dumps(created["after"], sort_keys=True) == json.dumps(leaf["leaf"]["after"], sort_keys=True)
