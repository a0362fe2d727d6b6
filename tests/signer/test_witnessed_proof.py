"""The wait for a proof that witnesses signed: what is taken, what is waited for, and what ends the wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from signer.answers import ClientError, ServiceRefusal
from signer.witnessed_proof import witnessed_proof
from tests.support.made_logs import MadeLog, NoteKey
from verifier.errors import LogError
from verifier.log import KeyType, LogProof, LogTrust, NoteSignature

LOG = MadeLog.of(7)
WITNESSES = tuple(NoteKey.ed25519(seed, f"w{seed}.example", KeyType.COSIGNATURE) for seed in (2, 3, 4))
STRANGER = NoteKey.ed25519(9, "stranger.example", KeyType.COSIGNATURE)
PATIENCE = 5.0

Said = bytes | Exception


def proof(*cosigners: NoteKey, log: MadeLog = LOG) -> bytes:
    """Of some leaf, under a checkpoint that these signed."""
    lines: list[NoteSignature] = [key.line(str(log.head())) for key in cosigners]
    return bytes(LogProof(index=0, path=(), checkpoint=log.checkpoint(None, *lines), extra=b"leaf"))


def refusal(code: str, status: int = 503) -> ServiceRefusal:
    return ServiceRefusal(sentence=code, code=code, status=status, document={})


def trust(demanded: int) -> LogTrust:
    witnesses = tuple(key.verifier for key in WITNESSES)
    return LogTrust(log_keys=(LOG.keys[0].verifier,), witnesses=witnesses, demanded=demanded)


@dataclass
class Time:
    """Goes on by what is waited."""

    passed: float = 0.0
    waits: list[float] = field(default_factory=list)

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.passed += seconds

    def now(self) -> float:
        return self.passed


def waited(demanded: int, *said: Said) -> tuple[bytes, Time]:
    """What is taken of these answers, the last of which comes again and again."""
    answers: Iterator[Said] = iter(said)
    last = said[-1]
    time = Time()

    def ask() -> bytes:
        answer = next(answers, last)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return witnessed_proof(ask, trust(demanded), patience=PATIENCE, wait=time.wait, now=time.now), time


NOT_YET: dict[str, Said] = {
    "no witness yet": refusal("log-not-witnessed"),
    "a worker that does not know the checkpoint yet": refusal("log-beyond-checkpoint", 404),
    "a worker that does not know the leaf yet": refusal("log-entry-not-found", 404),
    "a proof without witnesses": proof(),
    "a proof with one of them": proof(WITNESSES[0]),
    "a proof with the same one twice": proof(WITNESSES[0], WITNESSES[0]),
    "a proof with one of them and a stranger": proof(WITNESSES[0], STRANGER),
}


@pytest.mark.parametrize("sentence", NOT_YET)
def test_it_waits_while_there_is(sentence: str) -> None:
    enough = proof(*WITNESSES[:2])
    taken, time = waited(2, NOT_YET[sentence], NOT_YET[sentence], enough)
    assert (taken, len(time.waits)) == (enough, 2)


@pytest.mark.parametrize("sentence", NOT_YET)
def test_the_wait_ends_with(sentence: str) -> None:
    with pytest.raises(ClientError) as refused:
        waited(2, NOT_YET[sentence])
    assert " of 2 witnesses have signed after 5 s" in refused.value.sentence


@pytest.mark.parametrize("cosigners", [WITNESSES[:2], WITNESSES, (STRANGER, *WITNESSES[1:])])
def test_enough_are_taken_at_once(cosigners: tuple[NoteKey, ...]) -> None:
    taken, time = waited(2, proof(*cosigners))
    assert (taken, time.waits) == (proof(*cosigners), [])


ENDS: dict[str, tuple[Said, Callable[[Exception], bool]]] = {
    "garbage": (b"garbage", lambda error: isinstance(error, LogError)),
    "the proof of another log's key": (
        proof(*WITNESSES, log=MadeLog.of(7, keys=(NoteKey.ed25519(8),))),
        lambda error: isinstance(error, LogError),
    ),
    "a line of a witness that is not its own": (
        bytes(
            LogProof(
                index=0,
                path=(),
                checkpoint=LOG.checkpoint(None, *(key.line(str(LOG.head(6))) for key in WITNESSES)),
                extra=b"leaf",
            )
        ),
        lambda error: isinstance(error, LogError),
    ),
    "a refusal of something else": (
        refusal("access-denied", 403), lambda error: isinstance(error, ServiceRefusal) and error.code == "access-denied"
    ),
    "no connection": (ClientError(sentence="gone"), lambda error: isinstance(error, ClientError)),
}  # fmt: skip


@pytest.mark.parametrize("sentence", ENDS)
def test_it_does_not_wait_after(sentence: str) -> None:
    said, right = ENDS[sentence]
    with pytest.raises((ClientError, LogError)) as ended:
        waited(2, said, proof(*WITNESSES))
    assert right(ended.value)
