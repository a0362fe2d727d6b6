"""The command's report for programs: one JSON document, described in ``docs/verifier.md``."""

from __future__ import annotations

import enum
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from verifier.command.outcome import Outcome
from verifier.errors import KeyLoadError, LogError, VerificationError
from verifier.evidence import Evidence, Inspection
from verifier.findings import Finding
from verifier.keys import TrustStore, VerificationKey
from verifier.wording import explain, explain_finding

SCHEMA = 1
"""Grows when a field changes its meaning or goes away; new fields do not change it."""


def report(outcomes: Sequence[Outcome], *, trust: TrustStore | None, exit_code: int) -> None:
    """Write the document about ``outcomes``."""
    _write(
        {
            "schema": SCHEMA,
            "exit_code": int(exit_code),
            "keys": [] if trust is None else [_key(key) for key in trust.keys],
            "artifacts": [_artifact(outcome) for outcome in outcomes],
            "error": None,
        }
    )


def report_usage(error: KeyLoadError | LogError, *, exit_code: int) -> None:
    """Write the document for a command that could not begin."""
    _write(
        {"schema": SCHEMA, "exit_code": int(exit_code), "keys": [], "artifacts": [], "error": _error(error)},
    )


def _write(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


def _artifact(outcome: Outcome) -> dict[str, Any]:
    result = outcome.result
    begin = {"path": outcome.path, "status": outcome.status.value}
    if isinstance(result, VerificationError):
        return {**begin, "error": _error(result)}
    if isinstance(result, OSError):
        reason = result.strerror or str(result)
        return {**begin, "error": {"code": "unreadable", "facts": {}, "sentence": reason, "hint": None}}
    return {
        **begin,
        "error": None,
        "signature": _signature(result),
        "log": _log(result),
        "name": result.header.artifact_name,
        "group": result.header.artifact_group,
        "device_types": result.header.device_types,
        "depends_artifact_names": result.header.depends_artifact_names,
        "depends_artifact_groups": result.header.depends_artifact_groups,
        "payload_type": result.header.payload_type,
        "provides": dict(result.header.provides),
        "depends": dict(result.header.depends),
        "clears_provides": result.header.clears_provides,
        "scripts": result.header.scripts,
        "meta_data": result.header.meta_data,
        "payloads": [
            {"name": payload.name, "size": payload.size, "sha256": payload.sha256} for payload in result.payloads
        ],
        "payload_compression": result.payload_compression.label,
        "header": {"name": result.manifest.header_name, "sha256": result.manifest.header_digest},
        "manifest_sha256": result.manifest.sha256,
        "size": result.size,
        "findings": [_finding(finding) for finding in result.findings],
    }


def _signature(result: Evidence | Inspection) -> dict[str, Any]:
    if isinstance(result, Inspection):
        return {"checked": False, "present": result.has_signature, "key": None, "encoding": None}
    return {
        "checked": True,
        "present": True,
        "key": _key(result.key),
        "encoding": result.signature_encoding.value,
    }


def _log(result: Evidence | Inspection) -> dict[str, Any] | None:
    if isinstance(result, Inspection) or result.log is None:
        return None
    log, leaf = result.log, result.log.leaf
    return {
        "origin": log.checkpoint.origin,
        "index": log.index,
        "size": log.checkpoint.size,
        "witnesses": log.witnesses,
        "time": leaf.time,
        "actor": leaf.actor,
        "rule": leaf.rule,
        "checked": leaf.checked,
        "key": leaf.key,
        "key_version": leaf.key_version,
        "emergency": {"person": leaf.person, "reason": leaf.reason} if leaf.emergency else None,
    }


def _key(key: VerificationKey) -> dict[str, Any]:
    return {
        "fingerprint": key.fingerprint,
        "algorithm": key.algorithm.value,
        "bits": key.bits,
        "source": key.source,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    explanation = explain_finding(finding)
    return {
        "code": finding.code.value,
        "subject": finding.subject,
        "value": finding.value,
        "sentence": explanation.sentence,
        "hint": explanation.hint,
    }


def _error(error: VerificationError) -> dict[str, Any]:
    explanation = explain(error)
    return {
        "code": error.code,
        "facts": _plain(error.facts),
        "sentence": explanation.sentence,
        "hint": explanation.hint,
    }


def _plain(value: Any) -> Any:
    """``value`` in JSON's types; findings as in the list of findings."""
    if isinstance(value, Finding):
        return _finding(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
