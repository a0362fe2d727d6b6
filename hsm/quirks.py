"""What modules do in ways of their own, and what is done about it. The one list: docs/hsms.md tells it to operators.

1. A quirk is found out by what a module does, never by its name: makers share modules, and change them.
2. What is not in this list is not acted on. Each has a row in the tests, through a module that behaves so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Quirk(StrEnum):
    """A way of its own."""

    CANNOT_LOCK = "cannot-lock"
    OWN_FUNCTION_LISTS = "own-function-lists"
    NO_READ_ONLY_SESSIONS = "no-read-only-sessions"
    FEW_SESSIONS = "few-sessions"
    USES_NOT_NAMED = "uses-not-named"
    PASSING_REFUSALS = "passing-refusals"
    WRAPPED_POINTS = "wrapped-points"
    DER_SIGNATURES = "der-signatures"
    HASHING_MECHANISMS_ONLY = "hashing-mechanisms-only"
    LOSS_IN_OTHER_WORDS = "loss-in-other-words"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """A quirk in words.

    Attributes:
        shows: what the module does.
        answer: what is done about it.
        return_values: by which it shows, as python-pkcs11 names them; empty: it shows in another way.
        seen_in: modules that were seen or are said to do so, by their sections in docs/hsms.md.
    """

    shows: str
    answer: str
    seen_in: tuple[str, ...]
    return_values: frozenset[str] = frozenset()


QUIRKS: Mapping[Quirk, Conduct] = MappingProxyType(
    {
        Quirk.CANNOT_LOCK: Conduct(
            shows="C_Initialize answers CKR_CANT_LOCK",
            answer="it is called by one thread at a time",
            seen_in=(),
        ),
        Quirk.OWN_FUNCTION_LISTS: Conduct(
            shows="each call of C_GetFunctionList gives an instance of its own",
            answer="the instance that is initialised is the one that is used",
            seen_in=("p11-kit",),
        ),
        Quirk.NO_READ_ONLY_SESSIONS: Conduct(
            shows="C_OpenSession refuses read-only sessions",
            answer="sessions are read-write; nothing is written in them",
            seen_in=("AWS CloudHSM",),
            return_values=frozenset({"FunctionFailed"}),
        ),
        Quirk.FEW_SESSIONS: Conduct(
            shows="C_OpenSession answers CKR_SESSION_COUNT",
            answer="it is used with the sessions that there are, and asked for more after 30 seconds",
            seen_in=(),
            return_values=frozenset({"SessionCount"}),
        ),
        Quirk.USES_NOT_NAMED: Conduct(
            shows="C_GenerateKeyPair refuses a template that forbids other uses by name",
            answer="a template that leaves them out; what the new key shows is what counts",
            seen_in=("TPM 2.0",),
            return_values=frozenset({"TemplateInconsistent", "AttributeValueInvalid", "AttributeTypeInvalid"}),
        ),
        Quirk.PASSING_REFUSALS: Conduct(
            shows="C_GenerateKeyPair fails while another process opens the token",
            answer="it is tried again, and what was half made is removed",
            seen_in=("SoftHSM",),
            return_values=frozenset({"GeneralError", "FunctionFailed"}),
        ),
        Quirk.WRAPPED_POINTS: Conduct(
            shows="CKA_EC_POINT is wrapped in an OCTET STRING, or is not",
            answer="both are read",
            seen_in=("SoftHSM",),
        ),
        Quirk.DER_SIGNATURES: Conduct(
            shows="CKM_ECDSA gives DER instead of r and s",
            answer="it is brought into the form of the standard",
            seen_in=(),
        ),
        Quirk.HASHING_MECHANISMS_ONLY: Conduct(
            shows="only mechanisms that hash themselves are listed",
            answer="the message is sent, 64 KiB at most",
            seen_in=(),
        ),
        Quirk.LOSS_IN_OTHER_WORDS: Conduct(
            shows="a token that was lost answers CKR_GENERAL_ERROR, or that handles are invalid",
            answer="everything is reloaded once: finalise, initialise, log in",
            seen_in=("SoftHSM",),
            return_values=frozenset({"GeneralError", "ObjectHandleInvalid"}),
        ),
    }
)
