"""The lock files: all that pyproject.toml asks for is in them, in one version, by hash, and from no named place."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .sources import ROOT

LOCKS = {
    "fast": ["fast"],
    "client": ["client"],
    "service": ["service", "postgres"],
    "dev": ["dev"],
    "fuzz": ["dev", "fuzz"],
}
"""Which extras each file of requirements/ is made from."""
PLACES = [
    {"python_version": python, "python_full_version": f"{python}.1", "platform_machine": machine}
    for python in ("3.11", "3.12", "3.13")
    for machine in ("x86_64", "aarch64")
]
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def _entries(name: str) -> list[Requirement]:
    text = (ROOT / f"requirements/{name}.lock").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return [Requirement(HASH.sub("", line).strip()) for line in lines]


def _applies(requirement: Requirement, place: dict[str, str], extra: str = "") -> bool:
    return requirement.marker is None or requirement.marker.evaluate({**place, "extra": extra})


def _versions(name: str, place: dict[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in _entries(name):
        if _applies(entry, place):
            assert canonicalize_name(entry.name) not in found, f"{entry.name} twice"
            found[canonicalize_name(entry.name)] = next(iter(entry.specifier)).version
    return found


def _asked_for(extras: list[str]) -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [Requirement(text) for text in project["dependencies"]]
    for extra in extras:
        for requirement in map(Requirement, project["optional-dependencies"][extra]):
            inner = requirement.name == project["name"]
            wanted += _asked_for(sorted(requirement.extras)) if inner else [requirement]
    return wanted


def _unmet(wanted: list[Requirement], versions: dict[str, str]) -> list[str]:
    return [
        str(requirement)
        for requirement in wanted
        if versions.get(canonicalize_name(requirement.name)) is None
        or not requirement.specifier.contains(versions[canonicalize_name(requirement.name)])
    ]


def test_each_file_has_its_extras() -> None:
    assert {path.stem for path in Path(ROOT / "requirements").iterdir()} == LOCKS.keys() | {"build"}


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place['python_version']}-{place['platform_machine']}")
@pytest.mark.parametrize("name", LOCKS)
def test_what_the_project_asks_for_is_locked(name: str, place: dict[str, str]) -> None:
    wanted = [requirement for requirement in _asked_for(LOCKS[name]) if _applies(requirement, place)]

    assert wanted
    assert _unmet(wanted, _versions(name, place)) == []


def test_what_builds_the_project_is_locked() -> None:
    system = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]

    assert _unmet([Requirement(text) for text in system["requires"]], _versions("build", PLACES[0])) == []


@pytest.mark.parametrize("name", LOCKS)
def test_what_locked_packages_ask_for_is_locked_too(name: str) -> None:
    versions = _versions(name, {})
    for entry in _entries(name):
        try:
            asked = [Requirement(text) for text in requires(entry.name) or ()]
        except PackageNotFoundError:
            continue  # not for this environment: another machine, or an extra that is not installed
        wanted = [found for found in asked if any(_applies(found, {}, extra) for extra in entry.extras or {""})]
        assert _unmet(wanted, versions) == [], entry.name


@pytest.mark.parametrize("name", LOCKS)
def test_the_same_version_is_in_every_file(name: str) -> None:
    everything = {entry.name: str(entry.specifier) for entry in _entries("fuzz")}

    assert {entry.name: str(entry.specifier) for entry in _entries(name)}.items() <= everything.items()


@pytest.mark.parametrize("name", [*LOCKS, "build"])
def test_each_version_is_pinned_by_hashes_and_comes_from_no_named_place(name: str) -> None:
    text = (ROOT / f"requirements/{name}.lock").read_text(encoding="utf-8")
    entries = [line for line in text.replace("\\\n", " ").splitlines() if not line.startswith("#")]

    assert entries
    assert [line for line in entries if not HASH.search(line) or not re.match(r"[a-z0-9-]+==\S+ ", line)] == []
    assert "://" not in text
    assert not re.search(r"^\s*-(?!-hash=)", text, flags=re.MULTILINE)
