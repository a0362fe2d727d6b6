"""The documents of records: canonical, bounded, and the same for the same facts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from signer.domain.leaves import MAX_MEMBER_BYTES, search_columns
from signer.domain.records import RecordType, SignatureEntry, record_leaf, seen_of
from signer.domain.requests import Checked, HeadSeen, ManifestSeen
from tests.artifacts import ArtifactBuilder
from tests.support.artifacts_seen import header
from tests.support.books import entry
from verifier import Limits, Manifest
from verifier.log.leaves import MAX_LEAF_BYTES, SignatureLeaf, parsed_leaf

AT = datetime(2030, 1, 2, tzinfo=UTC)
MANIFEST = Manifest.parse(ArtifactBuilder().manifest(), limits=Limits())


def seen(**changes: Any) -> dict[str, Any]:
    return dict(seen_of(HeadSeen(manifest=MANIFEST, header=header(**changes), findings=frozenset())))


class TestWhatWasSeen:
    FACTS = {"header_sha256": MANIFEST.header_digest, "artifact": "release-1", "devices": ["beaglebone"]}  # noqa: RUF012
    HEADERS: ClassVar[dict[str, tuple[dict[str, Any], dict[str, Any]]]] = {
        "a header": ({}, {**FACTS, "payload_types": ["rootfs-image"]}),
        "a group": ({"artifact_group": "qa"}, {**FACTS, "payload_types": ["rootfs-image"], "group": "qa"}),
        "no payload": ({"payload_types": (None,)}, {**FACTS, "payload_types": []}),
        "several devices keep their order": (
            {"device_types": ("z", "a", "ü")},
            {**FACTS, "payload_types": ["rootfs-image"], "devices": ["z", "a", "ü"]},
        ),
    }

    @pytest.mark.parametrize("sentence", HEADERS)
    def test_a_header_is_told(self, sentence: str) -> None:
        changes, facts = self.HEADERS[sentence]
        assert seen(**changes) == facts

    def test_a_manifest_alone_tells_nothing_of_an_artifact(self) -> None:
        assert seen_of(ManifestSeen(manifest=MANIFEST)) == {}

    LONG: ClassVar[dict[str, tuple[dict[str, Any], str]]] = {
        "a name": ({"artifact_name": "n" * MAX_MEMBER_BYTES}, "artifact"),
        "a name that is long only in JSON": ({"artifact_name": "\x01" * (MAX_MEMBER_BYTES // 2)}, "artifact"),
        "a name that is long only in bytes": ({"artifact_name": "ü" * (MAX_MEMBER_BYTES // 2 + 1)}, "artifact"),
        "a group": ({"artifact_group": "g" * (1 << 20)}, "group"),
        "many devices": ({"device_types": tuple(str(number) for number in range(100_000))}, "devices"),
        "payload types": ({"payload_types": ("t" * (1 << 20),)}, "payload_types"),
    }

    @pytest.mark.parametrize("sentence", LONG)
    def test_what_is_too_long_stands_as_its_digest(self, sentence: str) -> None:
        changes, name = self.LONG[sentence]
        facts = seen(**changes)
        assert name not in facts
        assert len(facts[f"{name}_sha256"]) == 64
        assert facts[f"{name}_bytes"] > MAX_MEMBER_BYTES


def document(sent: SignatureEntry, kind: RecordType, *, signature: bytes, at: datetime) -> bytes:
    leaf = record_leaf(sent, kind, signature=signature, signature_id=7, at=at)
    # What stands beside a leaf is what its bytes say.
    assert leaf.columns == search_columns(leaf.content)
    return leaf.content


class TestDocuments:
    def test_the_longest_fits_into_a_leaf(self) -> None:
        long = "\\" * (MAX_MEMBER_BYTES // 2 - 1)
        facts = seen(artifact_name=long, artifact_group=long, device_types=("d" * 2000,), payload_types=("p" * 2000,))
        assert {"artifact", "group", "devices", "payload_types"} <= set(facts)
        sent = entry(1, seen=facts, identity="i" * 200, signature=b"s" * 2732, checked=Checked.ARTIFACT)
        assert len(document(sent, RecordType.SIGNATURE, signature=sent.signature, at=AT)) < MAX_LEAF_BYTES

    def test_the_time_has_six_digits(self) -> None:
        sent = entry(1)
        leaf = SignatureLeaf.parse(document(sent, RecordType.SIGNATURE, signature=sent.signature, at=AT))
        assert leaf.time == "2030-01-02T00:00:00.000000Z"

    def test_a_repeated_answer_is_a_type_of_its_own(self) -> None:
        sent = entry(1)
        made = {kind: document(sent, kind, signature=b"on record", at=AT) for kind in RecordType}
        assert [parsed_leaf(each)["type"] for each in made.values()] == ["signature", "signature-repeated"]
        assert {parsed_leaf(each)["signature"] for each in made.values()} == {"on record"}

    def test_what_was_seen_is_no_way_to_another_member(self) -> None:
        sent = entry(1)
        forged = replace(sent, seen={"type": "log-created", "actor": "somebody", "v": 2})
        assert document(forged, RecordType.SIGNATURE, signature=b"s", at=AT) == document(
            sent, RecordType.SIGNATURE, signature=b"s", at=AT
        )
