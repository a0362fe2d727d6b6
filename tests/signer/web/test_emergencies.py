"""The header that has signatures made past their approvals: who may send it, what it may say, what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from signer.administration import administration
from signer.domain.api_tokens import NewApiToken
from signer.domain.identity import Role
from signer.services.policy_administration import PolicyProposal
from signer.storage.api_token_store import SqlApiTokenStore
from tests.signer.domain.access.cases import rule
from tests.signer.web.test_signed_answers import ARTIFACT, Site, site
from tests.support.api_tokens import api_token_service
from tests.support.asking import Reply, ask
from tests.support.clock import ManualClock
from tests.support.house import KEY
from verifier.errors import EmergencySignature

__all__ = ["site"]

HEADER = "X-Signing-Emergency-Reason"
REASON = "the line stands still"
ADMINISTERING = '[[rules]]\nname = "admin"\neffect = "allow"\nprincipals = ["role:administrator"]\n'
RULES = (
    "version = 1\n"
    + ADMINISTERING
    + 'actions = ["administer", "read-log"]\n'
    + rule(
        name="release",
        principals='["group:release"]',
        keys=f'["{KEY}"]',
        approvals='[{ group = "qa", count = 2 }]',
        emergency='["person:ada"]',
    )
)


@dataclass(frozen=True, slots=True)
class Shop:
    """A service whose key is guarded, and the API tokens of two people of whom one is named."""

    site: Site
    tokens: dict[str, str]
    access: Any

    def ask(self, who: str = "ada", *, reason: str | None = REASON, route: str = "signatures") -> Reply:
        """One request for a signature."""
        headers = {"Authorization": f"Bearer {self.tokens[who]}"}
        if reason is not None:
            headers[HEADER] = reason.encode().decode("latin-1")
        return ask(self.site.front, "POST", f"/v1/keys/{KEY}/{route}", headers=headers, body=ARTIFACT)


@pytest.fixture
def shop(site: Site, clock: ManualClock) -> Shop:
    access = administration(site.database, clock)
    made = api_token_service(SqlApiTokenStore(database=site.database, clock=clock))
    tokens = {}
    access.people.create_group("release", actor="test")
    for name in ("ada", "bob"):
        access.people.create(name, display=None, email=None, actor="test")
        access.people.add_member("release", f"person:{name}", actor="test")
        tokens[name] = made.create(NewApiToken(name=name, role=None, person=name), actor="test").text
    tokens["nobody"] = made.create(NewApiToken(name="nobody", role=None), actor="test").text
    access.people.add_member("release", "api-token:nobody", actor="test")
    access.people.create_group("qa", actor="test")
    for name in ("eve", "dan", "kim"):
        access.people.create(name, display=None, email=None, actor="test")
        access.people.add_member("qa", f"person:{name}", actor="test")
    access.policies.apply(PolicyProposal(text=RULES, reason="a test"), actor="test")
    return Shop(site, tokens, access)


def test_the_answer_carries_a_proof_that_says_so(shop: Shop) -> None:
    document = shop.ask().json()
    assert (document["leaf"]["emergency"], document["leaf"]["person"], document["leaf"]["reason"]) == (
        True,
        "ada",
        REASON,
    )
    with pytest.raises(EmergencySignature):
        shop.site.proved(document)


def test_a_whole_artifact_is_signed_so_too(shop: Shop) -> None:
    assert shop.ask(route="artifacts").status_code == 200


def test_it_is_counted(shop: Shop) -> None:
    shop.ask()
    shop.site.front._metrics.observe(0, ())
    counted = shop.site.front._metrics.text().decode()
    assert f'artifact_signer_emergency_signatures_total{{key="{KEY}"}} 1.0' in counted


REASONS = {"in another script": "пожар", "as long as may be": "x" * 300, "with blanks around it": "  a fire  "}


@pytest.mark.parametrize("sentence", REASONS)
def test_a_reason(shop: Shop, sentence: str) -> None:
    assert shop.ask(reason=REASONS[sentence]).json()["leaf"]["reason"] == REASONS[sentence].strip()


NO_REASONS = {
    "empty": "",
    "of blanks": "   ",
    "too long": "x" * 301,
    "with a tab": "a\tb",
    "with an escape": "a\x1b[2J",
}


@pytest.mark.parametrize("sentence", NO_REASONS)
def test_what_is_no_reason(shop: Shop, sentence: str) -> None:
    answer = shop.ask(reason=NO_REASONS[sentence])
    assert (answer.status_code, answer.json()["code"]) == (400, "reason-invalid")


def test_what_is_not_utf8(shop: Shop) -> None:
    headers = {"Authorization": f"Bearer {shop.tokens['ada']}", HEADER: "\xff\xfe"}
    answer = ask(shop.site.front, "POST", f"/v1/keys/{KEY}/signatures", headers=headers, body=ARTIFACT)
    assert (answer.status_code, answer.json()["code"]) == (400, "reason-invalid")


REFUSED = {
    "somebody else of the group": ("bob", REASON, "access-denied"),
    "a credential that is nobody's": ("nobody", REASON, "access-denied"),
    "who is named, without a reason": ("ada", None, "approval-required"),
}


@pytest.mark.parametrize("route", ["signatures", "artifacts"])
@pytest.mark.parametrize("sentence", REFUSED)
def test_refuses(shop: Shop, sentence: str, route: str) -> None:
    who, reason, code = REFUSED[sentence]
    answer = shop.ask(who, reason=reason, route=route)
    assert (answer.status_code, answer.json()["code"]) == (403, code)


@pytest.mark.parametrize("role", Role)
def test_the_credentials_of_roles_may_not(shop: Shop, role: Role) -> None:
    answer = shop.site.sign(role=role, **{HEADER: REASON})
    assert (answer.status_code, answer.json()["code"]) == (404, "key-not-found")


def test_a_person_who_is_disabled_signs_nothing(shop: Shop) -> None:
    shop.access.people.disable("ada", reason="a test", actor="test")
    assert shop.ask().status_code == 401


def test_a_person_who_leaves_the_group_signs_nothing(shop: Shop) -> None:
    shop.access.people.remove_member("release", "person:ada", actor="test")
    assert shop.ask().status_code == 404
