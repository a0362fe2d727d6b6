"""``artifact-signer ci-sessions``: on a database, and over the real routes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from signer.bootstrap import utc_now
from signer.cli import access_sources
from signer.storage.ci_session_store import SqlCiSessionStore
from signer.storage.database import Database
from tests.cli.test_access_commands import CONFIG, Shell, _Routes
from tests.docs.application import application
from tests.support.databases import settings
from tests.support.rivals import ci_session, token_use

ID = f"{1:016x}"


@pytest.fixture(params=["on the database", "over the API"])
def shell(
    request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shell]:
    """With three sessions, two of them of one identity."""
    if request.param == "over the API":
        site = application(tmp_path)

        @contextmanager
        def connected() -> Iterator[_Routes]:
            yield _Routes(site)

        monkeypatch.setattr(access_sources, "connected", connected)
        _begin(tmp_path / "test.sqlite")
        yield Shell(capsys, tmp_path)
        site.close()
        return
    request.getfixturevalue("sqlite_url")
    (tmp_path / "artifact-signer.toml").write_text(CONFIG)
    _begin(tmp_path / "signer.sqlite")
    yield Shell(capsys, tmp_path, "--config", str(tmp_path / "artifact-signer.toml"))


def _begin(path: Path) -> None:
    database, now = Database(settings(f"sqlite:///{path}")), datetime.now(UTC)
    store = SqlCiSessionStore(database=database, clock=utc_now)
    try:
        for number in (1, 2, 3):
            session = ci_session(number, now, subject="456789" if number < 3 else "1")
            store.begin(token_use(number, now), session, "j" * 64)
    finally:
        database.close()


def _revoked(shell: Shell) -> list[bool]:
    document = json.loads(shell("ci-sessions", "list", "--json").out)
    return [each["revoked_at"] is not None for each in document["sessions"]]


def test_sessions_are_listed_with_the_run_that_they_are_for(shell: Shell) -> None:
    done = shell("ci-sessions", "list")
    heading, first, *_ = done.out.splitlines()
    assert heading.split() == ["SESSION", "IDENTITY", "RUN", "EXPIRES", "REVOKED"]
    assert first.split()[:3] == [ID, "ci:github/456789", "ref=refs/heads/main"]
    assert _revoked(shell) == [False] * 3


def test_one_is_revoked_once(shell: Shell) -> None:
    done = shell("ci-sessions", "revoke", ID, "--reason", "leaked")
    assert (done.code, done.err) == (0, f"artifact-signer: revoked {ID}\n")
    assert _revoked(shell) == [True, False, False]
    again = shell("ci-sessions", "revoke", ID, "--reason", "leaked")
    assert again.code == 1
    assert f"no CI session {ID} that still holds" in again.err


def test_all_of_an_identity_are_revoked(shell: Shell) -> None:
    done = shell("ci-sessions", "revoke", "--identity", "ci:github/456789", "--reason", "leaked")
    assert (done.code, done.err) == (0, "artifact-signer: revoked 2 sessions of ci:github/456789\n")
    assert _revoked(shell) == [True, True, False]


REFUSED: dict[str, tuple[tuple[str, ...], int]] = {
    "neither": (("--reason", "r"), 2),
    "both": ((ID, "--identity", "ci:github/1", "--reason", "r"), 2),
    "no reason": ((ID,), 2),
    "a reason of nothing": ((ID, "--reason", " "), 1),
    "an identity that is none": (("--identity", "github", "--reason", "r"), 1),
    "a session that nobody has": (("0" * 16, "--reason", "r"), 1),
    "a session that is none": (("asx_", "--reason", "r"), 1),
}


@pytest.mark.parametrize(("arguments", "code"), REFUSED.values(), ids=REFUSED)
def test_nothing_is_revoked(shell: Shell, arguments: tuple[str, ...], code: int) -> None:
    assert shell("ci-sessions", "revoke", *arguments).code == code
    assert _revoked(shell) == [False] * 3
