"""Every row of the corpus through this project's verifier, and the corpus held to its own rules."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from operator import attrgetter

import pytest

from tests.artifacts import private_key, public_pem
from tests.artifacts.corpus import CORPUS, Case
from verifier import FindingCode, Limits, TrustStore, VerificationError, errors, verify

NAME = attrgetter("name")
ACCEPTED = [case for case in CORPUS if case.accepted]
REFUSED = [case for case in CORPUS if not case.accepted]
SMALLEST_CORPUS = 150


def trust_of(case: Case) -> TrustStore:
    """The one key that the row trusts."""
    return TrustStore.from_pem(public_pem(private_key(case.trusted)))


@pytest.mark.parametrize("case", ACCEPTED, ids=NAME)
def test_accepted_with_exactly_these_findings(case: Case) -> None:
    evidence = verify(io.BytesIO(case.recipe.build()), trust=trust_of(case), limits=Limits())

    assert [finding.code.value for finding in evidence.findings] == list(case.findings)
    assert evidence.header.artifact_name == case.recipe.name
    assert evidence.header.device_types[0] == case.recipe.device_types[0]
    assert evidence.header.payload_type == case.recipe.payload_type
    assert {payload.name for payload in evidence.payloads} == {file.name for file in case.recipe.files}
    assert evidence.key == trust_of(case).keys[0]


@pytest.mark.parametrize("case", REFUSED, ids=NAME)
def test_refused_with_this_code(case: Case) -> None:
    with pytest.raises(VerificationError) as refusal:
        verify(io.BytesIO(case.recipe.build()), trust=trust_of(case), limits=Limits())

    assert refusal.value.code == case.code, str(refusal.value)


def test_the_corpus_is_large_and_refuses_more_than_it_accepts() -> None:
    assert len(CORPUS) >= SMALLEST_CORPUS
    assert len(REFUSED) > 2 * len(ACCEPTED)


def test_every_refusal_of_an_artifact_and_every_finding_has_a_row() -> None:
    not_of_artifacts = (errors.KeyLoadError, errors.LogError, errors.FastExtraMissing, errors.FindingsRefused)
    leaves = [error for error in _tree(VerificationError) if not error.__subclasses__()]
    codes = {error.code for error in leaves if not issubclass(error, not_of_artifacts)}

    assert codes - {case.code for case in CORPUS} == set()
    assert {code.value for code in FindingCode} - {found for case in CORPUS for found in case.findings} == set()


def _tree(error: type[VerificationError]) -> Iterator[type[VerificationError]]:
    yield error
    for narrower in error.__subclasses__():
        yield from _tree(narrower)


def test_no_two_rows_have_the_same_name() -> None:
    assert [name for name, count in Counter(case.name for case in CORPUS).items() if count > 1] == []


def test_a_reason_stands_exactly_where_a_judge_differs() -> None:
    differing = [case.name for case in CORPUS if {case.tool_accepts, case.client_accepts} != {case.accepted}]

    assert [case.name for case in CORPUS if case.why] == differing
