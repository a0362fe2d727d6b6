"""What somebody does who can write the database, and what the recorder finds it to be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, insert, select, text, update

from signer.domain.leaves import LeafDraft, LogEvent
from signer.errors import AccessTampered, LogDamaged, LogForked, LogRolledBack, SignerError
from signer.storage.access import access_digest
from signer.storage.log_append import append, lock_head
from signer.storage.tables import api_tokens, log_head, log_leaves, versions
from tests.support.clock import START
from tests.support.planting import (
    plant_a_group,
    plant_a_member,
    plant_a_person,
    plant_a_policy,
    plant_an_approval,
    plant_an_identity,
    put_an_older_policy_back,
    rewrite_a_policy,
)
from verifier.log import Frontier, leaf_hash


def without_triggers(connection: Connection) -> None:
    """As whoever owns the database can do it."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        return
    for name in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all():
        connection.execute(text(f"DROP TRIGGER {name}"))


def take_the_last_leaf_away(connection: Connection) -> None:
    leaves = leaves_of(connection)
    connection.execute(text("DELETE FROM log_leaves WHERE id = :last"), {"last": len(leaves) - 1})
    rewrite_head(connection, Frontier().extended(map(leaf_hash, leaves[:-1])))


def rewrite_head(connection: Connection, frontier: Frontier) -> None:
    """Let the head be that of other leaves, consistently."""
    changes = {"size": frontier.size, "root": frontier.root, "frontier": b"".join(frontier.hashes)}
    connection.execute(update(log_head).values(changes))


def leaves_of(connection: Connection) -> list[bytes]:
    """All leaves."""
    return [bytes(leaf) for leaf in connection.execute(select(log_leaves.c.leaf).order_by(log_leaves.c.id)).scalars()]


def plant_a_token(connection: Connection) -> None:
    row = {"id": "0" * 16, "name": "planted", "role": "signer", "secret_sha256": bytes(32), "created_at": START}
    connection.execute(insert(api_tokens).values(row))


def raise_a_limit(connection: Connection) -> None:
    connection.execute(update(versions).values(signature_limit=1_000_000))


def put_an_old_state_back(connection: Connection) -> None:
    connection.execute(update(versions).values(state="disabled"))


def set_the_digest(connection: Connection) -> None:
    connection.execute(update(log_head).values(access_sha256="0" * 64))


def plant_and_set_the_digest(connection: Connection) -> None:
    plant_a_token(connection)
    connection.execute(update(log_head).values(access_sha256=access_digest(connection)))


def rewrite_the_last_leaf(connection: Connection) -> None:
    *before, last = leaves_of(connection)
    other = last.replace(b'"actor":"', b'"actor":"x')
    changed = {"leaf": other, "hash": leaf_hash(other)}
    connection.execute(update(log_leaves).where(log_leaves.c.id == len(before)).values(changed))
    rewrite_head(connection, Frontier().extended(map(leaf_hash, [*before, other])))


def rewrite_the_first_leaf(connection: Connection) -> None:
    first, *after = leaves_of(connection)
    other = first.replace(b'"actor":"', b'"actor":"x')
    connection.execute(update(log_leaves).where(log_leaves.c.id == 0).values({"leaf": other, "hash": leaf_hash(other)}))
    rewrite_head(connection, Frontier().extended(map(leaf_hash, [other, *after])))


def rewrite_and_append(connection: Connection) -> None:
    rewrite_the_first_leaf(connection)
    head = lock_head(connection)
    append(connection, head, [LeafDraft(type=LogEvent.LOG_KEY_CHANGED, actor="x", members={}).leaf(at=START)])


def move_the_root_alone(connection: Connection) -> None:
    connection.execute(update(log_head).values(root=bytes(32)))


def move_the_frontier_alone(connection: Connection) -> None:
    hashes = bytes(connection.execute(select(log_head.c.frontier)).scalar_one())
    connection.execute(update(log_head).values(frontier=bytes(len(hashes))))


def claim_a_leaf_that_is_not_there(connection: Connection) -> None:
    rewrite_head(connection, lock_head(connection).frontier.extended([bytes(32)]))


def append_a_leaf_of_the_past(connection: Connection) -> None:
    draft = LeafDraft(type=LogEvent.LOG_KEY_CHANGED, actor="x", members={})
    append(connection, lock_head(connection), [draft.leaf(at=START - timedelta(days=9000))])


def append_a_change_of_another_state(connection: Connection) -> None:
    members = {"access_revision": 99, "access_before": "0" * 64, "access_sha256": "1" * 64}
    draft = LeafDraft(type=LogEvent.LOG_KEY_CHANGED, actor="x", members=members)
    append(connection, lock_head(connection), [draft.leaf(at=START)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Tampering:
    """What somebody does to the database, and what it is found to be."""

    change: Callable[[Connection], None]
    found: type[SignerError]


TAMPERINGS = {
    "an API token is planted": Tampering(change=plant_a_token, found=AccessTampered),
    "an API token is planted and the digest fits": Tampering(change=plant_and_set_the_digest, found=AccessTampered),
    "a policy is planted": Tampering(change=plant_a_policy, found=AccessTampered),
    "an older policy is put back": Tampering(change=put_an_older_policy_back, found=AccessTampered),
    "a policy is another": Tampering(change=rewrite_a_policy, found=AccessTampered),
    "a person is planted": Tampering(change=plant_a_person, found=AccessTampered),
    "a group is planted": Tampering(change=plant_a_group, found=AccessTampered),
    "a member is planted in a group": Tampering(change=plant_a_member, found=AccessTampered),
    "an identity is given to somebody": Tampering(change=plant_an_identity, found=AccessTampered),
    "an approval is planted, with votes": Tampering(change=plant_an_approval, found=AccessTampered),
    "a limit is raised": Tampering(change=raise_a_limit, found=AccessTampered),
    "a state is put back": Tampering(change=put_an_old_state_back, found=AccessTampered),
    "the digest is changed": Tampering(change=set_the_digest, found=AccessTampered),
    "the last leaf is taken away, consistently": Tampering(change=take_the_last_leaf_away, found=LogRolledBack),
    "the last leaf is rewritten, consistently": Tampering(change=rewrite_the_last_leaf, found=LogForked),
    "the first leaf is rewritten, consistently": Tampering(change=rewrite_the_first_leaf, found=LogForked),
    "a leaf is rewritten and the log goes on": Tampering(change=rewrite_and_append, found=LogForked),
    "the root is changed": Tampering(change=move_the_root_alone, found=LogForked),
    "the frontier is changed": Tampering(change=move_the_frontier_alone, found=LogDamaged),
    "a leaf is claimed that is not there": Tampering(change=claim_a_leaf_that_is_not_there, found=LogDamaged),
    "a leaf of the past is appended": Tampering(change=append_a_leaf_of_the_past, found=LogDamaged),
    "a change of another state is appended": Tampering(change=append_a_change_of_another_state, found=LogDamaged),
}
