"""The command's report for people."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from verifier._visible import visible
from verifier.command.outcome import PROGRAM, Outcome, Status
from verifier.errors import VerificationError
from verifier.evidence import Evidence, Inspection
from verifier.findings import Finding
from verifier.keys import KeyAlgorithm, VerificationKey

if TYPE_CHECKING:
    from verifier.log import LogEvidence

_LABEL_COLUMNS = 11
_LIST_LIMIT = 20
_VERDICTS = {
    Status.VALID: "valid",
    Status.INSPECTED: "SIGNATURE NOT CHECKED",
    Status.REFUSED: "not valid",
    Status.UNREADABLE: "cannot be read",
}


def report(outcome: Outcome) -> None:
    """Write what became of one artifact: a result to standard output, a refusal to standard error."""
    result = outcome.result
    about = f"{visible(outcome.path)}: {_VERDICTS[outcome.status]}"
    if isinstance(result, VerificationError):
        complain(result, about=f"{about}: ")
    elif isinstance(result, OSError):
        _complain(f"{about}: {visible(result.strerror or str(result))}", hint=None)
    else:
        sys.stdout.write(f"{about}\n")
        for label, text in _lines(result):
            sys.stdout.write(f"  {label:<{_LABEL_COLUMNS}}{text}\n")
        # What is said to standard error about a later artifact must come after this.
        sys.stdout.flush()


def complain(error: VerificationError, *, about: str = "") -> None:
    """Write a refusal, and what can be done about it, to standard error."""
    from verifier.wording import explain

    explanation = explain(error)
    _complain(about + explanation.sentence, hint=explanation.hint)


def key_name(key: VerificationKey) -> str:
    """The algorithm with its size, for example ``rsa-3072``."""
    return f"rsa-{key.bits}" if key.algorithm is KeyAlgorithm.RSA else key.algorithm.value


def _complain(text: str, *, hint: str | None) -> None:
    sys.stderr.write(f"{PROGRAM}: {text}\n")
    if hint is not None:
        sys.stderr.write(f"hint: {hint}\n")


def _lines(result: Evidence | Inspection) -> Iterator[tuple[str, str]]:
    header = result.header
    group = f" (group {visible(header.artifact_group)})" if header.artifact_group else ""
    yield "artifact", visible(header.artifact_name) + group
    yield "devices", _listed(header.device_types)
    yield from _signature_lines(result)
    yield "manifest", f"sha256 {result.manifest.sha256}"
    kind = "none" if header.payload_type is None else visible(header.payload_type)
    yield "payload", f"{kind}, compression {result.payload_compression.label}"
    for payload in result.payloads:
        yield "", f"{visible(payload.name)}, {payload.size} bytes, sha256 {payload.sha256}"
    for label, texts in (
        ("scripts", header.scripts),
        ("provides", tuple(f"{key}={value}" for key, value in header.provides.items())),
        ("depends", _depends(result)),
        ("clears", header.clears_provides),
    ):
        if texts:
            yield label, _listed(texts)
    for finding in result.findings:
        yield from _finding_lines(finding)


def _signature_lines(result: Evidence | Inspection) -> Iterator[tuple[str, str]]:
    if isinstance(result, Inspection):
        presence = "there is one" if result.has_signature else "there is none"
        yield "signature", f"{presence}; it was not checked, and anyone can have made this artifact"
        return
    yield "signed by", f"{key_name(result.key)}, sha256 {result.key.fingerprint}"
    if result.key.source is not None:
        yield "", visible(result.key.source)
    if result.log is not None:
        yield from _log_lines(result.log)


def _log_lines(log: LogEvidence) -> Iterator[tuple[str, str]]:
    leaf = log.leaf
    yield (
        "on record",
        f"{visible(leaf.time)}, record {log.index} of {log.checkpoint.size} in {visible(log.checkpoint.origin)}",
    )
    rule = "" if leaf.rule is None else f" by the rule {visible(leaf.rule)}"
    yield "", f"asked for by {visible(leaf.actor)}{rule}; seen: {visible(leaf.checked)}"
    if leaf.emergency:
        who, why = visible(leaf.person or leaf.actor), visible(leaf.reason or "no reason")
        yield "", f"in an emergency, past its approvals, by {who}: {why}"
    if log.witnesses:
        yield "", f"witnessed by {_listed(log.witnesses)}"


def _depends(result: Evidence | Inspection) -> tuple[str, ...]:
    header = result.header
    return (
        *(f"artifact_name={name}" for name in header.depends_artifact_names),
        *(f"artifact_group={name}" for name in header.depends_artifact_groups),
        *(f"{key}={value}" for key, value in header.depends.items()),
    )


def _finding_lines(finding: Finding) -> Iterator[tuple[str, str]]:
    from verifier.wording import explain_finding

    explanation = explain_finding(finding)
    yield "finding", f"{finding.code.value}: {explanation.sentence}"
    if explanation.hint is not None:
        yield "", f"hint: {explanation.hint}"


def _listed(texts: tuple[str, ...]) -> str:
    shown = ", ".join(visible(text) for text in texts[:_LIST_LIMIT])
    return shown if len(texts) <= _LIST_LIMIT else f"{shown} and {len(texts) - _LIST_LIMIT} more"
