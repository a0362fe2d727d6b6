"""The life of a token's process: what it has, what it cannot do, and when it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from hsm import TokenPool, TokenState
from hsm.errors import ConfigurationError, TokenUnavailable
from tests.hsm.children import END_SECONDS, children_of, ended, only_root_sees, pid_of, said, server, status
from tests.hsm.conftest import OpenPool, make_key
from tests.hsm.shim import Shim
from tests.hsm.softhsm import PIN, SoftHsm

WITHOUT_CAPABILITIES = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def test_it_leaves_no_core_and_gains_no_privilege(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    pid = pid_of(open_pool(softhsm.config))
    assert status(pid)["NoNewPrivs"] == "1"
    limits = Path(f"/proc/{pid}/limits").read_text()
    assert next(line for line in limits.splitlines() if line.startswith("Max core")).split()[4:6] == ["0", "0"]


def test_its_own_user_cannot_look_into_it(softhsm: SoftHsm) -> None:
    with server(softhsm.config, command=WITHOUT_CAPABILITIES) as parent:
        assert said(parent) == "started"
        pid = int(said(parent).split()[1])
        assert readable_by_its_user(parent.pid), "what can be read of an ordinary process"
        assert not readable_by_its_user(pid)


def readable_by_its_user(pid: int) -> bool:
    """Whether another process of this user, without any capability, may look into ``pid``."""
    looking = [*WITHOUT_CAPABILITIES, "cat", f"/proc/{pid}/environ"]
    return subprocess.run(looking, capture_output=True, check=False, timeout=END_SECONDS).returncode == 0


def test_it_is_in_a_session_of_its_own(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    pid = pid_of(open_pool(softhsm.config))
    assert os.getsid(pid) == pid
    assert os.getsid(pid) != os.getsid(0)


@only_root_sees
def test_it_inherits_sockets_and_nothing_else(softhsm: SoftHsm, open_pool: OpenPool, tmp_path: Path) -> None:
    secret = tmp_path / "open in the parent"
    secret.touch()
    with secret.open("rb") as opened:
        os.set_inheritable(opened.fileno(), True)
        pid = pid_of(open_pool(softhsm.config))
        held = [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()]
    assert str(secret) not in held
    assert len([path for path in held if path.startswith("socket:")]) == softhsm.config.sessions + 3


@only_root_sees
def test_its_environment_is_the_configured_one(
    softhsm: SoftHsm, open_pool: OpenPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANOTHER_SECRET", "of the web server")
    pid = pid_of(open_pool(softhsm.config))
    variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    names = {variable.partition(b"=")[0].decode() for variable in variables if variable}
    assert names <= {"PATH", "LANG", "HOME", "TZ", "SOFTHSM2_CONF"}


@pytest.mark.parametrize("number", IGNORED, ids=lambda number: number.name)
def test_it_outlives_signals_to_the_group(softhsm: SoftHsm, open_pool: OpenPool, number: signal.Signals) -> None:
    pool = open_pool(softhsm.config)
    key, pid = make_key(pool), pid_of(pool)
    os.kill(pid, number)
    assert pool.sign(key, b"still there")
    assert pid_of(pool) == pid


def test_it_ends_when_the_pool_is_closed(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    pool = open_pool(softhsm.config)
    key, pid = make_key(pool), pid_of(pool)
    pool.close()
    assert ended(pid)
    with pytest.raises(TokenUnavailable) as refused:
        pool.sign(key, b"")
    assert refused.value.retry_after is None
    pool.close()


def test_closing_leaves_no_descriptor_and_no_thread_behind(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    open_pool(softhsm.config).close()
    descriptors, threads = open_descriptors(), threading.active_count()
    for _ in range(3):
        pool = open_pool(softhsm.config)
        make_key(pool, key_id=os.urandom(8), label=os.urandom(8).hex())
        os.kill(pid_of(pool), signal.SIGKILL)
        assert pool.wait_ready(END_SECONDS)
        pool.close()
    assert open_descriptors() == descriptors
    assert threading.active_count() == threads


def open_descriptors() -> set[str]:
    """What this process has open. The list itself is open while it is read, as the next free number."""
    return {path.name for path in Path("/proc/self/fd").iterdir()}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM], ids=lambda number: number.name)
def test_it_does_not_survive_its_parent(softhsm: SoftHsm, number: signal.Signals) -> None:
    with server(softhsm.config) as parent:
        assert said(parent) == "started"
        ready, pid = said(parent).split()
        assert ready == "ready"
        os.kill(parent.pid, number)
        assert ended(int(pid))


def test_it_does_not_survive_its_parent_even_when_it_is_stopped(softhsm: SoftHsm) -> None:
    with server(softhsm.config) as parent:
        assert said(parent) == "started"
        pid = int(said(parent).split()[1])
        os.kill(pid, signal.SIGSTOP)
        os.kill(parent.pid, signal.SIGKILL)
        assert ended(pid)


def test_it_does_not_survive_its_parent_while_the_module_hangs(shim: Shim) -> None:
    with server(shim.hsm.with_(start_timeout=3.0)) as parent:
        shim.say("C_FindObjectsInit block")
        pid = logging_in(parent, shim)
        os.kill(parent.pid, signal.SIGKILL)
        assert ended(pid)


def test_a_login_that_has_begun_is_finished_although_the_parent_is_gone(shim: Shim, open_pool: OpenPool) -> None:
    shim.say("C_Login hold")
    with server(shim.hsm.config) as parent:
        pid = logging_in(parent, shim)
        os.kill(parent.pid, signal.SIGKILL)
        assert parent.wait(END_SECONDS)
        assert not ended(pid, within=0.5)
        shim.say()
        assert ended(pid)
    assert open_pool(shim.hsm.config)


def test_a_login_that_hangs_does_not_keep_it_for_ever(shim: Shim) -> None:
    shim.say("C_Login block")
    with server(shim.hsm.with_(start_timeout=3.0)) as parent:
        pid = logging_in(parent, shim)
        os.kill(parent.pid, signal.SIGKILL)
        assert ended(pid)


def logging_in(parent: subprocess.Popen[str], shim: Shim) -> int:
    """Wait until the server's token process has begun to log in; returns its number."""
    assert said(parent) == "started"
    pause = threading.Event()
    for _ in range(1000):
        if shim.logins:
            (pid,) = children_of(parent.pid)
            return pid
        pause.wait(0.02)
    raise AssertionError("nobody logs in")


