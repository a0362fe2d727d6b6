"""What a crash left between token and database, named, and ended where that is asked for."""

from __future__ import annotations

from collections.abc import Iterator

from cryptography.exceptions import UnsupportedAlgorithm

from hsm import TokenKey
from signer.doctor.examination import Examination
from signer.doctor.keys import unread
from signer.doctor.report import Finding, failed, ok, or_ok, warning
from signer.domain.consistency import Discrepancy
from signer.domain.consistency import DiscrepancyKind as Kind
from signer.domain.public_keys import kind_of
from signer.errors import ClockMovedBack
from signer.services.reconciliation import Ending, Repair

REPAIR = "artifact-signer doctor --repair"
SENTENCES = {
    Kind.PENDING_MADE: "{version} was interrupted while it was made: its pair is in token {token}, unused",
    Kind.PENDING_UNFIT: "{version} was interrupted while it was made: what is in token {token} is not its whole pair",
    Kind.PENDING_ABSENT: "{version} was interrupted before its pair was made: no token holds it",
    Kind.PENDING_UNDECIDED: "{version} was interrupted while it was made, and {unreachable} could not be asked for its "
    "pair",
    Kind.PENDING_FRESH: "{version} is being made, or was interrupted {age} seconds ago",
    Kind.DESTROYING: "{version} was interrupted while it was destroyed: a token may still hold its pair",
    Kind.UNRECORDED: "token {token} holds a pair that no record names: CKA_ID {cka_id}, label {label!r}",
}
HINTS = {
    Kind.PENDING_MADE: f"{REPAIR} completes it",
    Kind.PENDING_UNFIT: f"{REPAIR} closes its record",
    Kind.PENDING_ABSENT: f"{REPAIR} closes its record, its name or number is free again",
    Kind.PENDING_UNDECIDED: "repair the token first, then " + REPAIR,
    Kind.PENDING_FRESH: "look again in a few minutes; --pending-age sets from which age on it is repaired",
    Kind.DESTROYING: f"{REPAIR} finishes the destruction",
}
REMOVE = "remove it with the tools of the token's maker"
MAX_CKA_ID_BYTES = 255
ENDINGS = {
    Ending.COMPLETED_ACTIVE: "completed, it is active",
    Ending.COMPLETED_NEXT: "completed, it is the next version",
    Ending.ABANDONED: "its record is closed",
    Ending.DESTROYED: "the destruction is finished",
}


def consistency(examination: Examination) -> Iterator[Finding]:
    """No crash left a version half made or half destroyed, and no token holds a pair that no record names."""
    found = [discrepancy for discrepancy in examination.survey().discrepancies if discrepancy.kind in SENTENCES]
    tell = _repaired if examination.request.repair else _named
    findings = [*unread(examination), *(tell(examination, discrepancy) for discrepancy in found)]
    if any(finding.repaired for finding in findings):
        examination.forget_survey()
    yield from or_ok(findings, "records and tokens agree, nothing was left half done")


def sentence(discrepancy: Discrepancy) -> str:
    """What is left, for people."""
    return SENTENCES[discrepancy.kind].format(
        version=f"version {discrepancy.version} of key {discrepancy.key}",
        token=discrepancy.token,
        unreachable=", ".join(f"token {name}" for name in discrepancy.unreachable),
        age=int(discrepancy.age.total_seconds()) if discrepancy.age is not None else "",
        cka_id=discrepancy.cka_id.hex() or "none",
        label=discrepancy.pair.label if discrepancy.pair is not None else "",
    )


def adoption(pair: TokenKey) -> str:
    """What can be done about a pair, or half of one, that no record names: only what is possible is advised."""
    if not pair.has_private:
        return f"it is a public key alone and cannot be adopted; {REMOVE}"
    if not 1 <= len(pair.key_id) <= MAX_CKA_ID_BYTES:
        return f"it has no CKA_ID by which it could be found again: give it one first, or {REMOVE}"
    if pair.algorithm is None and pair.spki is not None:
        return f"it is {_kind(pair.spki)}, which no key here can be; {REMOVE}"
    if not pair.sign:
        return f"its private key may not sign (CKA_SIGN is false) and cannot be adopted; {REMOVE}"
    by = f"artifact-signer keys adopt NAME --algorithm {pair.algorithm or 'ALGORITHM'} --cka-id {pair.key_id.hex()}"
    if pair.spki is None:
        by += ", with --public-key FILE unless the token holds a certificate of it"
    return f"it signs nothing here; {by} takes it in, or {REMOVE}"


def _kind(spki: bytes) -> str:
    try:
        return kind_of(spki)
    except (ValueError, UnsupportedAlgorithm):
        return "of a kind that is not known here"


def _named(_examination: Examination, discrepancy: Discrepancy) -> Finding:
    harmless = discrepancy.kind in (Kind.UNRECORDED, Kind.PENDING_FRESH)
    return (warning if harmless else failed)(sentence(discrepancy), _hint(discrepancy))


def _hint(discrepancy: Discrepancy) -> str:
    return adoption(discrepancy.pair) if discrepancy.pair is not None else HINTS[discrepancy.kind]


def _repaired(examination: Examination, discrepancy: Discrepancy) -> Finding:
    repaired = examination.reconciliation.repair(discrepancy, pending_age=examination.request.pending_age)
    if repaired.ending is not None:
        return ok(f"{sentence(discrepancy)}; {ENDINGS[repaired.ending]}", repaired=True)
    if repaired.refusal is not None:
        return failed(f"{sentence(discrepancy)}; the repair was refused ({_reason(repaired)})", _hint(discrepancy))
    return _named(examination, discrepancy)


def _reason(repaired: Repair) -> str:
    if isinstance(repaired.refusal, ClockMovedBack):
        return "the clock moved back"
    return repaired.refusal.code if repaired.refusal is not None else ""
