"""The repository as a whole: its container recipe, its dependencies, and that it speaks only of itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from .sources import ROOT

SCRIPTS = ROOT / "scripts"
# Making a user for the service has no meaning outside of an image.
RUNS_WITHOUT_A_SCRIPT = re.compile(r"useradd --system .* artifact-signer")
# The pieces are joined here so that this file does not hold what it looks for.
MACHINE_PATHS = ["/".join(["", place, ""]) for place in ("work", "Users", "root/workspace", "workspace", "mnt/data")]
MACHINE_PATHS += ["/".join(["", "home", ""])]


RECIPES = ("Dockerfile", "deploy/integrations/container/Containerfile")


def _lines(instruction: str) -> list[str]:
    """What follows an instruction in the recipes of images."""
    texts = [(ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ") for name in RECIPES]
    lines = [line for text in texts for line in text.splitlines()]
    return [line.removeprefix(instruction).strip() for line in lines if line.startswith(f"{instruction} ")]


def _run_steps() -> list[str]:
    return _lines("RUN")


def test_the_container_recipe_has_steps() -> None:
    assert len(_run_steps()) > 1


@pytest.mark.parametrize("step", _run_steps())
def test_each_step_of_the_image_is_a_script_that_runs_outside_too(step: str) -> None:
    if RUNS_WITHOUT_A_SCRIPT.fullmatch(step):
        return
    command = step.split(maxsplit=1)[0]
    assert not re.search(r"[;&|]", step), "one script for each step"
    assert os.access(SCRIPTS / Path(command).name, os.X_OK)


@pytest.mark.parametrize("copied", [line for line in _lines("COPY") if not line.startswith("--from")])
def test_what_an_image_copies_exists(copied: str) -> None:
    assert (ROOT / copied.split(maxsplit=1)[0]).exists()


def _project() -> dict[str, object]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert isinstance(project, dict)
    return project


def test_a_device_installs_one_dependency() -> None:
    dependencies = _project()["dependencies"]
    assert isinstance(dependencies, list)
    assert [re.split(r"[<>=!~ ]", name)[0] for name in dependencies] == ["cryptography"]


def test_there_are_the_documented_extras() -> None:
    extras = _project()["optional-dependencies"]
    assert isinstance(extras, dict)
    assert {"fast", "device", "hsm", "service", "postgres", "dev"} <= extras.keys()


def _repository_files() -> list[Path]:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: which files belong to the repository is not known")
    listed = subprocess.run(
        [git, "-C", str(ROOT), "-c", f"safe.directory={ROOT}", "ls-files", "-z"], check=True, capture_output=True
    ).stdout
    return [ROOT / os.fsdecode(name) for name in listed.split(b"\0") if name]


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    # A path that continues a longer one, as in "tests/home/", is a place of the repository.
    pattern = re.compile("|".join(rf"(?<![\w.*}}/-]){re.escape(path)}" for path in MACHINE_PATHS).encode())
    naming = {
        f"{path.relative_to(ROOT)}: {match.group().decode()}"
        for path in _repository_files()
        if path.is_file()
        for match in [pattern.search(path.read_bytes())]
        if match
    }
    assert naming == set()
