"""Whether the configured witnesses sign the log's checkpoints, as the recorder told last."""

from __future__ import annotations

from collections.abc import Iterator

from signer.doctor.examination import Examination
from signer.doctor.report import Finding, ok, warning
from signer.witness.report import WitnessFile

CODES = "docs/api/errors.md says what each code means, and docs/operations/witness.md what to do"
NOT_ASKED = "start the service; a witness is asked with the next checkpoint"


def witnesses(examination: Examination) -> Iterator[Finding]:
    """A line for each witness."""
    settings = examination.settings.log
    if not settings.witnesses:
        yield ok("no witness of the log is configured")
        return
    report = WitnessFile(settings.witness_file).read()
    for witness in settings.witnesses:
        if report is None:
            yield warning(f"the witness {witness.name} was not asked yet", NOT_ASKED)
        elif witness.name in report.alarms:
            code, facts = report.alarms[witness.name]
            told = ", ".join(f"{name} {value}" for name, value in facts.items() if name != "witness")
            yield warning(f"the witness {witness.name} does not sign: {code} ({told})", CODES)
        else:
            yield ok(f"the witness {witness.name} signs")
