"""How a request names a pair that is in the token already."""

from __future__ import annotations

import json

import pytest

from hsm.errors import KeyAmbiguous
from signer.services.key_pairs import KeyPairSelector
from signer.web.documents import AdoptBody
from signer.web.parsing import parsed
from signer.web.problems import problem_of

NAMED = {
    "by CKA_ID": ({"cka_id": "ab01"}, KeyPairSelector(cka_id=b"\xab\x01")),
    "in capitals": ({"cka_id": "AB01"}, KeyPairSelector(cka_id=b"\xab\x01")),
    "with colons": ({"cka_id": "ab:01:ff"}, KeyPairSelector(cka_id=b"\xab\x01\xff")),
    "of one byte": ({"cka_id": "00"}, KeyPairSelector(cka_id=b"\x00")),
    "of the most bytes": ({"cka_id": ":".join(["ab"] * 255)}, KeyPairSelector(cka_id=b"\xab" * 255)),
    "by label": ({"label": "a:b"}, KeyPairSelector(label="a:b")),
    "with its public key": (
        {"label": "a", "public_key": "PEM"},
        KeyPairSelector(label="a", unverified_public_key=b"PEM"),
    ),
}


@pytest.mark.parametrize("sentence", NAMED)
def test_a_pair_is_named(sentence: str) -> None:
    document, selector = NAMED[sentence]
    assert parsed(AdoptBody, json.dumps(document).encode()).selector == selector


def test_an_ambiguous_label_hints_at_the_cka_id() -> None:
    problem = problem_of(KeyAmbiguous(token="t", label="legacy", count=2))
    assert "--cka-id" in (problem.hint or "")
