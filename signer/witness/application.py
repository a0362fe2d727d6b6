"""The answers of a witness (C2SP tlog-witness): requests that were read to the end, and what to say to them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from signer.errors import MethodNotAllowed, SignerError, WitnessCheckpointMissing, WitnessSizeConflict
from signer.web.problems import problem_of
from signer.witness.decisions import AddCheckpoint
from signer.witness.state import Witness

ADD_CHECKPOINT = "/add-checkpoint"
SIZE_MEDIA_TYPE = "text/x.tlog.size"
TEXT_MEDIA_TYPE = "text/plain; charset=utf-8"
_CHECKPOINT = re.compile(r"/([0-9a-f]{64})/checkpoint")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status, media type and body."""

    status: int
    media_type: str = TEXT_MEDIA_TYPE
    body: bytes


class Application:
    """Answers one request after the other."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness
        self._origins = {hashlib.sha256(each.encode("utf-8")).hexdigest(): each for each in witness.origins}

    def answer(self, method: str, target: str, body: bytes) -> Answer:
        """The answer; raises ``OSError`` where nothing could be stored, after which nothing more may be answered."""
        try:
            return self._answered(method, target, body)
        except SignerError as error:
            return refusal(error)

    def _answered(self, method: str, target: str, body: bytes) -> Answer:
        monitored = _CHECKPOINT.fullmatch(target)
        if target != ADD_CHECKPOINT and monitored is None:
            raise WitnessCheckpointMissing
        if method != ("POST" if monitored is None else "GET"):
            raise MethodNotAllowed(allowed=("POST",) if monitored is None else ("GET",))
        if monitored is None:
            line = self._witness.add(AddCheckpoint.parse(body))
            return Answer(status=200, body=f"{line}\n".encode())
        origin = self._origins.get(monitored[1])
        note = self._witness.latest(origin) if origin is not None else None
        if note is None:
            raise WitnessCheckpointMissing
        return Answer(status=200, body=note)


def refusal(error: SignerError) -> Answer:
    """What is said in place of a signature."""
    if isinstance(error, WitnessSizeConflict):
        return Answer(status=409, media_type=SIZE_MEDIA_TYPE, body=f"{error.size}\n".encode())
    problem = problem_of(error)
    return Answer(status=problem.status, body=f"{error.code}: {problem.detail}\n".encode())
