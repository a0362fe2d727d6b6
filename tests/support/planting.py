"""What whoever can write the database writes of who may do what, without a leaf that tells of it."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from sqlalchemy import Connection, delete, insert, update

from signer.storage.access_tables import group_members, groups, identity_people, people, policy_revisions
from signer.storage.approval_tables import proposals, votes
from tests.support.clock import START


def plant_a_policy(connection: Connection) -> None:
    """One that allows nothing."""
    text_, digest = "version = 1\n", hashlib.sha256(b"version = 1\n").hexdigest()
    row = {"revision": 2, "text": text_, "sha256": digest, "applied_at": START, "actor": "x", "reason": ""}
    connection.execute(insert(policy_revisions).values(**row, break_glass=False))


def put_an_older_policy_back(connection: Connection) -> None:
    """The newest is gone."""
    connection.execute(delete(policy_revisions))


def rewrite_a_policy(connection: Connection) -> None:
    connection.execute(update(policy_revisions).values(sha256="0" * 64))


def plant_a_person(connection: Connection) -> None:
    connection.execute(insert(people).values(name="eve", display="Eve", created_at=START))


def plant_a_group(connection: Connection) -> None:
    connection.execute(insert(groups).values(name="qa", created_at=START))


def plant_a_member(connection: Connection) -> None:
    plant_a_group(connection)
    connection.execute(insert(group_members).values(group_name="qa", member="api-token:pipeline"))


def plant_an_identity(connection: Connection) -> None:
    plant_a_person(connection)
    connection.execute(insert(identity_people).values(identity="api-token:pipeline", person="eve"))


def plant_an_approval(connection: Connection) -> None:
    """Of a signature, by two people."""
    row = {
        "id": "0" * 32,
        "lookup": "0" * 64,
        "kind": "signature",
        "name": "firmware",
        "key": "firmware",
        "key_version": 1,
        "sha256": "0" * 64,
        "rule": "release",
        "rule_sha256": "0" * 64,
        "demands": [{"group": "qa", "count": 1}],
        "requester": "api-token:pipeline",
        "created_at": START,
        "expires_at": START + timedelta(days=999),
        "document": "{}",
        "document_sha256": "0" * 64,
    }
    connection.execute(insert(proposals).values(row))
    for person in ("eve", "mallory"):
        vote = {"proposal": "0" * 32, "person": person, "identity": f"mtls:corp:{person}", "reason": "", "at": START}
        connection.execute(insert(votes).values(**vote, ballot="approve"))
