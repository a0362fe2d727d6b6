"""The way past approvals in an emergency: people whom a rule names sign at once, for a reason, and it stays visible.

1. Only what a rule with approvals would let people approve can be had so: all its conditions, floors and limits hold.
2. It is for people. An identity of a pipeline has nobody who decides, whomever it was assigned to; and the password of
   a user is set by others too.
3. Whoever needs no approvals is refused: a signature that verifiers do not believe would be made for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from signer.domain.identity import Identity

PERSON = "person:"
# Of identities by which nobody approves anything, nor passes approvals.
VOTELESS = ("ci:", "user:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Emergency:
    """What is on record of a signature that was made past its approvals. ``person``: their name; ``reason``: theirs."""

    person: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Passing:
    """Somebody asks to pass approvals. ``principal``: the person, as rules name them; None: it is nobody's identity."""

    principal: str | None

    @classmethod
    def of(cls, identity: Identity) -> Passing:
        """Who it is."""
        decides = identity.person is not None and not identity.name.startswith(VOTELESS)
        return cls(principal=f"{PERSON}{identity.person}" if decides else None)

    def unmet(self, *, approvals: bool, named: tuple[str, ...]) -> str | None:
        """Why a rule lets them not pass; None where it does. ``named``: whom it names."""
        if not approvals:
            return "it asks for no approvals, so sign without naming an emergency"
        if self.principal is None:
            return "people decide of emergencies, and the credential is no person's"
        if self.principal not in named:
            return f"it does not name {self.principal} for emergencies"
        return None
