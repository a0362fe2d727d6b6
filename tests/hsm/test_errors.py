"""The tree of errors: codes are stable and travel between processes with their facts."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from hsm import errors
from hsm.errors import TokenError
from hsm.protocol.refusals import pack_error, unpack_error
from hsm.protocol.values import WireError, pack_values

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "tokens.md"


def tree(kind: type[TokenError] = TokenError) -> list[type[TokenError]]:
    """The class and all below it."""
    return [kind, *(found for child in kind.__subclasses__() for found in tree(child))]


ALL = tree()
SAMPLES = {"count": 3, "timeout": 2.5, "retry_after": 1.5}


def full(kind: type[TokenError]) -> TokenError:
    """An error of this kind with every fact."""
    return kind(**{item.name: SAMPLES.get(item.name, f"a {item.name}") for item in fields(kind)})


def test_codes_are_different_and_in_kebab_case() -> None:
    codes = [kind.code for kind in ALL]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"token(-[a-z]+)+", code) for code in codes)


def test_no_error_of_the_package_is_outside_the_tree() -> None:
    raised = [item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, Exception)]
    assert {kind for kind in raised if kind.__module__ == "hsm.errors"} == set(ALL)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.code)
def test_an_error_arrives_with_its_facts(kind: type[TokenError]) -> None:
    sent = full(kind)
    arrived = unpack_error(pack_error(sent))
    assert type(arrived) is kind
    assert arrived.facts == sent.facts


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.code)
def test_an_error_without_facts_arrives(kind: type[TokenError]) -> None:
    assert unpack_error(pack_error(kind())).facts == kind().facts


def test_a_long_fact_is_cut() -> None:
    assert len(unpack_error(pack_error(TokenError(reason="x" * 10_000))).reason) == 512


MALFORMED = {
    "an unknown code": pack_values("no-such-code"),
    "no code": b"",
    "a code that is a number": pack_values(7),
    "an unknown fact": pack_values("token-error", ("traceback", "secret")),
    "a fact that is no pair": pack_values("token-error", ("reason",)),
    "a fact that is a text": pack_values("token-error", "reason"),
    "a number that is none": pack_values("token-ambiguous", ("count", "many")),
    "noise": b"\xff\xff\xff",
}


@pytest.mark.parametrize("row", MALFORMED)
def test_malformed_errors_are_refused(row: str) -> None:
    with pytest.raises(WireError):
        unpack_error(MALFORMED[row])


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.code)
def test_every_code_is_documented(kind: type[TokenError]) -> None:
    abstract = {"token-error", "token-key-problem"}
    assert kind.code in abstract or f"`{kind.code}`" in DOCUMENT.read_text(encoding="utf-8")
