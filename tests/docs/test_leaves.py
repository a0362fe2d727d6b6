"""docs/api/leaves.md against the leaves: every type, and every member of a signature's."""

from __future__ import annotations

import dataclasses

from signer.artifacts import Form, UploadReader
from signer.domain.access.emergencies import Emergency
from signer.domain.access.versions import Order
from signer.domain.floors import VersionClaim
from signer.domain.leaves import AccessChange, LeafDraft, LogEvent
from signer.domain.records import Approved, RecordType, record_leaf, seen_of
from signer.domain.refusals import RefusedCall
from signer.domain.requests import HeadSeen
from signer.domain.token_records import token_leaf
from tests.artifacts import ArtifactBuilder
from tests.docs.pages import quoted, section
from tests.support.books import entry
from tests.support.issued_tokens import token_entry
from tests.support.memory_log import moment
from verifier import Limits
from verifier.log import parsed_leaf

PAGE = "api/leaves.md"
DRAFT = LeafDraft(type=LogEvent.ACCESS_CHANGED, actor="tests", members={})
ACCESS = AccessChange(revision=1, before="0" * 64, after="1" * 64)


def listed(heading: str, column: str) -> list[str]:
    return [name for row in section(PAGE, heading).table(column).rows for name in quoted(row[0])]


def test_every_type_that_is_no_event_is_documented_and_no_other() -> None:
    assert listed("Types", "type") == [kind.value for kind in LogEvent]


def test_the_members_of_every_leaf_are_documented() -> None:
    assert set(listed("Leaves", "member")) == set(parsed_leaf(DRAFT.leaf(at=moment(1)).content))


def test_the_members_of_a_change_of_access_are_documented() -> None:
    leaf = dataclasses.replace(DRAFT, access=ACCESS).leaf(at=moment(1))
    assert set(listed("Leaves", "access")) == set(parsed_leaf(leaf.content)) - set(listed("Leaves", "member"))


def test_the_members_of_a_refusal_are_documented() -> None:
    refused = RefusedCall(identity="a", key="k", reason="no", request_id="1", manifest_sha256="0" * 64)
    leaf = refused.draft(suppressed=1).leaf(at=moment(1))
    assert set(listed("Refusals", "refusal")) == set(parsed_leaf(leaf.content)) - set(listed("Leaves", "member"))


def test_the_members_of_a_signature_are_documented() -> None:
    upload = UploadReader(form=Form.ARTIFACT, limits=Limits(), head_bytes=1 << 20, replace=True)
    upload.feed(ArtifactBuilder().build())
    assert upload.header is not None
    header = dataclasses.replace(upload.header, artifact_group="beta")
    claim = VersionClaim(order=Order.NUMERIC, version="1", max_step=None, places=(("board", "rootfs"),))
    seen = seen_of(HeadSeen(manifest=upload.manifest, header=header, findings=frozenset())) | {"dialect": "vault"}
    approved = Approved(id="0" * 32, expires_at=moment(9))
    urgent = Emergency(person="ada", reason="a fire")
    sent = entry(1, seen=seen, claim=claim, approval=approved, emergency=urgent)
    leaf = record_leaf(sent, RecordType.SIGNATURE, signature=sent.signature, signature_id=0, at=moment(1))
    assert set(listed("Signatures", "member")) == set(parsed_leaf(leaf.content)) - set(listed("Leaves", "member"))


def test_the_members_of_an_issued_token_are_documented() -> None:
    leaf = token_leaf(token_entry(), at=moment(1))
    assert set(listed("Tokens", "token")) == set(parsed_leaf(leaf.content)) - set(listed("Leaves", "member"))
