"""``[[ci_issuer]]`` and ``[[ci_identity]]``: what is refused before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from signer.config import Settings, load_settings
from signer.domain.ci import Kind
from signer.errors import ConfigurationInvalid

TOKENS = """
[[tokens]]
name = "t"
uri = "pkcs11:token=t?module-path=/m.so"
pin = { env = "PIN" }
"""
GITHUB = """
[[ci_issuer]]
name = "github"
issuer = "https://token.actions.githubusercontent.com"
kind = "github"
audience = "https://signer.example"
"""
GENERIC = """
[[ci_issuer]]
name = "builds"
issuer = "https://ci.example/oidc"
kind = "generic"
audience = "https://signer.example"
id_claim = "pipeline_uuid"
algorithms = ["ES256"]
"""
NUMBERS = 'id = "456789"\nowner_id = "123456"\n'


def identity(body: str, issuer: str = "github") -> str:
    return f'[[ci_identity]]\nissuer = "{issuer}"\n{body}\n'


def loaded(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "artifact-signer.toml"
    path.write_text(TOKENS + text)
    return load_settings(path, {})


def test_identities_of_github_are_pinned_by_numbers(tmp_path: Path) -> None:
    claims = 'claims = { ref = "refs/heads/main", environment = ["production", "staging-*"] }\nrole = "release"'
    settings = loaded(tmp_path, GITHUB + identity(NUMBERS + claims))
    pinned = settings.ci_identity[0].pinned(settings.ci_issuer[0].profile)
    assert (pinned.name, pinned.owner_id, pinned.role) == ("ci:github/456789", "123456", "release")
    assert pinned.events == {"push", "workflow_dispatch", "release", "schedule"}
    assert [pattern.text for pattern in pinned.claims["environment"]] == ["production", "staging-*"]


def test_other_issuers_say_which_claim_holds_ids(tmp_path: Path) -> None:
    settings = loaded(tmp_path, GENERIC + identity('id = "a-1"', "builds"))
    assert settings.ci_issuer[0].kind is Kind.GENERIC
    assert settings.ci_issuer[0].profile.id_claim == "pipeline_uuid"
    assert settings.ci_identity[0].pinned(settings.ci_issuer[0].profile).events is None


def test_the_audience_may_be_what_the_service_calls_itself(tmp_path: Path) -> None:
    settings = loaded(tmp_path, GITHUB.replace("audience", "# audience") + '[server]\nurl = "https://signer.example"')
    assert settings.ci_issuer[0].audience is None


def test_paths_begin_at_the_file(tmp_path: Path) -> None:
    settings = loaded(tmp_path, GITHUB + 'ca_file = "ca.pem"\nkey_set_file = "keys.json"\n')
    assert settings.ci_issuer[0].ca_file == tmp_path / "ca.pem"
    assert settings.ci_issuer[0].key_set_file == tmp_path / "keys.json"


REFUSED: dict[str, tuple[str, str]] = {
    "no id": (GITHUB + identity('owner_id = "123456"'), "id: Field required"),
    "no owner": (GITHUB + identity('id = "456789"'), "owner_id has to be the number"),
    "the name of a repository": (GITHUB + identity('id = "octo-repo"\nowner_id = "1"'), "id has to be the number"),
    "the name of an owner": (GITHUB + identity('id = "1"\nowner_id = "octo-org"'), "owner_id has to be the number"),
    "a number with a zero before it": (GITHUB + identity('id = "01"\nowner_id = "1"'), "id has to be the number"),
    "an id that is no text": (GITHUB + identity('id = 456789\nowner_id = "1"'), "id: Input should be a valid string"),
    "a wild card for an id": (GITHUB + identity('id = "*"\nowner_id = "1"'), "id: String should match"),
    "sub pinned": (GITHUB + identity(NUMBERS + 'claims = { sub = "repo:o/r:ref:x" }'), "sub cannot be pinned"),
    "jti pinned": (GITHUB + identity(NUMBERS + 'claims = { jti = "1" }'), "jti cannot be pinned"),
    "a pattern that is none": (GITHUB + identity(NUMBERS + 'claims = { ref = "refs/[a-z]+" }'), "a pattern of ref"),
    "an empty pattern": (GITHUB + identity(NUMBERS + 'claims = { ref = "" }'), "a pattern of ref"),
    "a claim without patterns": (GITHUB + identity(NUMBERS + "claims = { ref = [] }"), "ref has no pattern"),
    "a claim of a name that leaves cannot hold": (
        GITHUB + identity(NUMBERS + 'claims = { "réf" = "x" }'), "a claim has a name of"),
    "a claim that is a number": (GITHUB + identity(NUMBERS + "claims = { ref = 1 }"), "claims.ref"),
    "no events at all": (GITHUB + identity(NUMBERS + "events = []"), "events"),
    "a member that is unknown": (GITHUB + identity(NUMBERS + 'repository = "o/r"'), "repository"),
    "an issuer that is not configured": (identity(NUMBERS), "there is no ci_issuer named 'github'"),
    "two issuers of one name": (GITHUB + GITHUB, "the same name or issuer"),
    "two names of one issuer": (GITHUB + GITHUB.replace('"github"\nissuer', '"hub"\nissuer'), "same name or issuer"),
    "an issuer in plain text": (GITHUB.replace("https://token", "http://token"), "must be https://"),
    "an issuer with a query": (GITHUB.replace(".com", ".com/?x=1"), "must be https://HOST"),
    "an issuer without end": (GITHUB.replace(".com", ".com/" + "x" * 255), "more than 255 characters"),
    "a name that is none": (GITHUB.replace('name = "github"', 'name = "git/hub"'), "name"),
    "HMAC": (GITHUB + 'algorithms = ["HS256"]', "must be among"),
    "no algorithm at all": (GITHUB + "algorithms = []", "algorithms"),
    "alg none": (GITHUB + 'algorithms = ["none"]', "must be among"),
    "a kind that is unknown": (GITHUB.replace('kind = "github"', 'kind = "jenkins"'), "kind"),
    "ids of GitHub in another claim": (GITHUB + 'id_claim = "repository"', "id_claim is for generic issuers"),
    "ids in sub": (GENERIC.replace('"pipeline_uuid"', '"sub"'), "needs id_claim"),
    "no claim of ids": (GENERIC.replace('id_claim = "pipeline_uuid"', ""), "needs id_claim"),
    "an owner where nobody tells of one": (
        GENERIC + identity('id = "a"\nowner_id = "1"', "builds"), "neither owner_id nor events"),
    "events where nobody tells of one": (
        GENERIC + identity('id = "a"\nevents = ["push"]', "builds"), "neither owner_id nor events"),
    "no audience at all": (GITHUB.replace("audience", "# audience"), "needs an audience, or server.url"),
    "tokens that live for days": (GITHUB + "max_lifetime = 86401", "max_lifetime"),
    "an audience of nothing": (GITHUB.replace('"https://signer.example"', '""'), "audience"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "sentence"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigurationInvalid) as refused:
        loaded(tmp_path, text)
    assert sentence in " ".join(refused.value.problems)
