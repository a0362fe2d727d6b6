"""Signatures on record that were made past their approvals, and the same ones approved: what is written of each."""

from __future__ import annotations

from typing import Any

import pytest

from signer.domain.access.emergencies import Emergency
from signer.domain.requests import Checked
from tests.contract.test_signature_records import book, now_entry, recorded, send
from tests.support.books import Book
from verifier.log.leaves import SignatureLeaf, parsed_leaf

__all__ = ["book"]

OTHER = "api-token:other"
URGENT = Emergency(person="ada", reason="a fire")
# What follows a first record, each with whether it was made in an emergency; the last answer's record.
EMERGENCIES: dict[str, tuple[list[dict[str, Any]], list[tuple[str, str, bool]], int]] = {
    "the same again, approved": (
        [{"emergency": URGENT}, {}],
        [("signature", "head", True), ("signature", "head", False)],
        1,
    ),
    "approved, twice": (
        [{"emergency": URGENT}, {}, {}],
        [("signature", "head", True), ("signature", "head", False)],
        1,
    ),
    "less of it, approved": (
        [{"emergency": URGENT, "checked": Checked.ARTIFACT}, {"checked": Checked.MANIFEST}],
        [("signature", "artifact", True), ("signature", "manifest", False)],
        1,
    ),
    "an emergency after it was approved": (
        [{}, {"emergency": URGENT}],
        [("signature", "head", False)],
        0,
    ),
    "an emergency that sees more after it was approved": (
        [{}, {"emergency": URGENT, "checked": Checked.ARTIFACT}],
        [("signature", "head", False)],
        0,
    ),
    "an emergency of somebody else after it was approved": (
        [{}, {"emergency": URGENT, "checked": Checked.ARTIFACT, "identity": OTHER}],
        [("signature", "head", False), ("signature-repeated", "artifact", True)],
        0,
    ),
    "the same emergency again": (
        [{"emergency": URGENT}, {"emergency": URGENT}],
        [("signature", "head", True)],
        0,
    ),
    "an emergency that sees more": (
        [{"emergency": URGENT}, {"emergency": URGENT, "checked": Checked.ARTIFACT}],
        [("signature", "head", True), ("signature", "artifact", True)],
        1,
    ),
    "all of it, in every order": (
        [
            {"emergency": URGENT},
            {"emergency": URGENT, "checked": Checked.ARTIFACT},
            {"checked": Checked.MANIFEST},
            {},
            {"emergency": URGENT, "checked": Checked.ARTIFACT},
            {"checked": Checked.ARTIFACT},
        ],
        [
            ("signature", "head", True),
            ("signature", "artifact", True),
            ("signature", "manifest", False),
            ("signature", "head", False),
            ("signature", "artifact", False),
        ],
        4,
    ),
}


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one after the other"])
@pytest.mark.parametrize("sentence", EMERGENCIES)
def test_an_emergency_does_not_spoil_what_is_approved(book: Book, sentence: str, together: bool) -> None:
    sent, written, answered = EMERGENCIES[sentence]
    version = book.version()
    entries = [now_entry(book, version, **{"checked": Checked.HEAD, **each}) for each in sent]
    batches = [entries] if together else [[each] for each in entries]
    outcomes = [recorded(outcome) for batch in batches for outcome in send(book, *batch)]
    records = [(parsed_leaf(each.document), each.index) for each in book.written()]
    assert [(leaf["type"], leaf["checked"], leaf.get("emergency", False)) for leaf, _ in records] == written
    assert outcomes[-1].index == records[answered][1]
    assert {each.signature for each in outcomes} == {entries[0].signature}


def test_an_emergency_is_told_by_its_leaf(book: Book) -> None:
    sent = now_entry(book, book.version(), emergency=URGENT)
    send(book, sent)
    leaf = SignatureLeaf.parse(book.written()[0].document)
    assert (leaf.emergency, leaf.person, leaf.reason) == (True, "ada", "a fire")
