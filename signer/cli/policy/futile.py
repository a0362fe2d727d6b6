"""What of a policy can do nothing, in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from signer.cli.output import note, printable
from signer.domain.access.futility import Futility

SENTENCES = {
    Futility.UNKNOWN_KEY: "there is no key named {about}",
    Futility.OTHER_PURPOSE: "the key {about} signs no artifacts",
    Futility.GUARDED_KEY: "another rule asks for approvals of {about}, so that this one lets nobody sign with it",
    Futility.UNKNOWN_PRINCIPAL: "nobody can prove to be {about} now",
}


def tell_futile(found: Iterable[Mapping[str, Any]]) -> None:
    """One warning for each, on standard error."""
    for each in found:
        # A service of a later release may know of more.
        sentence = SENTENCES.get(each["why"], "{about} can do nothing").format(about=each["about"])
        note(printable(f"warning: rule {each['rule']}: {sentence}"))
