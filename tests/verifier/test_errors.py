"""The error tree: every refusal has a code, facts, a sentence and a line of documentation."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from pathlib import Path
from typing import Any

import pytest

from verifier import Finding, FindingCode, Limits, VerificationError, errors
from verifier._sentences import FINDINGS, REFUSALS
from verifier.wording import explain, explain_finding

PAGE = (Path(__file__).parents[2] / "docs" / "verifier-errors.md").read_text(encoding="utf-8")
KEBAB_CASE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
HOSTILE = "a\x1b[2J\nb\u202e"


def tree(root: type[VerificationError] = VerificationError) -> list[type[VerificationError]]:
    return [root, *(each for child in root.__subclasses__() for each in tree(child))]


TREE = [pytest.param(cls, id=cls.__name__) for cls in tree()]


def example(cls: type[VerificationError]) -> VerificationError:
    """One of the class, each fact a value of its type, and every text hostile."""
    finding = Finding(code=FindingCode.ZSTD_CLIENTS, subject=HOSTILE)
    values: dict[str, Any] = {
        "str": HOSTILE,
        "str | None": HOSTILE,
        "int": 7,
        "tuple[str, ...]": (HOSTILE, HOSTILE),
        "tuple[Finding, ...]": (finding,),
    }
    kinds = {name: kind for base in cls.__mro__ for name, kind in inspect.get_annotations(base).items()}
    return cls(**{name: values[kinds[name]] for name in cls._fields})


@pytest.mark.parametrize("cls", TREE)
class TestEveryRefusal:
    def test_has_a_code_of_its_own(self, cls: type[VerificationError]) -> None:
        assert KEBAB_CASE.fullmatch(cls.code)
        assert [other for other in tree() if other.code == cls.code] == [cls]

    def test_is_documented(self, cls: type[VerificationError]) -> None:
        assert f"| `{cls.code}` | `{cls.__name__}` |" in PAGE
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{cls.code}` |"))
        assert all(f"`{name}`" in row for name in cls._fields)

    def test_is_exported(self, cls: type[VerificationError]) -> None:
        assert getattr(errors, cls.__name__) is cls
        assert cls.__name__ in errors.__all__

    def test_has_a_sentence_of_its_own(self, cls: type[VerificationError]) -> None:
        assert cls in REFUSALS

    def test_is_worded_in_the_voice_of_the_command(self, cls: type[VerificationError]) -> None:
        explanation = explain(example(cls))
        for text in (explanation.sentence, explanation.hint or "hint"):
            assert text.isprintable()
            assert not text.endswith(".")
            assert "None" not in text
        assert not explanation.sentence[0].isupper()

    def test_shows_its_code_and_facts_to_logs_without_control_characters(self, cls: type[VerificationError]) -> None:
        error = example(cls)
        assert str(error).startswith(cls.code)
        assert str(error).isprintable()
        assert all(f"{name}=" in str(error) for name in cls._fields)

    def test_survives_copying_and_pickling(self, cls: type[VerificationError]) -> None:
        error = example(cls)
        assert copy.copy(error) == error
        assert pickle.loads(pickle.dumps(error)) == error


def test_facts_are_named_and_complete() -> None:
    with pytest.raises(TypeError):
        errors.Truncated(part="artifact")  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        errors.Unsigned(part="artifact")  # type: ignore[call-arg]


def test_errors_are_equal_when_class_and_facts_are() -> None:
    first = errors.Truncated(part="artifact", offset=1)
    assert first == errors.Truncated(part="artifact", offset=1)
    assert first != errors.Truncated(part="artifact", offset=2)
    assert first != errors.TarTrailingData(part="artifact", offset=1)
    assert len({first, errors.Truncated(part="artifact", offset=1)}) == 1


def test_no_code_is_documented_that_does_not_exist() -> None:
    documented = set(re.findall(r"^\| `([a-z0-9-]+)` \|", PAGE, re.MULTILINE))
    assert documented == {cls.code for cls in tree()} | {code.value for code in FindingCode}


@pytest.mark.parametrize("code", FindingCode)
def test_every_finding_is_worded(code: FindingCode) -> None:
    explanation = explain_finding(Finding(code=code, subject=HOSTILE, value=0o4755))
    assert code in FINDINGS
    for text in (explanation.sentence, explanation.hint or "hint"):
        assert text.isprintable()
        assert not text.endswith(".")
        assert "None" not in text


def test_every_named_limit_is_a_field() -> None:
    sources = (Path(errors.__file__).parents[1]).rglob("*.py")
    named = {name for path in sources for name in re.findall(r'limit="([a-z_]+)"', path.read_text(encoding="utf-8"))}
    assert named
    assert all(hasattr(Limits(), name) for name in named)
