"""The fault table, as a client over HTTPS sees it: what it is told, how long that takes, and nobody restarts anything.

The service runs with two workers in front of SoftHSM, behind a module that misbehaves on command. Four clients ask for
signatures all the time. Every answer comes before the deadline of a signature, and is a signature or a problem
document with ``Retry-After``; after the fault the service becomes ready by itself.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import pytest

from signer.config import load_settings
from signer.token import open_tokens
from tests.artifacts import ArtifactBuilder
from tests.hsm.children import children_of, ended
from tests.hsm.shim import command, compiled
from tests.integration.running import Installation, initialise, running, start, stop, wait_until
from tests.support.rows import slow_but

SIGNING_TIMEOUT = 3.0
GRACE = 1.5
CLIENTS = 4
GENERATION = "generation"
HEALTHY_WITHIN = 20.0
SETTINGS = {"SERVER_WORKERS": "2", "SIGNING_TIMEOUT": str(SIGNING_TIMEOUT), "READINESS_INTERVAL": "1"}
# The last one: the recorder's own process of the token has the same fault, and nothing leaves without a checkpoint.
UNAVAILABLE = {"token-unavailable", "token-deadline-exceeded", "token-busy", "checkpoint-unavailable"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Faulty:
    """An installation whose module obeys ``say``."""

    installation: Installation
    control: Path
    logins: Path

    def say(self, *commands: str) -> None:
        command(self.control, *commands)

    @property
    def store(self) -> Path:
        return self.installation.directory / "tokens"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def faulty(library: Path, tmp_path: Path) -> Faulty:
    installation = initialise(tmp_path / "installation")
    control, logins = tmp_path / "control", tmp_path / "logins"
    control.touch()
    text = installation.config.read_text()
    real = text.split("module-path=")[1].split('"')[0]
    environment = f'SHIM_MODULE = "{real}", SHIM_CONTROL = "{control}", SHIM_LOG = "{logins}", SOFTHSM2_CONF'
    text = text.replace(f"module-path={real}", f"module-path={library}").replace("SOFTHSM2_CONF", environment)
    installation.config.write_text(text)
    return Faulty(installation=installation, control=control, logins=logins)


@pytest.fixture
def served(faulty: Faulty) -> Iterator[Faulty]:
    with running(faulty.installation, **SETTINGS):
        made = faulty.installation.run("keys", "create", "firmware", "--algorithm", "ecdsa-p256")
        assert made.returncode == 0, made.stderr
        yield faulty
        faulty.say()


@dataclass(slots=True)
class Clients:
    """Four clients from ``with`` to the end of its block."""

    installation: Installation
    codes: list[tuple[float, str | None]] = field(default_factory=list)
    longest: float = 0.0
    # A manifest that was signed before is answered from the record, whatever the token does.
    numbers: Iterator[int] = field(default_factory=itertools.count)
    stopping: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Clients:
        self.threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()
        self.wait_for(lambda code: code is None)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join(SIGNING_TIMEOUT + GRACE)
            assert not thread.is_alive(), "a request hangs beyond its deadline"
        assert self.longest < SIGNING_TIMEOUT + GRACE

    def _ask(self) -> None:
        with self.installation.http() as http:
            while not self.stopping.is_set():
                manifest = ArtifactBuilder(name=f"release-{next(self.numbers)}").manifest()
                begun = time.monotonic()
                answer = http.post("/v1/keys/firmware/signatures", content=manifest)
                taken = time.monotonic() - begun
                code = None if answer.status_code == 200 else str(answer.json()["code"])
                if code in UNAVAILABLE:
                    assert answer.status_code == 503
                    assert int(answer.headers["Retry-After"]) >= 1
                self.longest = max(self.longest, taken)
                self.codes.append((begun, code))
                if code is not None:
                    self.stopping.wait(0.02)

    def wait_for(self, wanted: Callable[[str | None], bool]) -> float:
        """Wait for an answer, to a request begun from now on, that is ``wanted``; returns the seconds it took."""
        begun = time.monotonic()
        while time.monotonic() - begun < HEALTHY_WITHIN:
            if any(at >= begun and wanted(code) for at, code in list(self.codes)):
                return time.monotonic() - begun
            time.sleep(0.02)
        raise AssertionError(f"not seen: {sorted({str(code) for _, code in self.codes})}")

    @property
    def seen(self) -> set[str | None]:
        return {code for _, code in self.codes}


def readiness(installation: Installation) -> dict[str, str | None]:
    """Names and codes of the conditions, over all workers."""
    with installation.http() as http:
        document = http.get("/readyz").json()
    return {condition["name"]: condition["code"] for condition in document["conditions"]}


def awaited(installation: Installation, name: str, code: str | None) -> None:
    """Wait until the condition ``name`` has ``code``."""
    begun = time.monotonic()
    while time.monotonic() - begun < HEALTHY_WITHIN:
        if readiness(installation).get(name, "absent") == code:
            return
        time.sleep(0.05)
    raise AssertionError(readiness(installation))


TRANSIENT = {
    "a module that hangs": "C_Sign block",
    "a module that crashes": "C_Sign abort",
    "a token that was taken out": "C_Sign return 0xE0",
    "a device that fails": "C_Sign return 0x30",
    "a session table that is full": "C_OpenSession limit 0",
}


@pytest.mark.parametrize("name", slow_but(set(), TRANSIENT))
def test_a_module_that_fails_and_recovers(served: Faulty, name: str) -> None:
    with Clients(served.installation) as clients:
        served.say(TRANSIENT[name])
        if "full" in name:
            # What is open stays open: only a new process needs sessions.
            kill_token_processes(served.installation)
        clients.wait_for(lambda code: code is not None)
        awaited(served.installation, "key firmware", "token-unavailable")
        served.say()
        clients.wait_for(lambda code: code is None)
        awaited(served.installation, "key firmware", None)
    assert clients.seen <= {None, *UNAVAILABLE}


def token_processes(installation: Installation) -> list[int]:
    """The token processes of all workers, and of the recorder."""
    (master,) = [int(line.split("(")[1].rstrip(")")) for line in installation.log_lines() if "Listening at" in line][
        -1:
    ]
    return [child for worker in children_of(master) for child in children_of(worker)]


def kill_token_processes(installation: Installation) -> list[int]:
    """Kill them all, but not while one of them is opening the token.

    At each login SoftHSM writes ``token.object`` anew; an end in that moment leaves it empty, and the token is lost.
    """
    with opening_locked(installation):
        killed = token_processes(installation)
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        assert all(ended(pid) for pid in killed)
    return killed


@contextmanager
def opening_locked(installation: Installation) -> Iterator[None]:
    """No process opens a token inside of this."""
    with ExitStack() as stack:
        for path in sorted((installation.directory / "spool").glob("*.lock")):
            fcntl.flock(stack.enter_context(path.open("rb")), fcntl.LOCK_EX)
        yield


def test_killed_token_processes_cost_no_request(served: Faulty) -> None:
    with Clients(served.installation) as clients:
        assert len(kill_token_processes(served.installation)) == 2 + 1
        clients.wait_for(lambda code: code is None)
        awaited(served.installation, "key firmware", None)
    assert clients.seen == {None}


@pytest.mark.slow
def test_token_processes_that_are_killed_again_and_again_are_replaced(served: Faulty) -> None:
    with Clients(served.installation) as clients:
        for _ in range(4):
            kill_token_processes(served.installation)
            clients.wait_for(lambda code: code is None)
            awaited(served.installation, "key firmware", None)
    # Each failure in a row delays the next start a little more: some requests are asked to come again.
    assert clients.seen <= {None, *UNAVAILABLE}


@pytest.mark.slow
def test_no_token_process_survives_its_worker(served: Faulty) -> None:
    children = token_processes(served.installation)
    for pid in children:
        worker = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        os.kill(worker, signal.SIGKILL)
    assert all(ended(pid) for pid in children)
    awaited(served.installation, "key firmware", None)


@pytest.mark.slow
def test_a_store_that_is_moved_away_and_back(served: Faulty) -> None:
    away = served.store.with_name("away")
    with Clients(served.installation) as clients:
        served.store.rename(away)
        clients.wait_for(lambda code: code in UNAVAILABLE)
        awaited(served.installation, "key firmware", "token-unavailable")
        away.rename(served.store)
        clients.wait_for(lambda code: code is None)
        awaited(served.installation, "key firmware", None)
    assert clients.seen <= {None, *UNAVAILABLE}


@pytest.mark.slow
def test_a_key_that_was_deleted_is_named_and_comes_back_with_its_backup(served: Faulty, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    shutil.copytree(served.store, backup)
    with Clients(served.installation) as clients:
        delete_all_keys(served.installation)
        clients.wait_for(lambda code: code == "token-key-not-found")
        awaited(served.installation, "key firmware", "token-key-not-found")
        with opening_locked(served.installation):
            put_back(backup, served.store)
        clients.wait_for(lambda code: code is None)
        awaited(served.installation, "key firmware", None)
    assert clients.seen <= {None, "token-key-not-found", *UNAVAILABLE}


def put_back(backup: Path, store: Path) -> None:
    """Each file whole, and last the one that tells open tokens to look again: else they look too early, and once."""
    files = [path.relative_to(backup) for path in backup.rglob("*") if path.is_file()]
    for name in sorted(files, key=lambda name: name.name == GENERATION):
        partial = (store / name).with_name(f"{name.name}.part")
        shutil.copy2(backup / name, partial)
        partial.replace(store / name)


def delete_all_keys(installation: Installation) -> None:
    """Behind the service's back, by another program that has the PIN."""
    pool = open_tokens(load_settings(installation.config, {}))
    pool.start()
    try:
        for found in pool.find_keys("softhsm", timeout=SIGNING_TIMEOUT):
            pool.destroy("softhsm", found.key_id, timeout=SIGNING_TIMEOUT)
    finally:
        pool.close()


