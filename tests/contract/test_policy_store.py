"""Policies as they are kept: only added, each told by a leaf, and none believed whose text is not what was applied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from sqlalchemy import Connection, delete, text, update
from sqlalchemy.exc import DBAPIError

from signer.domain.access.presets import ROLES_TEXT
from signer.domain.policy_events import applied_event
from signer.errors import (
    AccessTampered,
    PolicyChanged,
    PolicyMissing,
    PolicyRevisionNotFound,
    PolicyTampered,
    SignerError,
)
from signer.services.access_ports import NewPolicy
from signer.storage.access import access_revision
from signer.storage.access_tables import policy_revisions
from signer.storage.database import Database
from signer.storage.first_policy import first_policy
from signer.storage.log_reader import SqlLogReader
from signer.storage.policy_store import SqlPolicyStore, text_digest
from tests.support.clock import START, ManualClock
from tests.support.databases import Opener
from tests.support.tampering import without_triggers
from verifier.log import parsed_leaf

OTHER = 'version = 1\n[[rules]]\nname = "nobody"\neffect = "deny"\nprincipals = ["role:reader"]\nactions = ["read"]\n'


@dataclass(frozen=True, slots=True)
class Kept:
    """A database and its policies."""

    database: Database
    store: SqlPolicyStore

    def apply(self, content: str = OTHER, *, expected: int = 1, break_glass: bool = False) -> int:
        """The revision that it becomes."""
        policy = NewPolicy(
            text=content, sha256=text_digest(content), expected=expected, actor="api-token:admin",
            reason="a reason", break_glass=break_glass,
        )  # fmt: skip
        event = applied_event(
            revision=expected + 1, text=content, sha256=policy.sha256, rules=1, actor=policy.actor,
            reason=policy.reason, break_glass=break_glass,
        )  # fmt: skip
        return self.store.apply(policy, event).revision

    def leaves(self) -> list[dict[str, object]]:
        """All of them."""
        reader = SqlLogReader(database=self.database)
        return [dict(parsed_leaf(leaf)) for leaf in reader.leaves(0, reader.head().size)]

    def change(self, by: Callable[[Connection], object]) -> None:
        """As whoever owns the database can do it."""
        with self.database.writing() as connection:
            without_triggers(connection)
            by(connection)


@pytest.fixture
def kept(open_database: Opener, clock: ManualClock) -> Kept:
    database = open_database()
    return Kept(database, SqlPolicyStore(database=database, clock=clock))


def test_a_new_database_has_the_roles_as_its_first_policy(kept: Kept) -> None:
    first = kept.store.current()
    assert (first.revision, first.text, first.break_glass) == (1, ROLES_TEXT, False)
    assert first.sha256 == text_digest(ROLES_TEXT)


def test_what_was_applied_last_is_in_force_and_all_are_kept(kept: Kept) -> None:
    assert kept.apply() == 2
    assert kept.apply(ROLES_TEXT, expected=2, break_glass=True) == 3
    assert [(each.revision, each.text) for each in kept.store.revisions()] == [
        (1, ROLES_TEXT), (2, OTHER), (3, ROLES_TEXT),
    ]  # fmt: skip
    current = kept.store.current()
    assert (current.revision, current.actor, current.break_glass) == (
        3, "api-token:admin", True,
    )  # fmt: skip
    assert kept.store.revision(2).text == OTHER


def test_the_revision_of_access_moves_with_it(kept: Kept) -> None:
    with kept.database.reading() as connection:
        before = access_revision(connection)
    kept.apply()
    with kept.database.reading() as connection:
        assert access_revision(connection) == before + 1


def test_its_leaf_says_who_why_and_what(kept: Kept) -> None:
    kept.apply()
    leaf = kept.leaves()[-1]
    assert (leaf["type"], leaf["actor"], leaf["before"]) == ("policy-applied", "api-token:admin", {"revision": 1})
    assert leaf["after"] == {
        "revision": 2, "sha256": text_digest(OTHER), "bytes": len(OTHER), "rules": 1, "reason": "a reason",
        "text": OTHER,
    }  # fmt: skip
    assert leaf["access_sha256"] != leaf["access_before"]


def test_a_text_that_is_too_long_for_a_leaf_stands_there_as_its_digest(kept: Kept) -> None:
    long = OTHER + "# \u20ac\n" * 400
    kept.apply(long)
    after = kept.leaves()[-1]["after"]
    assert isinstance(after, dict)
    assert after == {
        "revision": 2, "sha256": text_digest(long), "bytes": len(long.encode()), "rules": 1, "reason": "a reason",
    }  # fmt: skip


def test_breaking_the_glass_is_in_the_leaf(kept: Kept) -> None:
    kept.apply(break_glass=True)
    after = kept.leaves()[-1]["after"]
    assert isinstance(after, dict)
    assert after["break_glass"] is True


def _append_one(connection: Connection) -> None:
    row = {
        "revision": 2, "text": OTHER, "sha256": text_digest(OTHER), "applied_at": START, "actor": "x", "reason": "",
        "break_glass": False,
    }  # fmt: skip
    connection.execute(policy_revisions.insert().values(row))


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """What is done to the table, what is asked then, and what is answered."""

    change: Callable[[Connection], object] = lambda _: None
    ask: Callable[[Kept], object]
    error: type[SignerError]


NEWER = policy_revisions.c.revision > 1
REFUSED = {
    "a policy that was made for an older one": Refused(ask=lambda it: it.apply(expected=0), error=PolicyChanged),
    "a policy that was made for one that is to come": Refused(ask=lambda it: it.apply(expected=2), error=PolicyChanged),
    "a revision that there is not yet": Refused(ask=lambda it: it.store.revision(2), error=PolicyRevisionNotFound),
    "a revision before the first": Refused(ask=lambda it: it.store.revision(0), error=PolicyRevisionNotFound),
    "the policy of a database that holds none": Refused(
        change=lambda it: it.execute(delete(policy_revisions)), ask=lambda it: it.store.current(), error=PolicyMissing
    ),
    "a revision of a database that holds none": Refused(
        change=lambda it: it.execute(delete(policy_revisions)), ask=lambda it: it.store.revision(1), error=PolicyMissing
    ),
    "a text that was changed": Refused(
        change=lambda it: it.execute(update(policy_revisions).values(text=ROLES_TEXT + "\n")),
        ask=lambda it: it.store.current(),
        error=PolicyTampered,
    ),
    "a text that was changed, in the list": Refused(
        change=lambda it: it.execute(update(policy_revisions).values(text=OTHER)),
        ask=lambda it: it.store.revisions(),
        error=PolicyTampered,
    ),
    "a digest that was changed": Refused(
        change=lambda it: it.execute(update(policy_revisions).values(sha256="0" * 64)),
        ask=lambda it: it.store.revision(1),
        error=PolicyTampered,
    ),
    "a change over a planted policy": Refused(
        change=_append_one, ask=lambda it: it.apply(expected=2), error=AccessTampered
    ),
    "a change over one whose reason was changed": Refused(
        change=lambda it: it.execute(update(policy_revisions).values(reason="another")),
        ask=lambda it: it.apply(),
        error=AccessTampered,
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", REFUSED)
def test_it_is_refused(kept: Kept, sentence: str) -> None:
    row = REFUSED[sentence]
    kept.change(row.change)
    size = len(kept.leaves())
    with pytest.raises(row.error):
        row.ask(kept)
    assert len(kept.leaves()) == size


@pytest.mark.parametrize(
    "statement", ["UPDATE policy_revisions SET reason = 'x'", "DELETE FROM policy_revisions"]
)  # fmt: skip
def test_the_database_itself_keeps_them_as_they_are(kept: Kept, statement: str) -> None:
    with pytest.raises(DBAPIError), kept.database.writing() as connection:
        connection.execute(text(statement))
    assert kept.store.current().revision == 1


def test_the_first_one_is_written_once(kept: Kept, clock: ManualClock) -> None:
    size = len(kept.leaves())
    kept.database.upgrade(then=first_policy(clock))
    assert (len(kept.leaves()), kept.store.current().revision) == (size, 1)


def test_an_upgrade_of_what_was_planted_in_is_refused_whole(kept: Kept, clock: ManualClock) -> None:
    kept.change(lambda it: it.execute(delete(policy_revisions)))
    with pytest.raises(AccessTampered):
        kept.database.upgrade(then=first_policy(clock))
    with pytest.raises(PolicyMissing):
        kept.store.current()
