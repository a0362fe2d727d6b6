"""Modules that give every caller an instance of its own: p11-kit's proxy, and its client for a module elsewhere.

This is how tokens reach containers, and every token on some distributions. Debian: p11-kit, p11-kit-modules.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hsm import PinnedKey, SignRequest, TokenConfig, TokenUri
from hsm.errors import TokenUnavailable
from hsm.worker.module import Module
from tests.hsm.children import pid_of
from tests.hsm.conftest import OpenPool, make_key
from tests.hsm.judging import verify
from tests.hsm.softhsm import SoftHsm, module_path

DIRECTORIES = [Path(f"/usr/lib/{name}") for name in ("x86_64-linux-gnu", "aarch64-linux-gnu")] + [Path("/usr/lib64")]


def library(name: str) -> Path:
    """A module of p11-kit; skips the test where it is not installed."""
    found = next((path / name for path in DIRECTORIES if (path / name).exists()), None)
    if found is None or shutil.which("p11-kit") is None:
        pytest.skip(f"no {name} (Debian: p11-kit p11-kit-modules)")
    return found


@contextmanager
def through_proxy(softhsm: SoftHsm, directory: Path) -> Iterator[TokenConfig]:
    """All modules that p11-kit is configured with, as one; here SoftHSM is one of them."""
    modules = directory / "config" / "pkcs11" / "modules"
    modules.mkdir(parents=True)
    (modules / "under-test.module").write_text(f"module: {module_path()}\n")
    uri = TokenUri(token="demo", serial=softhsm.serial, module_path=library("p11-kit-proxy.so"))
    environment = {**softhsm.config.environment, "XDG_CONFIG_HOME": str(directory / "config")}
    yield softhsm.with_(uri=uri, environment=environment)


@contextmanager
def through_server(softhsm: SoftHsm, directory: Path) -> Iterator[TokenConfig]:
    """SoftHSM in a server of its own, reached over a socket."""
    module = library("pkcs11/p11-kit-client.so")
    address = directory / "p11-kit.socket"
    address.unlink(missing_ok=True)
    command = ["p11-kit", "server", "--foreground", "--name", str(address), "--provider", str(module_path())]
    environment = {**os.environ, **softhsm.config.environment, "XDG_RUNTIME_DIR": str(directory)}
    with subprocess.Popen(
        [*command, "pkcs11:"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as server:
        try:
            assert server.stdout is not None
            said = server.stdout.readline()  # it says where it listens when it does
            assert "P11_KIT_SERVER_ADDRESS" in said, said
            uri = TokenUri(token="demo", serial=softhsm.serial, module_path=module)
            yield softhsm.with_(uri=uri, environment={"P11_KIT_SERVER_ADDRESS": f"unix:path={address}"})
        finally:
            os.killpg(server.pid, signal.SIGKILL)  # with the processes that it has for its clients


WAYS = {"the proxy": through_proxy, "a server": through_server}


@pytest.mark.parametrize("way", WAYS)
def test_a_token_behind_p11_kit_makes_keys_and_signs(
    softhsm: SoftHsm, open_pool: OpenPool, tmp_path: Path, way: str
) -> None:
    with WAYS[way](softhsm, tmp_path) as config:
        pool = open_pool(config)
        key = make_key(pool)
        asked = [SignRequest(key, b"%d" % number) for number in range(100)]
        for request, outcome in zip(asked, pool.sign_many(asked), strict=True):
            verify(request, outcome)
        assert pool.find_key("demo", key_id=key.key_id).spki == key.spki
        assert pool.describe("demo").serial == softhsm.serial
        pool.close()


@pytest.mark.parametrize("way", WAYS)
def test_many_threads_share_a_token_behind_p11_kit(
    softhsm: SoftHsm, open_pool: OpenPool, tmp_path: Path, way: str
) -> None:
    wrong: list[object] = []

    def work(key: PinnedKey) -> None:
        try:
            for number in range(50):
                pool.sign(key, b"%d" % number)
        except Exception as error:  # noqa: BLE001  (whatever it is, the test fails)
            wrong.append(error)

    with WAYS[way](softhsm, tmp_path) as config:
        pool = open_pool(config)
        key, pid = make_key(pool), pid_of(pool)
        threads = [threading.Thread(target=work, args=(key,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert wrong == []
        assert pid_of(pool) == pid
        pool.close()


def test_a_server_that_ends_and_comes_back(softhsm: SoftHsm, open_pool: OpenPool, tmp_path: Path) -> None:
    with through_server(softhsm, tmp_path) as config:
        pool = open_pool(config)
        key = make_key(pool)
    with pytest.raises(TokenUnavailable):
        pool.sign(key, b"nobody there", timeout=2)
    with through_server(softhsm, tmp_path):
        assert pool.wait_ready(10)
        verify(SignRequest(key, b"there again"), pool.sign(key, b"there again"))
        pool.close()


def test_the_list_that_is_initialised_is_the_one_that_is_used(
    softhsm: SoftHsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a module has one list, it has to be the list that was found in the library's object."""
    monkeypatch.setenv("SOFTHSM2_CONF", softhsm.config.environment["SOFTHSM2_CONF"])
    module = Module(module_path())
    pointer = ctypes.c_void_p()
    assert ctypes.CDLL(str(module_path())).C_GetFunctionList(ctypes.byref(pointer)) == 0
    assert ctypes.addressof(module._functions) == pointer.value
    module.finalize()


UNHELD = """
import gc, sys
from pathlib import Path
from hsm.worker.module import Module
token = Module(Path(sys.argv[1])).library.get_token(token_label="demo")
gc.collect()
token.open()
print("open", flush=True)
import os
os._exit(0)
"""


def test_a_module_stays_loaded_for_what_points_into_it(softhsm: SoftHsm) -> None:
    environment = {**os.environ, **softhsm.config.environment}
    command = [sys.executable, "-c", UNHELD, str(module_path())]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "open\n"), done.stderr
