"""Every relative link of every page leads to a file, and where it names a heading, to that heading."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT, anchor, prose

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_ELSEWHERE = re.compile(r"[a-z]+:")
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])


def _links(page: Path) -> list[str]:
    return [link for link in _LINK.findall(prose(page)) if not _ELSEWHERE.match(link)]


def _anchors(page: Path) -> set[str]:
    return {anchor(line.lstrip("#").strip()) for line in prose(page).splitlines() if line.startswith("#")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in _links(page):
        target, _, name = link.partition("#")
        file = (page.parent / target).resolve() if target else page
        if not file.exists() or (name and name not in _anchors(file)):
            broken.append(link)
    assert broken == []


def test_every_page_is_in_the_index() -> None:
    index = DOCS / "README.md"
    listed = {(DOCS / link.partition("#")[0]).resolve() for link in _links(index)}
    decisions = DOCS / "adr"
    reached = {page for page in PAGES if page in listed or page.parent == decisions}
    assert set(PAGES) - reached - {index, ROOT / "README.md"} == set()


def test_every_decision_is_in_its_index() -> None:
    directory = DOCS / "adr"
    listed = {link for link in _links(directory / "README.md") if re.match(r"\d{4}-", link)}
    assert listed == {page.name for page in directory.glob("[0-9]*.md")}


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = sorted(int(page.name[:4]) for page in (DOCS / "adr").glob("[0-9]*.md"))
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("page", sorted((DOCS / "adr").glob("[0-9]*.md")), ids=lambda page: page.name)
def test_a_decision_has_its_three_parts(page: Path) -> None:
    headings = [line for line in prose(page).splitlines() if line.startswith("#")]
    assert headings[0].startswith(f"# {page.name[:4]}: ")
    assert headings[1:] == ["## Context", "## Decision", "## Consequences"]


def test_the_two_commands_of_the_readme_are_targets() -> None:
    opening = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Two commands")[2].partition("\n## ")[0]
    commands = re.findall(r"^make ([a-z-]+)", opening, re.MULTILINE)
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(commands) == 2
    assert set(commands) <= set(targets)


def test_every_make_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)", page.read_text(encoding="utf-8"), re.MULTILINE))
        assert named <= targets, page
