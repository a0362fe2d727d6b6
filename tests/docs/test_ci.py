"""docs/operations/ci.md against the code: every reason of a refusal, and the runs that are taken by default."""

from __future__ import annotations

from signer.auth.ci.refusals import Reason
from signer.domain.ci import PROFILES
from tests.docs.pages import quoted, section

PAGE = "operations/ci.md"


def test_every_reason_is_documented_and_every_documented_reason_exists() -> None:
    rows = section(PAGE, "When a token is refused").table("reason").rows
    assert [quoted(row[0])[0] for row in rows] == [reason.value for reason in Reason]


def test_what_may_cause_a_run_is_the_real_list() -> None:
    rows = section(PAGE, "What may cause a run").table("kind").records()
    told = {quoted(row["kind"])[0]: (quoted(row["claim"])[0], quoted(row["taken"])) for row in rows}
    assert told == {kind.value: (profile.event_claim, sorted(profile.events)) for kind, profile in PROFILES.items()}
