"""Which jobs are an identity: GitHub's, GitLab's and others', and all the jobs that only look alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from signer.auth.ci.claims import VerifiedClaims
from signer.auth.ci.pins import MAX_KEPT_BYTES, kept_claims, pinned_identity
from signer.auth.ci.refusals import Reason, TokenRefused
from signer.domain.access.patterns import Pattern
from signer.domain.ci import PROFILES, Kind, PinnedIdentity, Profile
from tests.support.ci_tokens import github_claims, gitlab_claims

ISSUER = "https://issuer.example"
NOW = datetime(2026, 11, 29, tzinfo=UTC)
GITHUB, GITLAB = PROFILES[Kind.GITHUB], PROFILES[Kind.GITLAB]
GENERIC = Profile(id_claim="pipeline_uuid")
WORKFLOW = "octo-org/octo-repo/.github/workflows/release.yml@refs/heads/main"


def patterns(**texts: str) -> dict[str, tuple[Pattern, ...]]:
    return {name: tuple(map(Pattern, text.split("|"))) for name, text in texts.items()}


def on_github(role: str | None = None, events: frozenset[str] = GITHUB.events, **claims: str) -> PinnedIdentity:
    return PinnedIdentity(
        issuer="github", id="456789", owner_id="123456", events=events, claims=patterns(**claims), role=role
    )


def on_gitlab(**claims: str) -> PinnedIdentity:
    return PinnedIdentity(
        issuer="gitlab", id="20", owner_id="72", events=GITLAB.events, claims=patterns(**claims), role=None
    )


def elsewhere(**claims: str) -> PinnedIdentity:
    return PinnedIdentity(issuer="ci", id="a-1", owner_id=None, events=None, claims=patterns(**claims), role=None)


def told(values: dict[str, Any]) -> VerifiedClaims:
    return VerifiedClaims(issuer=ISSUER, jti="j", issued_at=NOW, expires_at=NOW, values=values)


def github(*pinned: PinnedIdentity, **changes: Any) -> PinnedIdentity:
    return pinned_identity(told(github_claims(ISSUER, **changes)), GITHUB, pinned)


def gitlab(*pinned: PinnedIdentity, **changes: Any) -> PinnedIdentity:
    return pinned_identity(told(gitlab_claims(ISSUER, **changes)), GITLAB, pinned)


def generic(*pinned: PinnedIdentity, **values: Any) -> PinnedIdentity:
    return pinned_identity(told({"pipeline_uuid": "a-1", **values}), GENERIC, pinned)


RELEASE = on_github(ref="refs/heads/main|refs/tags/v*", environment="production", job_workflow_ref=WORKFLOW)
PROTECTED = on_gitlab(ref_path="refs/heads/main", ref_protected="true")
Case = tuple[Callable[..., PinnedIdentity], PinnedIdentity, dict[str, Any]]

GRANTED: dict[str, Case] = {
    "a push to main": (github, RELEASE, {}),
    "a tag of the pattern": (github, RELEASE, {"ref": "refs/tags/v1.2.3"}),
    "a repository of another name": (github, RELEASE, {"repository": "octo-org/renamed", "sub": "whatever"}),
    "a release by hand": (github, RELEASE, {"event_name": "workflow_dispatch"}),
    "an event that somebody allows": (
        github, on_github(events=frozenset({"pull_request"})), {"event_name": "pull_request"}),
    "a protected branch of GitLab": (gitlab, PROTECTED, {}),
    "GitLab before it told where jobs run": (gitlab, PROTECTED, {"job_project_id": ...}),
    "another issuer": (generic, elsewhere(branch="main"), {"branch": "main"}),
    "deep paths where they are meant": (generic, elsewhere(path="group/**"), {"path": "group/sub/project"}),
}  # fmt: skip


@pytest.mark.parametrize(("ask", "pinned", "changes"), GRANTED.values(), ids=GRANTED)
def test_it_is_the_identity(
    ask: Callable[..., PinnedIdentity], pinned: PinnedIdentity, changes: dict[str, Any]
) -> None:
    assert ask(pinned, **changes) is pinned


REFUSED: dict[str, tuple[Callable[..., PinnedIdentity], PinnedIdentity, dict[str, Any], Reason]] = {
    "another repository of the owner": (github, RELEASE, {"repository_id": "456788"}, Reason.IDENTITY_UNKNOWN),
    "a repository that took the name over": (
        github, RELEASE, {"repository_id": "999", "repository_owner_id": "999"}, Reason.IDENTITY_UNKNOWN),
    "the repository after it was given away": (github, RELEASE, {"repository_owner_id": "999"}, Reason.OWNER_REFUSED),
    "the number as a number": (github, RELEASE, {"repository_id": 456789}, Reason.CLAIM_TYPE),
    "the number in a list": (github, RELEASE, {"repository_id": ["456789"]}, Reason.CLAIM_TYPE),
    "the number with a space": (github, RELEASE, {"repository_id": "456789 "}, Reason.IDENTITY_UNKNOWN),
    "the number in other digits": (github, RELEASE, {"repository_id": "\uff1456789"}, Reason.IDENTITY_UNKNOWN),
    "no number": (github, RELEASE, {"repository_id": ...}, Reason.CLAIM_MISSING),
    "no owner": (github, RELEASE, {"repository_owner_id": ...}, Reason.CLAIM_MISSING),
    "pull_request_target": (github, RELEASE, {"event_name": "pull_request_target"}, Reason.EVENT_REFUSED),
    "workflow_run": (github, RELEASE, {"event_name": "workflow_run"}, Reason.EVENT_REFUSED),
    "issue_comment": (github, RELEASE, {"event_name": "issue_comment"}, Reason.EVENT_REFUSED),
    "pull_request": (github, RELEASE, {"event_name": "pull_request"}, Reason.EVENT_REFUSED),
    "no event": (github, RELEASE, {"event_name": ...}, Reason.CLAIM_MISSING),
    "a branch that begins like main": (github, RELEASE, {"ref": "refs/heads/main2"}, Reason.CLAIM_REFUSED),
    "a ref that ends like main": (github, RELEASE, {"ref": "xrefs/heads/main"}, Reason.CLAIM_REFUSED),
    "main and a newline": (github, RELEASE, {"ref": "refs/heads/main\n"}, Reason.CLAIM_REFUSED),
    "a tag with a slash": (github, RELEASE, {"ref": "refs/tags/v1/evil"}, Reason.CLAIM_REFUSED),
    "a tag with a newline": (github, RELEASE, {"ref": "refs/tags/v1\nx"}, Reason.CLAIM_REFUSED),
    "a branch called like a tag": (github, RELEASE, {"ref": "refs/heads/refs/tags/v1"}, Reason.CLAIM_REFUSED),
    "an empty ref": (github, RELEASE, {"ref": ""}, Reason.CLAIM_REFUSED),
    "a ref that is a list": (github, RELEASE, {"ref": ["refs/heads/main"]}, Reason.CLAIM_TYPE),
    "a letter that looks alike": (github, RELEASE, {"environment": "pr\u043eduction"}, Reason.CLAIM_REFUSED),
    "a letter that looks alike where any may stand": (
        github, on_github(environment="pr*"), {"environment": "pr\u043eduction"}, Reason.CLAIM_REFUSED),
    "another case": (github, RELEASE, {"environment": "Production"}, Reason.CLAIM_REFUSED),
    "no environment": (github, RELEASE, {"environment": ...}, Reason.CLAIM_MISSING),
    "a reusable workflow of another owner": (
        github, RELEASE, {"job_workflow_ref": WORKFLOW.replace("octo-org", "evil-org")}, Reason.CLAIM_REFUSED),
    "the workflow of a branch": (
        github, RELEASE, {"job_workflow_ref": WORKFLOW.replace("main", "mine")}, Reason.CLAIM_REFUSED),
    "an organisation that begins alike": (
        github, on_github(repository="octo-org/*"), {"repository": "octo-org-evil/octo-repo"}, Reason.CLAIM_REFUSED),
    "a merge request": (gitlab, PROTECTED, {"pipeline_source": "merge_request_event"}, Reason.EVENT_REFUSED),
    "a job of a fork, named after the fork": (gitlab, PROTECTED, {"project_id": "21"}, Reason.IDENTITY_UNKNOWN),
    "a job that runs in another project": (gitlab, PROTECTED, {"job_project_id": "21"}, Reason.FORK_REFUSED),
    "where it runs as a number": (gitlab, PROTECTED, {"job_project_id": 20}, Reason.CLAIM_TYPE),
    "a project moved elsewhere": (gitlab, PROTECTED, {"namespace_id": "73"}, Reason.OWNER_REFUSED),
    "a tag called main": (gitlab, PROTECTED, {"ref_path": "refs/tags/main"}, Reason.CLAIM_REFUSED),
    "a branch that nobody protects": (gitlab, PROTECTED, {"ref_protected": "false"}, Reason.CLAIM_REFUSED),
    "protection that is no text": (gitlab, PROTECTED, {"ref_protected": True}, Reason.CLAIM_TYPE),
    "another job of another issuer": (generic, elsewhere(), {"pipeline_uuid": "a-2"}, Reason.IDENTITY_UNKNOWN),
    "a pinned claim that is a list": (generic, elsewhere(branch="main"), {"branch": ["main"]}, Reason.CLAIM_TYPE),
    "a pinned claim that is not there": (generic, elsewhere(branch="**"), {}, Reason.CLAIM_MISSING),
}  # fmt: skip


@pytest.mark.parametrize(("ask", "pinned", "changes", "reason"), REFUSED.values(), ids=REFUSED)
def test_it_is_nobody(
    ask: Callable[..., PinnedIdentity], pinned: PinnedIdentity, changes: dict[str, Any], reason: Reason
) -> None:
    with pytest.raises(TokenRefused) as refused:
        ask(pinned, **changes)
    assert refused.value.reason is reason


def test_the_first_that_fits_is_the_one() -> None:
    nightly, release = on_github(role="nightly", ref="refs/heads/main"), on_github(role="release", ref="refs/tags/*")
    assert github(release, nightly) is nightly
    assert github(release, nightly, ref="refs/tags/v1") is release


def test_nobody_is_anybody_where_nothing_is_configured() -> None:
    with pytest.raises(TokenRefused, match="identity-unknown"):
        github()


def test_all_of_one_repository_have_one_name() -> None:
    assert on_github(role="nightly").name == RELEASE.name == "ci:github/456789"


def test_any_change_of_what_is_pinned_is_another_identity() -> None:
    digests = {each.digest for each in (RELEASE, on_github(), on_github(role="x"), on_github(events=frozenset("p")))}
    assert len(digests) == 4


def test_what_is_kept_is_about_the_run_and_short() -> None:
    values = gitlab_claims(ISSUER, sub="x" * 300, sha="a\nb")
    kept = kept_claims(told(values), GITLAB, PROTECTED)
    assert kept["ref_path"] == "refs/heads/main"
    assert kept["ref_protected"] == "true"
    assert kept["pipeline_id"] == "574"
    assert not {"sub", "sha", "user_email", "jti", "groups_direct"} & set(kept)


def test_what_is_kept_has_room_in_a_leaf_whatever_comes() -> None:
    values = github_claims(ISSUER, **{name: "\u00e9" * 250 for name in GITHUB.kept if name != "ref"})
    kept = kept_claims(told(values), GITHUB, on_github(ref="**"))
    assert kept["ref"] == "refs/heads/main"
    assert len(json.dumps(kept)) <= MAX_KEPT_BYTES
