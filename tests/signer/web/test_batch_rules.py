"""Items of one batch under rules: some wait for people, some are past a limit or too old, the rest is signed."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from signer.administration import administration
from signer.domain.api_tokens import NewApiToken
from signer.domain.approvals import Ballot
from signer.domain.identity import Identity
from signer.services.approvals import Ask
from signer.services.policy_administration import PolicyProposal
from signer.storage.api_token_store import SqlApiTokenStore
from tests.artifacts import ArtifactBuilder
from tests.signer.domain.access.cases import rule
from tests.signer.web.test_batches import encoded
from tests.signer.web.test_signed_answers import Site, opened
from tests.support.api_tokens import api_token_service
from tests.support.asking import Reply, ask
from tests.support.clock import ManualClock
from tests.support.house import KEY
from verifier.errors import EmergencySignature

KEYS = f'["{KEY}"]'
BUILD = '["api-token:build"]'
APPROVED = '[{ group = "qa", count = 1 }]'
HEAD = 'checked = "head", '
REASON = "the line stands still"


class Shop:
    """A service, and the API token of a pipeline that is a person's: rules say what it may."""

    def __init__(self, site: Site, clock: ManualClock) -> None:
        self.site, self.access = site, administration(site.database, clock)
        tokens = api_token_service(SqlApiTokenStore(database=site.database, clock=clock))
        for name in ("ada", "eve", "dan"):
            self.access.people.create(name, display=None, email=None, actor="test")
        self.access.people.create_group("qa", actor="test")
        for name in ("eve", "dan"):
            self.access.people.add_member("qa", f"person:{name}", actor="test")
        self.token = tokens.create(NewApiToken(name="build", role=None, person="ada"), actor="test").text
        tokens.create(NewApiToken(name="eve", role=None, person="eve"), actor="test")

    def apply(self, *rules: str) -> None:
        admin = '[[rules]]\nname = "admin"\neffect = "allow"\nprincipals = ["role:administrator"]\n'
        text = f'version = 1\n{admin}actions = ["administer"]\n' + "".join(rules)
        self.access.policies.apply(PolicyProposal(text=text, reason="a test"), actor="test")

    def send(self, *items: dict[str, str], **headers: str) -> list[dict[str, Any]]:
        headers = {"Authorization": f"Bearer {self.token}", **headers}
        reply: Reply = ask(
            self.site.front, "POST", f"/v1/keys/{KEY}/signatures/batch", headers=headers, body=encoded(*items)
        )
        assert reply.status_code == 200, reply.data
        results: list[dict[str, Any]] = reply.json()["results"]
        return results


@pytest.fixture
def shop(sqlite_url: str, tmp_path: Path, clock: ManualClock) -> Iterator[Shop]:
    with opened(sqlite_url, tmp_path, clock) as site:
        yield Shop(site, clock)


def release(name: str) -> dict[str, str]:
    artifact = ArtifactBuilder(name=name).build()
    return {"head": base64.b64encode(artifact[: artifact.rindex(b"data/0000.tar")]).decode()}


def codes(results: list[dict[str, Any]]) -> list[str]:
    return [each["problem"]["code"] if "problem" in each else "signed" for each in results]


GUARDED = rule(
    HEAD + 'artifact_name = ["release-*"]',
    name="guarded",
    principals=BUILD,
    keys=KEYS,
    approvals=APPROVED,
    emergency='["person:ada"]',
)


def test_an_item_waits_for_people_and_the_others_do_not(shop: Shop) -> None:
    shop.apply(GUARDED, rule(name="approvers", principals='["group:qa"]', keys=KEYS, actions='["approve"]'))
    items = [release("release-1"), release("debug-1"), release("release-2")]
    results = shop.send(*items)
    assert codes(results) == ["approval-required", "access-denied", "approval-required"]
    waiting = [each["problem"]["facts"] for each in results if each["problem"]["code"] == "approval-required"]
    assert len({each["approval"] for each in waiting}) == 2
    approvals = shop.site.application.approvals
    eve = Identity(name="api-token:eve", person="eve", groups=frozenset({"qa"}))
    approvals.vote(
        eve, waiting[0]["approval"], Ask(ballot=Ballot.APPROVE, sha256=waiting[0]["sha256"], reason="tested")
    )
    for _ in range(2):
        assert codes(shop.send(*items)) == ["signed", "access-denied", "approval-required"]


def test_an_emergency_is_one_for_each_item_that_the_rule_lets_through(shop: Shop) -> None:
    shop.apply(GUARDED)
    items = [release("release-1"), release("debug-1"), release("release-2")]
    results = shop.send(*items, **{"X-Signing-Emergency-Reason": REASON})
    assert codes(results) == ["signed", "access-denied", "signed"]
    for each in (results[0], results[2]):
        with pytest.raises(EmergencySignature):
            shop.site.proved(each)
    assert codes(shop.send(*items)) == ["approval-required", "access-denied", "approval-required"]


def test_a_limit_is_counted_item_by_item_and_repeats_are_free(shop: Shop) -> None:
    shop.apply(rule(name="limited", principals=BUILD, keys=KEYS, limits="{ per_day = 2 }"))
    items = [release(f"release-{number}") for number in (1, 1, 2, 2, 3, 1)]
    expected = ["signed"] * 4 + ["rate-limited", "signed"]
    assert codes(shop.send(*items)) == expected
    assert codes(shop.send(*items)) == expected


def test_versions_go_forward_inside_one_batch(shop: Shop) -> None:
    version = 'version = { from = "artifact_name", prefix = "release-", order = "numeric" }'
    shop.apply(rule(HEAD + version, name="forward", principals=BUILD, keys=KEYS))
    items = [release(f"release-{number}") for number in (5, 4, 7, 7, 6, 8)]
    assert codes(shop.send(*items)) == [
        "signed", "version-too-old", "signed", "signed", "version-too-old", "signed",
    ]  # fmt: skip
    assert codes(shop.send(*items)) == ["version-too-old"] * 5 + ["signed"]
