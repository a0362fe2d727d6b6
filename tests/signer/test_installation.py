"""``init`` makes its files in a directory of its own, and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from signer.errors import ConfigurationInvalid
from signer.installation import create_installation
from tests.integration.running import free_port

NAMES = ("artifact-signer.toml.new", "artifact-signer.sqlite", "cert.crt", "private.key", "client.env", "admin.token",
         "softhsm2.conf", "token.pin", "token-officer.pin", "tokens", "spool", "artifact-signer.toml")  # fmt: skip


def init(directory: Path) -> None:
    create_installation(directory, bind=f"127.0.0.1:{free_port()}")


def link_to_elsewhere(directory: Path) -> None:
    elsewhere = directory.with_name("elsewhere")
    elsewhere.mkdir(mode=0o700)
    directory.symlink_to(elsewhere)


def link_to_nothing(directory: Path) -> None:
    directory.symlink_to("nowhere")


def put_a_file(directory: Path) -> None:
    directory.write_text("")


def open_the_parent(directory: Path) -> None:
    directory.parent.chmod(0o777)


def plant(name: str) -> Callable[[Path], None]:
    """A link in the directory, where ``init`` would write ``name``."""

    def planted(directory: Path) -> None:
        directory.mkdir()
        (directory / name).symlink_to(directory.with_name("target"))

    return planted


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "a link to a directory": (link_to_elsewhere, "is a link or a file"),
    "a link to nothing": (link_to_nothing, "is a link or a file"),
    "a file": (put_a_file, "is a link or a file"),
    "a directory that others could replace": (open_the_parent, "can be written by others"),
} | {f"a directory with a link named {name}": (plant(name), "") for name in NAMES}


@pytest.mark.parametrize("sentence", REFUSED)
def test_init_refuses(tmp_path: Path, sentence: str) -> None:
    spoil, says = REFUSED[sentence]
    directory = tmp_path / "parent" / "installation"
    directory.parent.mkdir()
    spoil(directory)
    before = tree(tmp_path)
    with pytest.raises(ConfigurationInvalid) as refusal:
        init(directory)
    assert says in refusal.value.problems[0]
    assert tree(tmp_path) == before


STRANGER = 12345
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@needs_root
@pytest.mark.parametrize("whose", ["", "artifact-signer.sqlite", "something"])
def test_what_belongs_to_another_user_is_refused(tmp_path: Path, whose: str) -> None:
    directory = tmp_path / "installation"
    directory.mkdir()
    if whose:
        (directory / whose).touch()
    os.chown(directory / whose, STRANGER, STRANGER)
    before = tree(tmp_path)
    with pytest.raises(ConfigurationInvalid) as refusal:
        init(directory)
    assert f"belongs to user {STRANGER}" in refusal.value.problems[0]
    assert tree(tmp_path) == before


def test_a_parent_that_a_group_can_write_is_taken(tmp_path: Path) -> None:
    tmp_path.chmod(0o775)
    init(tmp_path / "installation")


def test_a_directory_of_ones_own_is_taken_and_closed_to_others(tmp_path: Path) -> None:
    directory = tmp_path / "installation"
    directory.mkdir(mode=0o755)
    init(directory)
    assert directory.stat().st_mode & 0o777 == 0o700
    with pytest.raises(ConfigurationInvalid):
        init(directory)


def test_what_an_init_that_did_not_finish_left_is_replaced(tmp_path: Path) -> None:
    directory = tmp_path / "installation"
    init(directory)
    (directory / "artifact-signer.toml").unlink()
    init(directory)
    assert (directory / "artifact-signer.toml").is_file()


def tree(path: Path) -> set[tuple[str, bool]]:
    """Everything below, and whether it is a link."""
    return {(str(found), found.is_symlink()) for found in path.rglob("*")}
