"""docs/operations/troubleshooting.md against the code: every line of the log, and every code that stops signatures."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from hsm.errors import TokenBusy, TokenError
from signer.domain import workers
from signer.errors import (
    NoActiveVersion,
    SignatureLimitReached,
    VersionExpired,
    VersionNotYetValid,
    VersionQuarantined,
)
from signer.services import readiness
from tests.docs.pages import ROOT, quoted, section, sections
from tests.docs.test_errors import DOCUMENTED as ERRORS

PAGE = "operations/troubleshooting.md"
PACKAGES = ("signer", "hsm")
LEVELS = ("debug", "info", "warning", "error", "critical", "exception", "log")
LOGGERS = ("logger", "log")
PLACEHOLDER = re.compile(r"%[-+ #0-9.]*[a-z]")
ELLIPSIS = "…"
# Errors of a token that concern one request or one step, and never a signature by a key that is on record.
OF_ONE_STEP = {"token-error", "token-key-problem", TokenBusy.code, "token-full", "token-read-only", "token-key-exists",
               "token-store-failed", "token-key-ambiguous", "token-key-halves-differ",
               "token-algorithm-unsupported", "token-import-unsupported"}  # fmt: skip


def _lines() -> Iterator[tuple[str, str]]:
    """Each message of a logger, with where it stands; what it is filled with is an ellipsis."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                    continue
                if node.func.attr not in LEVELS or ast.unparse(node.func.value) not in LOGGERS:
                    continue
                texts = [item.value for item in node.args if isinstance(item, ast.Constant)]
                message = next((text for text in texts if isinstance(text, str)), None)
                if message is not None:
                    yield PLACEHOLDER.sub(ELLIPSIS, message), f"{path.relative_to(ROOT)}:{node.lineno}"


LINES = dict(_lines())
# Method, path and status, of a witness and, by `signer.logs.tell`, of the service: docs/operations/running.md.
REQUESTS = {"… … …", "…"}
TOLD = {line for row in section(PAGE, "Lines of the log").table("log line").rows for line in quoted(row[0])[:1]}
CODES = {
    quoted(row[0])[0]
    for heading in ("Nothing is signed", "One key does not sign", "A key cannot be made")
    for row in section(PAGE, heading).table("code").rows
}


def test_there_are_lines_at_all() -> None:
    assert len(LINES) > 10


@pytest.mark.parametrize("line", sorted(LINES.keys() - REQUESTS))
def test_a_line_of_the_log_has_its_cause_and_a_step(line: str) -> None:
    assert line in TOLD, f"{LINES[line]} is on no row of docs/{PAGE}"


def _tree(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _tree(child)


def _stopping() -> set[str]:
    """Every code under which the service, or a key, may sign nothing."""
    faults = {kind.code for fault in readiness.FAULTS for kind in _tree(fault)}  # type: ignore[attr-defined]
    own = (NoActiveVersion, SignatureLimitReached, VersionExpired, VersionNotYetValid, VersionQuarantined)
    rounds = {workers.OVERDUE, workers.PENDING, workers.WORKERS_MISSING, readiness.FAILED}
    return (faults - OF_ONE_STEP) | {kind.code for kind in own} | rounds


@pytest.mark.parametrize("code", sorted(_stopping()))
def test_a_code_that_stops_signatures_has_its_cause_and_a_step(code: str) -> None:
    assert code in CODES


def test_what_is_left_out_concerns_one_step() -> None:
    known = {kind.code for kind in _tree(TokenError)}  # type: ignore[attr-defined]
    assert known >= OF_ONE_STEP


def test_every_code_on_the_page_exists() -> None:
    rounds = {workers.OVERDUE, workers.PENDING, workers.WORKERS_MISSING, readiness.FAILED}
    assert {*ERRORS, *rounds} >= CODES


def test_every_row_has_a_step_where_something_is_wrong() -> None:
    for item in sections(PAGE):
        for table in item.tables:
            for row in table.records():
                assert row.get("level") == "info" or row["step"], row
