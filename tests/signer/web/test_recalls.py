"""Recalls over the real front: who may, no way to the signature afterwards, and the list that devices get."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update

from signer.administration import administration
from signer.domain.api_tokens import NewApiToken
from signer.domain.identity import Role
from signer.domain.keys import Purpose
from signer.services.lifecycle import NewKeyRequest
from signer.services.policy_administration import PolicyProposal
from signer.storage.api_token_store import SqlApiTokenStore
from signer.storage.log_reader import SqlLogReader
from signer.storage.recall_tables import recalled_manifests
from tests.artifacts.builder import ARTIFACT_NAME
from tests.signer.domain.access.cases import rule
from tests.signer.web.test_batches import encoded, head, manifest
from tests.signer.web.test_signed_answers import ARTIFACT, BODIES, MANIFEST, Site, opened
from tests.support.api_tokens import api_token_service
from tests.support.asking import Reply, ask
from tests.support.clock import ManualClock
from tests.support.house import ADMIN, KEY
from verifier.log import VerifierKey, open_recalled, parsed_leaf

BAD = MANIFEST.sha256
RECALLED = "manifest-recalled"
ROUTE, LIST = "/v1/log/recall", "/v1/log/recalled"


@pytest.fixture
def shop(sqlite_url: str, tmp_path: Path, clock: ManualClock) -> Iterator[Site]:
    """With a key for artifacts and one of the log."""
    with opened(sqlite_url, tmp_path, clock) as made:
        log_key = NewKeyRequest(unverified_name="log", unverified_algorithm="ecdsa-p256", purpose=Purpose.LOG)
        made.application.lifecycle.create(ADMIN, log_key)
        yield made


def recall(site: Site, digest: str = BAD, *, role: Role = Role.ADMINISTRATOR, **members: Any) -> Reply:
    body = json.dumps({"manifest_sha256": digest, "reason": "bricks boards", **members}).encode()
    return ask(site.front, "POST", ROUTE, headers={"Authorization": site.credentials[role]}, body=body)


def certify(site: Site) -> None:
    """As the recorder does, soon."""
    site.recorder.certify()


def listed(site: Site, *, role: Role = Role.READER) -> Reply:
    return ask(site.front, "GET", LIST, headers={"Authorization": site.credentials[role]})


def log_keys(site: Site) -> list[VerifierKey]:
    return [VerifierKey.parse(text) for text in site.application.log.verifier_keys()]


def codes(reply: Reply) -> list[str]:
    return [each.get("problem", {}).get("code", "signed") for each in reply.json()["results"]]


WAYS: dict[str, Callable[[Site], Reply]] = {
    "by its manifest": lambda site: site.sign(BODIES["manifest"]),
    "by its head": lambda site: site.sign(BODIES["head"]),
    "by all of it": lambda site: site.sign(ARTIFACT),
    "as text": lambda site: site.sign(BODIES["head"], Accept="text/plain"),
    "as a signed artifact": lambda site: site.sign(ARTIFACT, route="artifacts"),
}


def test_the_signature_on_record_is_not_given_out_again(shop: Site, subtests: pytest.Subtests) -> None:
    for way in WAYS.values():
        assert way(shop).status_code == 200
    assert [recall(shop).json()["changed"] for _ in range(2)] == [True, False]
    for sentence, way in WAYS.items():
        with subtests.test(sentence):
            answer = way(shop)
            assert (answer.status_code, answer.json()["code"]) == (409, RECALLED)
            assert answer.json()["facts"] == {"manifest_sha256": BAD}


def test_nor_in_a_batch_whose_other_items_are_signed(shop: Site) -> None:
    assert shop.sign(BODIES["manifest"]).status_code == 200
    recall(shop)
    items = [manifest(), manifest(BODIES["manifest"]), head(BODIES["head"]), manifest(), head(ARTIFACT)]
    answer = shop.sign(encoded(*items), route="signatures/batch")
    assert codes(answer) == ["signed", RECALLED, RECALLED, "signed", RECALLED]


def test_nor_by_another_key(shop: Site) -> None:
    assert shop.sign(BODIES["manifest"]).status_code == 200
    recall(shop)
    shop.application.lifecycle.create(ADMIN, NewKeyRequest(unverified_name="other", unverified_algorithm="ecdsa-p256"))
    headers = {"Authorization": shop.credentials[Role.SIGNER]}
    answer = ask(shop.front, "POST", "/v1/keys/other/signatures", headers=headers, body=ARTIFACT)
    assert answer.json()["code"] == RECALLED


def test_nor_as_a_proof(shop: Site) -> None:
    assert shop.sign(BODIES["manifest"]).status_code == 200
    query = f"/v1/log/proof?manifest_sha256={BAD}&key={KEY}"
    headers = {"Authorization": shop.credentials[Role.ADMINISTRATOR]}
    assert ask(shop.front, "GET", query, headers=headers).status_code == 200
    recall(shop)
    assert ask(shop.front, "GET", query, headers=headers).json()["code"] == RECALLED


def test_who_asks_for_it_is_on_record_as_refused(shop: Site) -> None:
    shop.sign(BODIES["manifest"])
    recall(shop)
    shop.sign(BODIES["head"])
    (call,) = shop.recorder.recorder.refused  # type: ignore[attr-defined]
    assert (call.reason, call.manifest_sha256) == ("the manifest was recalled", BAD)


def test_who_may_not_sign_does_not_hear_of_it(shop: Site) -> None:
    shop.sign(BODIES["manifest"])
    recall(shop)
    assert shop.sign(BODIES["head"], role=Role.READER).json()["code"] == "access-denied"


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a manifest that nothing signed": ({"digest": "0" * 64}, "manifest-not-signed"),
    "a digest that is none": ({"digest": BAD[1:]}, "invalid-request"),
    "a digest in capitals": ({"digest": BAD.upper()}, "invalid-request"),
    "no reason": ({"reason": " "}, "reason-invalid"),
    "a reason of two lines": ({"reason": "one\ntwo"}, "reason-invalid"),
    "a member too many": ({"force": True}, "invalid-request"),
    "somebody who signs": ({"role": Role.SIGNER}, "access-denied"),
    "somebody who reads": ({"role": Role.READER}, "access-denied"),
    "an auditor": ({"role": Role.AUDITOR}, "access-denied"),
}


def test_a_recall_is_refused(shop: Site, subtests: pytest.Subtests) -> None:
    shop.sign(BODIES["manifest"])
    size = SqlLogReader(database=shop.database).head().size
    for sentence, (options, code) in REFUSED.items():
        with subtests.test(sentence):
            assert recall(shop, **options).json()["code"] == code
            assert SqlLogReader(database=shop.database).head().size == size
    assert shop.sign(BODIES["manifest"]).status_code == 200


@pytest.fixture
def guarded(shop: Site, clock: ManualClock) -> Callable[..., Reply]:
    """Two keys that signed it; API tokens for either, and one for both, where a key is guarded by approvals."""
    shop.sign(BODIES["manifest"])
    shop.application.lifecycle.create(ADMIN, NewKeyRequest(unverified_name="other", unverified_algorithm="ecdsa-p256"))
    headers = {"Authorization": shop.credentials[Role.SIGNER]}
    assert ask(shop.front, "POST", "/v1/keys/other/signatures", headers=headers, body=ARTIFACT).status_code == 200
    access = administration(shop.database, clock)
    made = api_token_service(SqlApiTokenStore(database=shop.database, clock=clock))
    tokens = {name: made.create(NewApiToken(name=name, role=None), actor="test").text for name in ("one", "both")}
    access.people.create_group("qa", actor="test")
    for name in ("eve", "dan"):
        access.people.create(name, display=None, email=None, actor="test")
        access.people.add_member("qa", f"person:{name}", actor="test")
    rules = (
        '[[rules]]\nname = "admin"\neffect = "allow"\nprincipals = ["role:administrator"]\nactions = ["administer"]\n'
    )
    for name, keys in (("one", f'["{KEY}"]'), ("both", f'["{KEY}", "other"]')):
        rules += rule(name=name, principals=f'["api-token:{name}"]', keys=keys, actions='["manage"]')
    rules += rule(
        name="release", principals='["api-token:one"]', keys=f'["{KEY}"]', approvals='[{ group = "qa", count = 1 }]'
    )
    access.policies.apply(PolicyProposal(text="version = 1\n" + rules, reason="a test"), actor="test")

    def asked(name: str, route: str = ROUTE) -> Reply:
        body = json.dumps({"manifest_sha256": BAD, "reason": "bad"}).encode() if route == ROUTE else ARTIFACT
        return ask(shop.front, "POST", route, headers={"Authorization": f"Bearer {tokens[name]}"}, body=body)

    return asked


def test_who_may_manage_one_of_its_keys_may_not_and_is_told_no_other_key(guarded: Callable[..., Reply]) -> None:
    answer = guarded("one")
    assert answer.json()["code"] == "access-denied"
    assert b"other" not in answer.data


def test_who_may_manage_all_of_them_may_and_nobody_has_to_approve_it(guarded: Callable[..., Reply]) -> None:
    answer = guarded("both")
    assert (answer.status_code, answer.json()["actor"], answer.json()["changed"]) == (200, "api-token:both", True)


def test_nobody_is_asked_to_approve_what_was_recalled(guarded: Callable[..., Reply]) -> None:
    signatures = f"/v1/keys/{KEY}/signatures"
    assert guarded("one", signatures).json()["code"] == "approval-required"
    guarded("both")
    assert guarded("one", signatures).json()["code"] == RECALLED


MINE = recalled_manifests.c.manifest_sha256 == BAD
TAMPERED = {
    "a row is gone": delete(recalled_manifests).where(MINE),
    "a row is of another manifest": update(recalled_manifests).where(MINE).values(manifest_sha256="0" * 64),
    "a row is of another leaf": update(recalled_manifests).values(leaf=0),
}


class TestList:
    def test_it_grows_with_each_recall(self, shop: Site) -> None:
        shop.sign(BODIES["manifest"])
        empty = open_recalled(listed(shop).data, log_keys(shop))
        assert (empty.version, empty.manifests) == (0, ())
        leaf = recall(shop).json()["leaf"]
        certify(shop)
        answer = listed(shop)
        found = open_recalled(answer.data, log_keys(shop))
        assert (found.version, found.manifests) == (leaf + 1, (BAD,))
        assert answer.content_type == "text/plain; charset=utf-8"
        assert listed(shop).data == answer.data

    def test_there_is_none_while_no_checkpoint_covers_the_newest_recall(self, shop: Site) -> None:
        shop.sign(BODIES["manifest"])
        recall(shop)
        answer = listed(shop)
        assert (answer.status_code, answer.json()["code"]) == (503, "log-not-certified")
        assert "retry-after" in answer.headers

    def test_it_is_for_everybody_who_is_known_and_nobody_else(self, shop: Site) -> None:
        shop.sign(BODIES["manifest"])
        assert {role: listed(shop, role=role).status_code for role in Role} == dict.fromkeys(Role, 200)
        assert ask(shop.front, "GET", LIST).status_code == 401
        refused = ask(shop.front, "GET", f"{LIST}?x=1", headers={"Authorization": shop.credentials[Role.READER]})
        assert refused.json()["code"] == "invalid-request"

    @pytest.mark.parametrize("sentence", TAMPERED)
    def test_nothing_is_signed_of_a_database_that_was_changed(self, shop: Site, sentence: str) -> None:
        for raw in (BODIES["manifest"], None):
            items = [manifest(raw)]
            answer = shop.sign(encoded(*items), route="signatures/batch").json()["results"][0]
            recall(shop, answer["manifest_sha256"])
        certify(shop)
        assert len(open_recalled(listed(shop).data, log_keys(shop)).manifests) == 2
        with shop.database.writing() as connection:
            connection.execute(TAMPERED[sentence])
        assert listed(shop).json()["code"] == "log-damaged"

    def test_nothing_is_signed_without_a_key_of_the_log(self, shop: Site) -> None:
        shop.sign(BODIES["manifest"])
        shop.application.lifecycle.disable(ADMIN, "log", 1)
        assert listed(shop).json()["code"] == "log-key-missing"


def test_the_leaf_is_found_by_what_it_is_about(shop: Site) -> None:
    shop.sign(BODIES["head"])
    leaf = recall(shop).json()["leaf"]
    certify(shop)
    headers = {"Authorization": shop.credentials[Role.AUDITOR]}
    for query in (f"manifest_sha256={BAD}", f"artifact={ARTIFACT_NAME}", "actor=api-token:administrator"):
        answer = ask(shop.front, "GET", f"/v1/log/entries?type=release-recalled&{query}", headers=headers)
        assert [entry["index"] for entry in answer.json()["entries"]] == [leaf], query
    (raw,) = SqlLogReader(database=shop.database).leaves(leaf, leaf + 1)
    assert parsed_leaf(raw)["keys"] == [KEY]
