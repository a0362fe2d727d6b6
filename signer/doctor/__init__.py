"""``artifact-signer doctor``: looks at each part of an installation by itself and says how to repair what is wrong.

One module per subject; ``checks.CHECKS`` is the table of them, docs/operations/doctor.md their description.
"""

from signer.doctor.checks import CHECKS, Check, checks_of_move, examine, real_surroundings
from signer.doctor.examination import Request, Surroundings
from signer.doctor.report import Finding, Line, Report, Severity, Verdict

__all__ = [
    "CHECKS",
    "Check",
    "Finding",
    "Line",
    "Report",
    "Request",
    "Severity",
    "Surroundings",
    "Verdict",
    "checks_of_move",
    "examine",
    "real_surroundings",
]
