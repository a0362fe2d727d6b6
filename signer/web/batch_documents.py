"""The JSON of batches: what is sent, and the answer to each item."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from signer.domain.requests import Signature, SigningRequest
from signer.web.batch_reader import MAX_ITEMS
from signer.web.parsing import Body
from signer.web.problems import Problem

OK: Literal[200] = 200


class BatchBody(Body):
    """A batch, as ``batch_reader`` takes it: that reads it in steps, and this describes it.

    An item of another form than it should have is refused by itself, so that here it is anything.
    """

    requests: list[Any] = Field(
        min_length=1, max_length=MAX_ITEMS, description="`{manifest: BASE64}` or `{head: BASE64}`, each"
    )


class SignedItem(TypedDict):
    """The answer to an item that was signed."""

    status: Literal[200]
    signature: str
    version: int
    fingerprint: str
    index: int
    checked: str
    manifest_sha256: str
    proof: NotRequired[str]


class RefusedItem(TypedDict):
    """The answer to an item that was refused: a problem document, and after how many seconds to try again."""

    status: int
    problem: dict[str, Any]
    retry_after: NotRequired[int]


class BatchDocument(TypedDict):
    """One answer for each item, in order."""

    results: list[SignedItem | RefusedItem]


def signed_item(signature: Signature, request: SigningRequest, proof: bytes | None) -> SignedItem:
    """The answer to an item that was signed. ``proof``: its proof file, for programs."""
    made: SignedItem = {
        "status": OK,
        "signature": signature.encoded.decode("ascii"),
        "version": signature.version,
        "fingerprint": signature.fingerprint,
        "index": signature.index,
        "checked": request.checked.value,
        "manifest_sha256": request.manifest.sha256,
    }
    if proof is not None:
        made["proof"] = proof.decode("utf-8")
    return made


def refused_item(problem: Problem, request_id: str) -> RefusedItem:
    """The answer to an item that was refused."""
    made: RefusedItem = {"status": problem.status, "problem": problem.members(request_id)}
    if problem.retry_after is not None:
        made["retry_after"] = problem.retry_after
    return made
