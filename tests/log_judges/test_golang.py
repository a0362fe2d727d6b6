"""The log over HTTPS, read by Go's packages: at sizes around full tiles, each consistent with each one before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from signer.domain.identity import Role
from tests.support.certificates import server_context
from tests.support.logged_site import LoggedSite, logged_site
from tests.support.memory_log import NoteKey
from tests.support.serving import serving

from .golang import GoJudge

SIZES = (1, 2, 255, 256, 257, 600)


@contextmanager
def served(directory: Path, program: Path) -> Iterator[tuple[LoggedSite, GoJudge]]:
    """A log over TLS connections of the service's own, and the judge of it."""
    with logged_site(directory) as site, serving(site.application.front, tls=server_context(directory)) as service:
        authorization = directory / "authorization"
        authorization.write_text(site.application.credentials[Role.AUDITOR])
        yield (
            site,
            GoJudge(
                program=program,
                base=f"https://localhost:{service.address[1]}/v1/log",
                vkey=site.checkpoints.key.vkey,
                ca=directory / "server.crt",
                authorization=authorization,
            ),
        )


def test_every_size_is_accepted_and_consistent_with_every_one_before(tmp_path: Path, go_program: Path) -> None:
    older: list[Path] = []
    with served(tmp_path, go_program) as (site, judge):
        for size in SIZES:
            note = site.grow(size)
            verdict = judge.judge(older)
            assert verdict.size == size, verdict.said
            older.append(tmp_path / f"checkpoint-{size}")
            older[-1].write_bytes(note)
    assert len(older) == len(SIZES)


class TestTheJudgeItself:
    """It refuses what it should."""

    def test_a_checkpoint_by_another_key(self, tmp_path: Path, go_program: Path) -> None:
        with served(tmp_path, go_program) as (site, judge):
            site.grow(3)
            site.checkpoints.key = NoteKey()
            site.certify(3)
            assert judge.judge().size is None

    def test_an_older_checkpoint_of_another_log(self, tmp_path: Path, go_program: Path) -> None:
        with served(tmp_path, go_program) as (site, judge):
            site.grow(3)
            older = tmp_path / "older"
            older.write_bytes(site.checkpoints.key.signed(2, b"\x01" * 32))
            verdict = judge.judge([older])
            assert verdict.size is None
            assert "from 2 to 3" in verdict.said

    def test_a_root_that_is_not_the_trees(self, tmp_path: Path, go_program: Path) -> None:
        with served(tmp_path, go_program) as (site, judge):
            site.grow(3)
            site.checkpoints.note = site.checkpoints.key.signed(3, b"\x01" * 32)
            assert judge.judge().size is None

    @pytest.mark.parametrize("role", [Role.READER, Role.SIGNER])
    def test_one_who_may_not_read_the_log(self, tmp_path: Path, go_program: Path, role: Role) -> None:
        with served(tmp_path, go_program) as (site, judge):
            site.grow(3)
            judge.authorization.write_text(site.application.credentials[role])
            assert "status 403" in judge.judge().said
