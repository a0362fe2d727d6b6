"""What doctor says of the policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from sqlalchemy import Connection, delete, update

from signer.administration import administration
from signer.doctor.examination import Examination
from signer.doctor.policy import policy
from signer.services.policy_administration import PolicyProposal
from signer.storage.access_tables import policy_revisions
from signer.storage.database import Database
from tests.support.api_token_rows import add_api_token, revoke_api_token
from tests.support.clock import ManualClock
from tests.support.databases import Opener
from tests.support.tampering import without_triggers

BOSS = """version = 1
[[rules]]
name = "boss"
effect = "allow"
principals = ["api-token:boss"]
actions = ["administer"]
"""


@dataclass(frozen=True, slots=True)
class Patient:
    """An installation whose policy is looked at."""

    database: Database

    def said(self) -> list[str]:
        """Every finding."""
        looked_at = SimpleNamespace(
            usable_database=lambda: self.database,
            surroundings=SimpleNamespace(clock=ManualClock()),
            config=Path("/etc/signer.toml"),
            settings=SimpleNamespace(client_ca=(), ci_identity=()),
        )
        found = policy(cast("Examination", looked_at))
        return [f"{finding.severity.value}: {finding.sentence}" for finding in found]

    def change(self, by: Callable[[Connection], object]) -> None:
        """As whoever owns the database can do it."""
        with self.database.writing() as connection:
            without_triggers(connection)
            by(connection)


@pytest.fixture
def patient(open_database: Opener, clock: ManualClock) -> Patient:
    made = Patient(open_database())
    add_api_token(made.database, "boss", "administrator")
    return made


def apply(patient: Patient) -> None:
    proposal = PolicyProposal(text=BOSS, reason="x")
    administration(patient.database, ManualClock()).policies.apply(proposal, actor="api-token:boss")


def test_the_first_policy_is_broad(patient: Patient) -> None:
    (said,) = patient.said()
    assert said.startswith("warning: the policy is broad")


def test_another_one_is_in_order(patient: Patient) -> None:
    apply(patient)
    assert patient.said() == ["ok: the policy is at revision 2, applied by api-token:boss"]


def test_nobody_could_apply_the_next(patient: Patient) -> None:
    apply(patient)
    revoke_api_token(patient.database, "boss")
    assert patient.said()[1:] == ["warning: nobody on record could apply the next policy"]


WRONG: dict[str, tuple[Callable[[Connection], object], str]] = {
    "there is none": (lambda it: it.execute(delete(policy_revisions)), "failed: there is no policy"),
    "its text is another": (
        lambda it: it.execute(update(policy_revisions).values(text="version = 1\n")), "failed: the text of the policy",
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", WRONG)
def test_what_is_wrong_with_it_is_said(patient: Patient, sentence: str) -> None:
    change, says = WRONG[sentence]
    patient.change(change)
    (said,) = patient.said()
    assert said.startswith(says)


def test_a_policy_of_a_later_release_has_failed(patient: Patient) -> None:
    from signer.storage.policy_store import text_digest

    later = "version = 2\n"
    patient.change(lambda it: it.execute(update(policy_revisions).values(text=later, sha256=text_digest(later))))
    (said,) = patient.said()
    assert said.startswith("failed: this release cannot use the policy in force")
