"""Where processes agree who opens a token, and what they remember."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hsm.errors import ConfigurationError, TokenBusy, TokenUnavailable
from hsm.parent.lock_location import lock_directory, lock_group
from hsm.worker.sessions import Sessions
from hsm.worker.token_lock import TokenLock

HOLDER = """
import sys, time
from pathlib import Path
from hsm.worker.token_lock import TokenLock
with TokenLock(Path(sys.argv[1]), group="g", clock=time.monotonic).opening(5):
    print("held", flush=True)
    sys.stdin.read()
"""


def lock_in(directory: Path, group: str = "g") -> TokenLock:
    """The lock of a group of tokens."""
    return TokenLock(directory, group=group, clock=time.monotonic)


def open_to_others(directory: Path) -> None:
    directory.mkdir()
    directory.chmod(0o755)


UNSAFE: dict[str, Callable[[Path], object]] = {
    "a directory that others may read": open_to_others,
    "a link to a directory": lambda path: path.symlink_to(path.parent),
    "a file": lambda path: path.touch(),
}


@pytest.mark.parametrize("row", UNSAFE)
def test_a_default_directory_that_is_not_ours_alone_is_refused(tmp_path: Path, row: str) -> None:
    UNSAFE[row](tmp_path / "artifact-signer")
    with pytest.raises(ConfigurationError) as refused:
        lock_directory(None, {"XDG_RUNTIME_DIR": str(tmp_path)})
    assert refused.value.setting == "lock_directory"


def test_the_default_directory_is_made_private(tmp_path: Path) -> None:
    made = lock_directory(None, {"XDG_RUNTIME_DIR": str(tmp_path)})
    assert made == tmp_path / "artifact-signer"
    assert made.stat().st_mode & 0o777 == 0o700
    assert lock_directory(None, {"XDG_RUNTIME_DIR": str(tmp_path)}) == made


def test_without_a_runtime_directory_the_user_has_one_of_its_own() -> None:
    assert lock_directory(None, {}).name == f"artifact-signer-{os.getuid()}"


def test_a_configured_directory_is_made_with_its_parents(tmp_path: Path) -> None:
    assert lock_directory(tmp_path / "a" / "b", {}).is_dir()


def test_a_configured_directory_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError):
        lock_directory(tmp_path / "file" / "below", {})


def test_a_lock_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "g.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError), lock_in(tmp_path).opening(10):
        pass


def test_one_process_holds_the_lock_and_its_end_frees_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        got = threading.Event()

        def take() -> None:
            with lock_in(tmp_path).opening(10):
                got.set()

        taker = threading.Thread(target=take, daemon=True)
        taker.start()
        assert not got.wait(0.3)
        with lock_in(tmp_path, "another").opening(0):
            pass
        holder.kill()
        assert got.wait(10)
        taker.join(10)


def test_the_wait_for_the_lock_has_an_end(tmp_path: Path) -> None:
    with lock_in(tmp_path).opening(0):
        started = time.monotonic()
        with pytest.raises(TokenBusy) as refused, lock_in(tmp_path).opening(0.2):
            pass
        assert 0.2 <= time.monotonic() - started < 5
    assert refused.value.reason == "another process keeps the opening lock"
    assert refused.value.retry_after is not None


def test_who_makes_a_key_keeps_nobody_from_opening(tmp_path: Path) -> None:
    another = lock_in(tmp_path)
    with lock_in(tmp_path).writing(0), another.opening(0), pytest.raises(TokenBusy) as refused, another.writing(0.05):
        pass
    assert refused.value.reason == "another process makes or removes a key"


def sessions_of(lock: TokenLock, critical: Callable[[], Any] = nullcontext, *, threads: bool = True) -> Sessions:
    """Of a token that opens at once, with waits of a fifth of a second."""
    module = SimpleNamespace(threads=threads, finalize=lambda: None, initialize=lambda: None)
    token = SimpleNamespace(open=lambda **_: SimpleNamespace(close=lambda: None))
    login: Any = SimpleNamespace(
        module=module,
        lock=lock,
        guard=SimpleNamespace(critical=critical),
        setup=SimpleNamespace(grace=0.2),
        open=lambda: SimpleNamespace(found=SimpleNamespace(token=token)),
    )
    sessions = Sessions(login, most=1, timeout=0.2, clock=time.monotonic)
    sessions.open()
    return sessions


@pytest.mark.timeout(30)
def test_a_reload_waits_for_the_lock_no_longer_than_for_a_session(tmp_path: Path) -> None:
    sessions = sessions_of(lock_in(tmp_path))
    with lock_in(tmp_path).opening(0), pytest.raises(TokenBusy, match="token-busy"):
        sessions.reopen()
    sessions.reopen()


@pytest.mark.timeout(30)
def test_who_makes_a_key_waits_for_another_no_longer_than_for_a_start(tmp_path: Path) -> None:
    sessions = sessions_of(lock_in(tmp_path))
    with lock_in(tmp_path).writing(0), pytest.raises(TokenBusy), sessions.writing():
        pass
    with sessions.writing():
        pass


def test_a_process_does_not_end_while_it_writes(tmp_path: Path) -> None:
    seen: list[str] = []

    @contextmanager
    def critical() -> Iterator[None]:
        seen.append("begun")
        yield
        seen.append("ended")

    with sessions_of(lock_in(tmp_path), critical).writing():
        assert seen == ["begun"]
    assert seen == ["begun", "ended"]


def test_a_module_that_cannot_lock_has_one_session(tmp_path: Path) -> None:
    sessions = sessions_of(lock_in(tmp_path), threads=False)
    with sessions.borrow(), pytest.raises(TokenBusy), sessions.borrow():
        pass
    with sessions.borrow():
        pass


def test_a_reload_waits_for_those_who_have_a_session(tmp_path: Path) -> None:
    sessions = sessions_of(lock_in(tmp_path))
    with sessions.borrow(), pytest.raises(TokenUnavailable) as refused:
        sessions.reopen()
    assert refused.value.reason == "sessions did not come back"
    sessions.reopen()


def test_what_worked_before_a_reload_proves_nothing_after_it(tmp_path: Path) -> None:
    sessions = sessions_of(lock_in(tmp_path))
    sessions.proven = True
    sessions.reopen()
    assert not sessions.proven


def test_handles_are_not_used_after_keys_were_made_or_removed(tmp_path: Path) -> None:
    sessions = sessions_of(lock_in(tmp_path))
    with sessions.borrow() as working:
        working.handles[b"key"] = object()
    with sessions.borrow() as working:
        assert working.handles
    with sessions.writing():
        pass
    with sessions.borrow() as working:
        assert not working.handles


def test_what_is_opened_together_is_named_by_module_and_environment() -> None:
    one, other = {"SOFTHSM2_CONF": "/a", "B": "1"}, {"SOFTHSM2_CONF": "/b", "B": "1"}
    module = Path("/lib/m.so")
    assert lock_group(module, one) == lock_group(module, dict(reversed(one.items())))
    assert len({lock_group(module, one), lock_group(module, other), lock_group(Path("/lib/n.so"), one)}) == 3


def test_a_refused_source_is_remembered_for_its_token_alone(tmp_path: Path) -> None:
    lock = lock_in(tmp_path)
    assert lock.refused("a") is None
    lock.refuse("a", "file 1 2 3")
    assert (lock.refused("a"), lock.refused("b")) == ("file 1 2 3", None)
    assert lock_in(tmp_path, "h").refused("a") is None
    lock.refuse("a", "file 4 5 6")
    assert lock.refused("a") == "file 4 5 6"
    lock.accept("a")
    lock.accept("a")
    assert lock.refused("a") is None
