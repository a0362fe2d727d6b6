"""By which names rules may mean an identity."""

from __future__ import annotations

from dataclasses import replace

import pytest

from signer.domain.identity import ApiTokenIdentity, CiIdentity, Identity, UserIdentity

PRINCIPALS = {
    "its own name alone": (Identity(name="api-token:a"), {"api-token:a"}),
    "its role": (Identity(name="api-token:a", role="signer"), {"api-token:a", "role:signer"}),
    "its person": (Identity(name="user:a@b", person="ada"), {"user:a@b", "person:ada"}),
    "its groups": (
        Identity(name="ci:github/1", groups=frozenset({"ci", "release"})),
        {"ci:github/1", "group:ci", "group:release"},
    ),
    "of an API token": (ApiTokenIdentity(name="api-token:a", token_id="0" * 16), {"api-token:a"}),
    "of a pipeline, and nothing that its token claims": (
        CiIdentity(
            name="ci:github/1", issuer="github", id="1", claims={"name": "group:release"}, session_id="s", role="build"
        ),
        {"ci:github/1", "role:build"},
    ),
}


@pytest.mark.parametrize("sentence", PRINCIPALS)
def test_an_identity_is_meant_by(sentence: str) -> None:
    identity, expected = PRINCIPALS[sentence]
    assert identity.principals == expected
    assert hash(identity) == hash(identity)


def test_one_that_differs_is_meant_by_its_own_names() -> None:
    ada = UserIdentity(name="user:a@b", user_id="1", jti="j", token_name=None, roles=("signer", "auditor"))
    assert ada.principals == {"user:a@b", "role:signer", "role:auditor"}
    assert replace(ada, roles=(), groups=frozenset({"release"})).principals == {"user:a@b", "group:release"}