def test_a_token_that_lies_is_quarantined_until_a_person_enables_it(served: Faulty) -> None:
    installation = served.installation
    with Clients(installation) as clients:
        served.say("C_Sign corrupt")
        clients.wait_for(lambda code: code == "version-quarantined")
        awaited(installation, "key firmware", "version-quarantined")
        refused = installation.run("keys", "enable", "firmware", "--version", "1")
        assert refused.returncode == 1
        assert "does not verify" in refused.stderr
        served.say()
        awaited(installation, "key firmware", "version-quarantined")
        # The log's key is in the same token, and was found out as well.
        awaited(installation, "key log", "version-quarantined")
        for key in ("log", "firmware"):
            enabled = installation.run("keys", "enable", key, "--version", "1")
            assert enabled.returncode == 0, enabled.stderr
        clients.wait_for(lambda code: code is None)
        awaited(installation, "key firmware", None)
    events = installation.run("events", "--key", "firmware").stdout
    assert events.count("version-quarantined") == 1


@pytest.mark.slow
def test_a_wrong_pin_is_tried_once_and_mended_without_a_restart(faulty: Faulty) -> None:
    installation = faulty.installation
    pin_file = installation.directory / "token.pin"
    right = pin_file.read_text()
    pin_file.write_text("not the PIN")
    process = start(installation, **SETTINGS)
    try:
        wait_until(installation, "/healthz", 200, process)
        awaited(installation, "token softhsm", "token-pin-rejected")
        time.sleep(2)  # long enough for several rounds of any retrying
        assert faulty.logins.stat().st_size == 1
        pin_file.write_text(right)
        wait_until(installation, "/readyz", 200, process)
    finally:
        stop(process)
    log = installation.log.read_text()
    assert right not in log
    assert "not the PIN" not in log
