"""Leaves judged by ``rfc8785``: what is written here is what RFC 8785 makes of the same members."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
import rfc8785
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signer.domain.events import Event, EventType
from signer.domain.leaves import event_draft
from tests.support.memory_log import moment, signature_leaf
from tests.support.rows import slow_but_every
from verifier.errors import LeafMalformed
from verifier.log import canonical_leaf, parsed_leaf

NAMES = {
    "plain": "release-1",
    "with what JSON escapes": 'a"b\\c/d\b\f\n\r\t',
    "with control characters": "".join(map(chr, range(32))) + "\x7f\x80",
    "beyond the Basic Multilingual Plane": "\U0001f600 \ufb33 \uffff",
    "with separators of lines that JavaScript knows": "\u2028\u2029",
    "of an artifact in another script": "выпуск €",
}


@pytest.mark.parametrize("sentence", NAMES)
def test_a_signature_of_an_artifact(sentence: str) -> None:
    leaf = signature_leaf(1, artifact=NAMES[sentence]).content
    assert rfc8785.dumps(json.loads(leaf)) == leaf


@pytest.mark.parametrize("kind", slow_but_every(6, list(EventType)))
@pytest.mark.parametrize("sentence", NAMES)
def test_an_event(kind: EventType, sentence: str) -> None:
    facts: Mapping[str, Any] = {"state": NAMES[sentence], "tokens": ["one", "two"], "active": None, "number": 1 << 52}
    event = Event(type=kind, actor="api-token:admin", key="firmware", version=1, before=facts, after=facts)
    leaf = event_draft(event).leaf(at=moment(1)).content
    assert rfc8785.dumps(json.loads(leaf)) == leaf


NAME = st.text(st.characters(max_codepoint=127), max_size=8)
VALUES = st.recursive(
    st.booleans() | st.integers(-(1 << 53) + 1, (1 << 53) - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAME, inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(NAME, VALUES, max_size=6))
def test_whatever_a_leaf_may_hold(members: dict[str, Any]) -> None:
    assert canonical_leaf(members) == rfc8785.dumps(members)
    assert parsed_leaf(canonical_leaf(members)) == members


REFUSED: dict[str, Any] = {
    "a fraction": 1.5,
    "not a number": float("nan"),
    "infinity": float("inf"),
    "an integer of 54 bits": 1 << 53,
    "half a surrogate pair": "\ud800",
    "a set": {1},
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_both_refuse_what_has_no_form_or_ours_alone_a_fraction(sentence: str) -> None:
    with pytest.raises(LeafMalformed):
        canonical_leaf({"member": REFUSED[sentence]})
    if sentence != "a fraction":
        with pytest.raises((rfc8785.CanonicalizationError, UnicodeEncodeError)):
            rfc8785.dumps({"member": REFUSED[sentence]})
