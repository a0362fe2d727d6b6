"""``artifact-signer sign --emergency``: what is sent, what is told, and which proofs are taken."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from signer.cli.exit_codes import REFUSED, UNREACHABLE
from tests.cli.test_artifact_verify_log import LOG_KEY, P256, proof_of
from tests.cli.test_sign import RELEASE, Service, Sign, http, sign, signature, signed

__all__ = ["sign"]

MODES = {"whole": ("--whole",), "by its head": ()}
PROOF = ("--proof", "release.tlog-proof", "--log-key", str(LOG_KEY))
ENCODED = signature(RELEASE, P256)
MARK = {"emergency": True, "person": "ada", "reason": "a fire"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Marking(Service):
    """A service whose log says that it was an emergency, unless told otherwise; it notes what it is asked."""

    signs_with: ec.EllipticCurvePrivateKey = P256
    publishes: ec.EllipticCurvePrivateKey = P256
    says: ec.EllipticCurvePrivateKey = P256
    mark: dict[str, object] = field(default_factory=lambda: dict(MARK))
    heads: list[str] = field(default_factory=list)

    def answer(self, head: str) -> bytes:
        self.heads.append(head)
        proof = proof_of(signed(RELEASE, ENCODED), **self.mark).decode()
        if "/v1/log/proof?" in head:
            return http(200, json.dumps({"index": 1, "proof": proof}).encode(), "application/json")
        answer = Service.answer(self, head)
        begin, _, body = answer.partition(b"\r\n\r\n")
        if b"application/json" not in begin:
            return answer
        return http(200, json.dumps({**json.loads(body), "proof": proof}).encode(), "application/json")


def fields(service: Marking) -> list[str]:
    lines = [line for head in service.heads for line in head.encode("latin-1").decode().splitlines()]
    return [line for line in lines if line.lower().startswith("x-signing-emergency-reason:")]


@pytest.fixture(autouse=True)
def _one_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is on record is one signature; the service would make a new one each time."""
    made: Callable[..., bytes] = lambda *_: ENCODED  # noqa: E731
    monkeypatch.setattr("tests.cli.test_sign.signature", made)


@pytest.mark.parametrize("mode", MODES)
def test_the_reason_is_sent_and_the_proof_is_kept(sign: Sign, mode: str) -> None:
    service = Marking()
    done = sign(service, *MODES[mode], "--emergency", " a fire ü ", *PROOF)
    assert done.code == 0, done.err
    assert sorted(done.files) == ["release.tlog-proof", "signed.mender"]
    assert "it was signed in an emergency: verifiers and monitors refuse its proof" in done.err
    assert fields(service) == ["X-Signing-Emergency-Reason: a fire ü"]


@pytest.mark.parametrize("mode", MODES)
def test_whoever_names_none_sends_none(sign: Sign, mode: str) -> None:
    service = Marking(mark={})
    done = sign(service, *MODES[mode], *PROOF)
    assert (done.code, fields(service)) == (0, [])
    assert "emergency" not in done.err


@pytest.mark.parametrize("mode", MODES)
def test_a_proof_of_an_emergency_that_nobody_asked_for_is_refused(sign: Sign, mode: str) -> None:
    done = sign(Marking(), *MODES[mode], *PROOF)
    assert (done.code, done.files) == (UNREACHABLE, {})
    assert "it was signed in an emergency, past its approvals, by ada: a fire" in done.err


@pytest.mark.parametrize("reason", ["", "  ", "x" * 301, "two\nlines", "a\x1b[2J"])
def test_what_is_no_reason_is_not_sent(sign: Sign, reason: str) -> None:
    done = sign(Marking(), "--emergency", reason)
    assert (done.code, done.asked, done.files) == (REFUSED, (), {})
    assert "a reason is needed: one line of at most 300 characters" in done.err
