"""Moments have one form wherever machines read them: RFC 3339 in UTC with Z."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest

from signer.domain.identity import Role
from signer.domain.timestamps import rfc3339
from signer.errors import ClockMovedBack, VersionExpired
from signer.web.problems import problem_of
from tests.docs.application import KEY, Application

FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")
LOOKS_LIKE_A_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
NOW = datetime(2030, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC)

WRITTEN = {
    "a whole second": (datetime(2030, 1, 31, 12, tzinfo=UTC), "2030-01-31T12:00:00Z"),
    "a part of a second": (NOW, "2030-01-31T12:00:00.250000Z"),
    "another zone": (NOW.astimezone(timezone(timedelta(hours=5, minutes=30))), "2030-01-31T12:00:00.250000Z"),
    "another day in another zone": (
        datetime(2030, 1, 1, 1, tzinfo=timezone(timedelta(hours=2))), "2029-12-31T23:00:00Z"
    ),
    "the first year": (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
}  # fmt: skip


@pytest.mark.parametrize("sentence", WRITTEN)
def test_a_moment_is_written_in_utc(sentence: str) -> None:
    moment, text = WRITTEN[sentence]
    assert rfc3339(moment) == text
    assert FORM.fullmatch(text)
    assert datetime.fromisoformat(text) == moment


def test_no_moment_is_none() -> None:
    assert rfc3339(None) is None


def moments(document: object) -> Iterator[str]:
    """Every text in a JSON document that looks like a moment."""
    match document:
        case dict():
            for value in document.values():
                yield from moments(value)
        case list():
            for value in document:
                yield from moments(value)
        case str() if LOOKS_LIKE_A_MOMENT.search(document):
            yield document


@pytest.mark.parametrize("path", ["/v1/keys", f"/v1/keys/{KEY}", "/v1/events"])
def test_the_documents_of_the_routes_have_that_form(site: Application, path: str) -> None:
    answer = site.ask("GET", path, site.credentials[Role.AUDITOR])
    found = list(moments(answer.json()))
    assert found
    assert [text for text in found if not FORM.fullmatch(text)] == []


@pytest.mark.parametrize(
    "error",
    [ClockMovedBack(now=NOW, newest=NOW), VersionExpired(key="k", version=1, not_after=NOW)],
    ids=lambda error: type(error).__name__,
)
def test_problem_documents_have_that_form(error: Exception) -> None:
    problem = problem_of(error)
    assert b'"2030-01-31T12:00:00.250000Z"' in problem.document("0")
    assert "2030-01-31T12:00:00Z" in problem.detail
