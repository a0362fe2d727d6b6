"""A row of a table: how an installation is broken, and the line that doctor writes about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from signer.doctor import Finding, Report, Severity
from tests.signer.doctor.patient import Patient, findings


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """``breaks`` changes the installation; then ``check`` has a line of ``severity`` whose sentence holds ``says``."""

    breaks: Callable[[Patient], object]
    check: str
    severity: Severity
    says: str
    hint: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    surroundings: Callable[[], Mapping[str, object]] = dict


def told(report: Report, row: Row) -> Finding:
    """The line that the row expects; nothing else may have broken on the way."""
    assert not [line for line in report.lines if "this check broke" in line.finding.sentence]
    found = [item for item in findings(report, row.check) if row.says in item.sentence]
    assert found, "\n".join(f"{line.check}: {line.finding.sentence}" for line in report.lines)
    (finding,) = found
    assert finding.severity is row.severity
    assert (finding.hint is None) is (row.severity is Severity.OK)
    assert row.hint in (finding.hint or "")
    return finding


def check_row(patient: Patient, row: Row) -> Report:
    """Break, examine, compare."""
    row.breaks(patient)
    report = patient.examine(environment=row.environment, **row.surroundings())
    told(report, row)
    return report
