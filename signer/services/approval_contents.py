"""All that people approve by: what is in an artifact, and what differs from the one that was signed before it.

1. An artifact is shown from the head that was kept, read with every check, and only where it has the digest that waits.
2. Scripts are shown in full, as far as they are short enough, and always by their digests.
3. What is compared is the newest artifact of the same key, for one of the same device types, that is on record and
   whose head is kept still.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from signer.domain.approvals import Proposal, ProposalKind
from signer.domain.leaves import LogEvent
from signer.services.approval_ports import ApprovalStore
from signer.services.ports import LeafQuery, LogReader
from verifier import Header, Limits, Manifest, VerificationError, read_head

# Of all scripts of an artifact together; of longer ones the digests alone are shown.
MAX_SCRIPT_BYTES = 1 << 20
_BEGINS_AN_ARTIFACT = b"version\0"
_COMPARED = ("name", "group", "device_types", "payload_types", "provides", "depends", "clears_provides")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """What was kept of an artifact, checked. ``scripts``: their contents by name, in stored order."""

    manifest: Manifest
    header: Header | None
    scripts: Mapping[str, bytes]


class ApprovalContents:
    """Safe for threads."""

    def __init__(self, *, store: ApprovalStore, reader: LogReader, limits: Limits) -> None:
        self._store = store
        self._reader = reader
        self._limits = limits

    def of(self, proposal: Proposal) -> dict[str, Any]:
        """What is in it; raises ``ApprovalNotFound`` where it was forgotten meanwhile."""
        told: dict[str, Any] = json.loads(self._store.document(proposal.id))
        if proposal.subject.kind is not ProposalKind.SIGNATURE:
            return told
        kept = self._kept(proposal.subject.sha256)
        if kept is None:
            return {**told, "shown": False}
        return {
            "shown": True,
            "checked": told.get("checked"),
            **_artifact(kept, told.get("sizes") or {}),
            "difference": self._difference(proposal, kept),
        }

    def _kept(self, manifest_sha256: str) -> _Kept | None:
        content = self._store.content(manifest_sha256)
        if content is None:
            return None
        try:
            found = self._read(content)
        except VerificationError:
            return None
        return found if found.manifest.sha256 == manifest_sha256 else None

    def _read(self, content: bytes) -> _Kept:
        if not content.startswith(_BEGINS_AN_ARTIFACT):
            return _Kept(manifest=Manifest.parse(content, limits=self._limits), header=None, scripts={})
        scripts: dict[str, bytes] = {}
        head = read_head(content, limits=self._limits, on_script=scripts.__setitem__)
        return _Kept(manifest=head.manifest, header=head.header, scripts=scripts)

    def _difference(self, proposal: Proposal, kept: _Kept) -> dict[str, Any] | None:
        before = self._signed_before(proposal, kept)
        if before is None:
            return None
        index, found = before
        old, new = (_flat(_artifact(each, {})) for each in (found, kept))
        changes = [
            {"member": name, "before": old.get(name), "after": new.get(name)}
            for name in sorted(old.keys() | new.keys())
            if old.get(name) != new.get(name)
        ]
        return {"log_index": index, "manifest_sha256": found.manifest.sha256, "changes": changes}

    def _signed_before(self, proposal: Proposal, kept: _Kept) -> tuple[int, _Kept] | None:
        key, header = proposal.subject.key, kept.header
        if key is None or header is None:
            return None
        signed = [
            (index, digest)
            for digest in self._store.kept_of(key)
            if digest != proposal.subject.sha256 and (index := self._signed_at(key, digest)) is not None
        ]
        for index, digest in sorted(signed, reverse=True):
            found = self._kept(digest)
            if found is not None and found.header is not None and _for_the_same(found.header, header):
                return index, found
        return None

    def _signed_at(self, key: str, manifest_sha256: str) -> int | None:
        query = LeafQuery(first=0, limit=1, types=(LogEvent.SIGNATURE.value,), key=key, manifest_sha256=manifest_sha256)
        return next((entry.index for entry in self._reader.find(query)), None)


def _for_the_same(one: Header, other: Header) -> bool:
    return not set(one.device_types).isdisjoint(other.device_types)


def _artifact(kept: _Kept, sizes: Mapping[str, int]) -> dict[str, Any]:
    files = [
        {"name": entry.name, "sha256": entry.sha256, **({"size": sizes[entry.name]} if entry.name in sizes else {})}
        for entry in kept.manifest.payloads
    ]
    header = kept.header
    if header is None:
        return {"files": files}
    room = sum(map(len, kept.scripts.values())) <= MAX_SCRIPT_BYTES
    return {
        "name": header.artifact_name,
        "group": header.artifact_group,
        "device_types": list(header.device_types),
        "payload_types": list(header.payload_types),
        "provides": dict(header.provides),
        "depends": dict(header.depends),
        "clears_provides": list(header.clears_provides),
        "files": files,
        "scripts": [_script(name, content, whole=room) for name, content in kept.scripts.items()],
    }


def _script(name: str, content: bytes, *, whole: bool) -> dict[str, Any]:
    facts: dict[str, Any] = {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    try:
        return {**facts, "text": content.decode("utf-8")} if whole else facts
    except UnicodeDecodeError:
        # A program: its digest says which.
        return facts


def _flat(artifact: Mapping[str, Any]) -> dict[str, Any]:
    """What is compared: each file and each script by itself."""
    found = {name: artifact[name] for name in _COMPARED if name in artifact}
    found |= {f"file {each['name']}": each["sha256"] for each in artifact["files"]}
    return found | {f"script {each['name']}": each["sha256"] for each in artifact.get("scripts", ())}
