"""``artifact-signer log witness`` on the command line: what it takes, and what it refuses to begin with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from signer.cli.main import run
from tests.artifacts import public_pem
from tests.cli.artifact_verify import artifact_verify
from tests.cli.test_artifact_verify_log import LOG_KEY as VERIFY_LOG_KEY
from tests.cli.test_artifact_verify_log import P256, SIGNED, proof_of
from tests.support.made_logs import NoteKey, request
from tests.support.witnesses import running_witness
from verifier.log import KeyType, LogProof

LOG_KEY = str(NoteKey.ed25519(1).verifier)
WITNESS_KEY_OF_NOBODY = NoteKey.ed25519(9, "nobody.example", KeyType.COSIGNATURE).verifier
WITNESS_KEY = str(NoteKey.ed25519(1, "w.example", KeyType.COSIGNATURE).verifier)

REFUSED = {
    "an address of other machines without TLS": (("--listen", "0.0.0.0:0"), 2, "needs --certificate"),
    "a host name without TLS": (("--listen", "signer.example:0"), 2, "needs --certificate"),
    "every IPv6 address without TLS": (("--listen", "[::]:0"), 2, "needs --certificate"),
    "no port": (("--listen", "127.0.0.1"), 2, "HOST:PORT"),
    "a port that is none": (("--listen", "127.0.0.1:65536"), 2, "HOST:PORT"),
    "IPv6 without brackets": (("--listen", "::1:0"), 2, "in brackets"),
    "a certificate without its key": (("--certificate", "cert.pem"), 2, "go together"),
    "files that are no certificate": (("--certificate", "junk", "--private-key", "junk"), 2, "cannot be used"),
    "a certificate that is not there": (("--certificate", "no", "--private-key", "no"), 1, "no such file"),
    "the key of a witness": (("--log-key", WITNESS_KEY), 2, "that of a witness"),
    "a key with a typing error": (("--log-key", LOG_KEY[:-5]), 1, "verifier key"),
    "a key file that is not there": (("--log-key", "no.vkey"), 1, "no.vkey"),
    "a key in PEM without the name of its log": (("--log-key", "log.pem"), 1, "add --log-origin"),
    "a key in PEM with a name that is none": (("--log-key", "log.pem", "--log-origin", "a b"), 1, "name"),
    "an empty key file": (("--log-key", "empty"), 1, "holds no key"),
    "a key file that is not text": (("--log-key", "junk"), 1, "not text"),
    "a state in a folder that is not there": (("--state", "no/state"), 1, "no/state"),
}


@pytest.mark.parametrize(("arguments", "code", "sentence"), REFUSED.values(), ids=REFUSED)
def test_it_does_not_begin_with(
    arguments: tuple[str, ...],
    code: int,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("junk").write_bytes(b"\xff\xfe")
    Path("empty").write_bytes(b"\n")
    Path("log.pem").write_bytes(public_pem(P256))
    base = ["log", "witness", "--state", "state", "--key", "key", "--log-key", LOG_KEY]
    assert run([*base, *arguments]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence in err
    assert not Path("key").exists()


@pytest.mark.parametrize("option", ["--state", "--key", "--log-key"])
def test_it_needs(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = {"--state": "s", "--key": "k", "--log-key": LOG_KEY}
    del arguments[option]
    assert run(["log", "witness", *[part for pair in arguments.items() for part in pair]]) == 2
    assert option in capsys.readouterr().err


def test_the_group_lists_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["log", "--help"]) == 0
    assert "witness" in capsys.readouterr().out


def test_artifact_verify_demands_a_witness_that_signed(tmp_path: Path) -> None:
    """The witness of the command, and the proof of an artifact under a checkpoint that it signed."""
    (tmp_path / "release.pem").write_bytes(public_pem(P256))
    artifact = SIGNED.build()
    (tmp_path / "one.mender").write_bytes(artifact)
    bare = LogProof.parse(proof_of(artifact, witnessed=False))
    with running_witness(tmp_path, VERIFY_LOG_KEY) as running:
        status, lines = running.add(request(0, (), bare.checkpoint))
        witness_key = str(running.key)
    assert status == 200
    (tmp_path / "bare").write_bytes(bytes(bare))
    (tmp_path / "cosigned").write_bytes(bytes(replace(bare, checkpoint=bare.checkpoint + lines)))
    base = ("--key", "release.pem", "--log-key", str(VERIFY_LOG_KEY), "--witness", witness_key)
    one = artifact_verify(*base, "--witnesses", "1", "--proof", "cosigned", "one.mender", cwd=tmp_path, stdin=b"")
    assert (one.code, one.stderr) == (0, "")
    none = artifact_verify(*base, "--witnesses", "1", "--proof", "bare", "one.mender", cwd=tmp_path, stdin=b"")
    assert (none.code, "witnesses have to have signed" in none.stderr) == (1, True)
    both = ("--witness", str(WITNESS_KEY_OF_NOBODY), "--witnesses", "2")
    two = artifact_verify(*base, *both, "--proof", "cosigned", "one.mender", cwd=tmp_path, stdin=b"")
    assert two.code == 1
