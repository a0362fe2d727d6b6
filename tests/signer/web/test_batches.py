"""The route of batches over the real front: answers in order, refusals of the whole, and what a batch may hold."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from signer.application import BodyLimit
from signer.domain.identity import Role
from signer.errors import BodyTooLarge
from signer.errors.batches import BatchesExhausted
from signer.web.batch_reader import MAX_ITEMS
from signer.web.front.batch_room import LARGEST_AT_ONCE, BatchRoom
from tests.docs.application import KEY as DOCUMENTED
from tests.docs.application import Application
from tests.support.asking import Reply
from tests.support.clock import ManualClock
from tests.support.house import new_request

from .test_signed_answers import ARTIFACT, BODIES, Site, opened

BATCH = "signatures/batch"


@pytest.fixture
def signing_site(sqlite_url: str, tmp_path: Path, clock: ManualClock) -> Iterator[Site]:
    with opened(sqlite_url, tmp_path, clock) as made:
        yield made


def encoded(*items: Any) -> bytes:
    return json.dumps({"requests": list(items)}).encode()


def manifest(raw: bytes | None = None) -> dict[str, str]:
    return {"manifest": base64.b64encode(raw or new_request().manifest.raw).decode()}


def head(raw: bytes) -> dict[str, str]:
    return {"head": base64.b64encode(raw).decode()}


def send(site: Site, *items: Any, **options: Any) -> list[dict[str, Any]]:
    answer = site.sign(encoded(*items), route=BATCH, **options)
    assert answer.status_code == 200, answer.data
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


class TestAnswers:
    def test_each_has_its_signature_and_its_proof_in_order(self, signing_site: Site) -> None:
        given = [manifest(BODIES["manifest"]), *(manifest() for _ in range(20)), head(BODIES["head"]), head(ARTIFACT)]
        results = send(signing_site, *given)
        assert [each["status"] for each in results] == [200] * len(given)
        assert [each["checked"] for each in results] == ["manifest"] * 21 + ["head", "artifact"]
        for each in results:
            assert signing_site.proved(each).index == each["index"]
        again = signing_site.sign(BODIES["manifest"]).json()
        members = ("signature", "version", "fingerprint", "manifest_sha256")
        assert {name: again[name] for name in members} == {name: results[0][name] for name in members}

    def test_a_poisoned_item_spoils_nothing(self, signing_site: Site) -> None:
        results = send(
            signing_site,
            manifest(),
            manifest(b"not a manifest"),
            {"manifest": "%%%"},
            None,
            head(BODIES["manifest"]),
            manifest(ARTIFACT),
            head(ARTIFACT[:600]),
            head(bytes(256 << 10) + b"x"),
            manifest(),
        )
        assert [(each["status"], each.get("problem", {}).get("code")) for each in results[1:-1]] == [
            (422, "manifest-line-invalid"),
            (400, "batch-item-invalid"),
            (400, "batch-item-invalid"),
            (422, results[4]["problem"]["code"]),
            (422, results[5]["problem"]["code"]),
            (422, "truncated"),
            (413, "batch-item-too-large"),
        ]
        assert [each["status"] for each in (results[0], results[-1])] == [200, 200]
        for each in results[1:-1]:
            problem = each["problem"]
            assert problem["status"] == each["status"]
            assert problem["detail"]
            assert problem["request_id"]

    def test_a_repeated_item_has_the_recorded_signature(self, signing_site: Site) -> None:
        once = manifest()
        results = send(signing_site, once, manifest(), once)
        assert results[0] == results[2]
        (again,) = send(signing_site, once)
        assert (again["signature"], again["index"]) == (results[0]["signature"], results[0]["index"])

    def test_what_is_signed_already_is_refused_by_itself_unless_it_is_replaced(self, signing_site: Site) -> None:
        whole = signing_site.sign(ARTIFACT, route="artifacts").data
        first, second = send(signing_site, head(whole), manifest())
        assert (first["problem"]["code"], second["status"]) == ("signed-already", 200)
        answer = signing_site.sign(encoded(head(whole)), route=f"{BATCH}?replace=true")
        assert answer.json()["results"][0]["status"] == 200

    def test_an_item_that_no_checkpoint_covers_has_no_signature(self, signing_site: Site) -> None:
        send(signing_site, manifest())
        signing_site.recorder.silent = True
        (result,) = send(signing_site, manifest())
        assert (result["status"], result["problem"]["code"]) == (503, "log-not-certified")
        assert result["retry_after"] > 0
        assert "signature" not in result

    def test_nothing_is_left_of_what_a_batch_held(self, signing_site: Site) -> None:
        room = signing_site.front._handlers["sign_batch"].__self__._room  # type: ignore[attr-defined]
        free = room._free
        send(signing_site, manifest())
        assert signing_site.sign(b"{", route=BATCH).status_code == 400
        assert room._free == free


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    body: bytes
    status: int
    code: str
    role: Role | None = Role.SIGNER
    key: str = DOCUMENTED
    query: str = ""


REFUSED = {
    "no credential": Row(body=encoded(manifest()), status=401, code="credentials-missing", role=None),
    "a credential that may not sign": Row(
        body=encoded(manifest()), status=403, code="access-denied", role=Role.OPERATOR
    ),
    "a key that there is not": Row(body=encoded(manifest()), status=404, code="key-not-found", key="nothing"),
    "nothing": Row(body=b"", status=400, code="empty-body"),
    "an empty list": Row(body=encoded(), status=400, code="batch-empty"),
    "what is no JSON": Row(body=b'{"requests": [', status=400, code="invalid-request"),
    "another member": Row(body=b'{"items": []}', status=400, code="invalid-request"),
    "too many": Row(body=encoded(*[{}] * (MAX_ITEMS + 1)), status=413, code="batch-too-long"),
    "another parameter": Row(body=encoded(manifest()), status=400, code="invalid-request", query="?wait=1"),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_a_whole_batch_is_refused_by_its_own_code(site: Application, sentence: str) -> None:
    row = REFUSED[sentence]
    authorization = None if row.role is None else site.credentials[row.role]
    answer: Reply = site.ask("POST", f"/v1/keys/{row.key}/{BATCH}{row.query}", authorization, row.body)
    assert (answer.status_code, answer.json()["code"]) == (row.status, row.code)


LIMIT = BodyLimit(octets=64 << 20, setting="limits.batch_bytes")


@contextmanager
def full(room: BatchRoom, length: int | None) -> Iterator[None]:
    with ExitStack() as held:
        for _ in range(LARGEST_AT_ONCE):
            held.enter_context(room.taken(length))
        yield


class TestRoom:
    @pytest.fixture
    def room(self) -> BatchRoom:
        return BatchRoom(LIMIT)

    def test_is_for_a_few_of_the_largest(self, room: BatchRoom) -> None:
        with full(room, LIMIT.octets), pytest.raises(BatchesExhausted), room.taken(1024):
            pass

    def test_counts_one_of_unknown_length_as_the_largest(self, room: BatchRoom) -> None:
        with full(room, None), pytest.raises(BatchesExhausted), room.taken(None):
            pass

    def test_is_given_back_whatever_became_of_it(self, room: BatchRoom) -> None:
        for _ in range(10):
            with pytest.raises(ValueError, match="a test"), room.taken(LIMIT.octets):
                raise ValueError("a test")

    def test_is_enough_for_many_small_ones(self, room: BatchRoom) -> None:
        with ExitStack() as held:
            for _ in range(60):
                held.enter_context(room.taken(120_000))

    def test_refuses_what_is_too_large_before_it_is_read(self, room: BatchRoom) -> None:
        with pytest.raises(BodyTooLarge), room.taken(LIMIT.octets + 1):
            pass
