"""Every row of the corpus before the two Go judges; where they differ from us, the row says why."""

from __future__ import annotations

from operator import attrgetter

import pytest

from tests.artifacts import ArtifactBuilder, KeyKind, private_key
from tests.artifacts.corpus import CORPUS, Case
from tests.support.rows import slow_but_every

from .conftest import Judge

pytestmark = pytest.mark.judge

NAME = attrgetter("name")


@pytest.mark.parametrize("case", slow_but_every(16, CORPUS), ids=NAME)
def test_mender_artifact(case: Case, mender_artifact: Judge) -> None:
    opinion = mender_artifact(case.recipe.build(), case.trusted)

    assert opinion.accepts == case.tool_accepts, opinion.said


@pytest.mark.parametrize("case", slow_but_every(16, CORPUS), ids=NAME)
def test_mender_client(case: Case, mender_client: Judge) -> None:
    opinion = mender_client(case.recipe.build(), case.trusted)

    assert opinion.accepts == case.client_accepts, opinion.said


def test_what_is_accepted_is_accepted_by_both_judges_or_the_row_says_why_not() -> None:
    unexplained = [
        case.name
        for case in CORPUS
        if case.accepted and not (case.tool_accepts and case.client_accepts) and not case.why
    ]

    assert unexplained == []


def test_the_client_refuses_where_its_key_is_another(mender_client: Judge) -> None:
    artifact = ArtifactBuilder(key=private_key(KeyKind.P256)).build()

    assert mender_client(artifact, KeyKind.P256).accepts
    assert not mender_client(artifact, KeyKind.OTHER_P256).accepts
