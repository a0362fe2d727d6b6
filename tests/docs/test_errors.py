"""docs/api/errors.md against the code: every problem code with its status, and none that does not exist."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from hsm.errors import TokenError
from signer.domain import workers
from signer.errors import SignerError
from signer.services import readiness
from signer.web.connections.heads import STATUSES
from signer.web.connections.protocol import STATUS_OF_PARSER_ERRORS
from signer.web.connections.refusals import HEAD_TIMEOUT, PLAIN_HTTP
from signer.web.problems import UNEXPECTED, Problem, problem_of
from tests.docs.pages import ROOT, quoted, section, sections

PAGE = "api/errors.md"
READINESS = "Readiness"
VERIFIER_STATUS = 422


def _tree(kind: type[Exception]) -> Iterator[type[Exception]]:
    for child in kind.__subclasses__():
        yield child
        yield from _tree(child)


def _statuses() -> dict[str, set[int]]:
    """Every code that a problem document may have, with its statuses."""
    found = {UNEXPECTED.code: {UNEXPECTED.status}, PLAIN_HTTP.code: {PLAIN_HTTP.status}}
    found["malformed-http"] = {*STATUS_OF_PARSER_ERRORS.values(), *STATUSES}
    found[HEAD_TIMEOUT.code] = {HEAD_TIMEOUT.status}
    for kind in (*_tree(SignerError), TokenError, *_tree(TokenError)):
        found[kind.code] = {_problem(kind).status}  # type: ignore[attr-defined]
    return found


def _problem(kind: type[Exception]) -> Problem:
    """The problem document of an error all of whose facts are empty."""
    error = kind.__new__(kind)
    for name in getattr(kind, "__dataclass_fields__", {}):
        object.__setattr__(error, name, None if name == "retry_after" else ())
    return problem_of(error)


REAL = _statuses()
DOCUMENTED = {
    quoted(row["code"])[0]: {int(part) for part in row["status"].split(",")}
    for item in sections(PAGE)
    for table in item.tables
    if table.columns[:2] == ("code", "status")
    for row in table.records()
}


def test_every_code_is_documented_and_every_documented_code_exists() -> None:
    assert set(DOCUMENTED) == set(REAL)


@pytest.mark.parametrize("code", sorted(REAL))
def test_the_status_of_a_code_is_the_real_one(code: str) -> None:
    assert DOCUMENTED[code] == REAL[code]


def test_no_code_belongs_to_two_errors() -> None:
    codes = [kind.code for root in (SignerError, TokenError) for kind in _tree(root)]  # type: ignore[attr-defined]
    assert len(codes) == len(set(codes))


def test_the_parser_of_http_answers_with_no_other_status() -> None:
    assert DOCUMENTED["malformed-http"] == {*STATUS_OF_PARSER_ERRORS.values(), *STATUSES}


def test_the_conditions_of_readiness_are_documented() -> None:
    listed = {quoted(row[0])[0] for row in section(PAGE, READINESS).table("code").rows}
    assert listed == {workers.OVERDUE, workers.PENDING, workers.WORKERS_MISSING, readiness.FAILED}


def test_codes_that_the_web_layer_writes_itself_are_documented() -> None:
    """Wherever a problem is built with a fixed code, that code is on the page."""
    written = {
        keyword.value.value
        for path in (ROOT / "signer" / "web").rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and getattr(call.func, "id", None) == "Problem"
        for keyword in call.keywords
        if keyword.arg == "code" and isinstance(keyword.value, ast.Constant)
    }
    assert len(written) >= len({UNEXPECTED.code, PLAIN_HTTP.code})
    assert written <= set(DOCUMENTED)


def test_a_code_that_a_route_names_exists() -> None:
    named = {
        code
        for item in sections("api/routes.md")
        for line in item.lines
        if line.startswith("- *Errors*:")
        for code in quoted(line)
    }
    assert named
    assert named <= set(REAL)