@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_token_used_after_a_fork_is_refused(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    pool = open_pool(softhsm.config)
    key = make_key(pool)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writing, _after_fork(pool, key).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        assert answer.read() == f"{ConfigurationError.code} used after a fork"
    assert pool.sign(key, b"the parent goes on")


def _after_fork(pool: TokenPool, key: object) -> str:
    try:
        pool.sign(key, b"")  # type: ignore[arg-type]
    except ConfigurationError as error:
        pool.close()
        return f"{error.code} {error.reason}"
    return "signed"


@only_root_sees
def test_the_pin_is_in_no_command_line_and_no_environment(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    pid = pid_of(open_pool(softhsm.config))
    for name in ("cmdline", "environ"):
        for owner in (pid, os.getpid()):
            assert PIN.encode() not in Path(f"/proc/{owner}/{name}").read_bytes()


def test_the_pin_never_enters_the_memory_of_the_parent(softhsm: SoftHsm) -> None:
    """The server reads nothing that holds the PIN; its whole memory is searched for it."""
    with server(softhsm.config) as parent:
        assert said(parent) == "started"
        assert said(parent).startswith("ready")
        assert not _found_in_memory(parent.pid, PIN.encode())
        assert _found_in_memory(parent.pid, softhsm.serial.encode()), "the search finds what is there"


def test_the_pin_is_in_no_text_of_the_package(softhsm: SoftHsm, open_pool: OpenPool) -> None:
    softhsm.pin_file.write_text("wrong " + PIN)
    pool = open_pool(softhsm.config, ready=False)
    with pytest.raises(Exception, match="token-pin-rejected") as refused:
        pool.require_ready("demo")
    texts = [
        repr(refused.value),
        str(refused.value),
        repr(pool.health()),
        repr(softhsm.config),
        repr(pool.describe("demo")),
    ]
    assert not [text for text in texts if PIN in text]
    locks = softhsm.config.lock_directory
    assert locks is not None
    assert not [path for path in locks.iterdir() if PIN.encode() in path.read_bytes()]


def _found_in_memory(pid: int, secret: bytes) -> bool:
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            area, rights, *rest = line.split()
            if not rights.startswith("rw") or rest[-1:] in (["[vvar]"], ["[vsyscall]"]):
                continue
            start, end = (int(part, 16) for part in area.split("-"))
            memory.seek(start)
            try:
                if secret in memory.read(end - start):
                    return True
            except OSError:
                continue
    return False


def test_a_state_is_told_from_start_to_close(softhsm: SoftHsm) -> None:
    pool = TokenPool([softhsm.config])
    pool.start()
    assert pool.health()[0].state in (TokenState.STARTING, TokenState.READY)
    assert pool.wait_ready(END_SECONDS)
    health = pool.health()[0]
    assert (health.name, health.state, health.last_error, health.restarts) == ("demo", TokenState.READY, None, 0)
    pool.close()
