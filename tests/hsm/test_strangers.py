"""What is at the other end of the sockets is not trusted to be what it should be."""

from __future__ import annotations

import sys
import time

import pytest

from hsm import inspect
from hsm.errors import ExtraMissing, TokenUnavailable
from hsm.parent import child
from hsm.parent.interpreter import isolated, search_path
from tests.hsm.children import ended, pid_of, wait_until
from tests.hsm.conftest import OpenPool, make_key
from tests.hsm.softhsm import SoftHsm
from tests.support.rows import slow_but

BEGIN = "import sys, os, socket; life, *others = [socket.socket(fileno=int(n)) for n in sys.argv[3:]]; life.recv(9999);"
READY = r"""
from hsm.protocol import messages as w, records as r, signing as s, values as v
capabilities = r.Capabilities(by_digest=("ecdsa-p256",), by_message=())
life.send(w.reply(w.Status.OPENING, 0))
life.send(w.reply(w.Status.READY, 0, r.pack_record(capabilities)))
data = others[-1].recv(9999)
"""
PATH = "sys.path[:] = sys.argv[1].split(chr(10));"


def started_as(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Whatever starts a token's process gets this instead, with the same arguments."""

    def command(_entry: str, *arguments: str) -> list[str]:
        return [sys.executable, "-I", "-c", code, "\n".join(search_path()), *arguments]

    monkeypatch.setattr(child, "isolated", command)


STRANGERS = {
    "a process that ends at once": "import sys; sys.exit(7)",
    "a process that ends after it was set up": BEGIN + "sys.exit(0)",
    "a process that talks nonsense": BEGIN + r"life.send(b'\xff' * 100); life.recv(1)",
    "a process that says it leaves, in nonsense": BEGIN + r"life.send(b'\x05\0\0\0\0nonsense'); life.recv(1)",
    "a process that is ready, in nonsense": BEGIN + r"life.send(b'\x04\0\0\0\0nonsense'); life.recv(1)",
    "a process that says nothing": BEGIN + "life.recv(1)",
}


@pytest.mark.parametrize("row", slow_but({"a process that ends at once", "a process that talks nonsense"}, STRANGERS))
def test_a_stranger_at_the_start(
    softhsm: SoftHsm, open_pool: OpenPool, monkeypatch: pytest.MonkeyPatch, row: str
) -> None:
    started_as(monkeypatch, STRANGERS[row])
    pool = open_pool(softhsm.with_(start_timeout=0.5), ready=None)
    with pytest.raises(TokenUnavailable) as refused:
        pool.require_ready("demo", timeout=4)
    assert refused.value.reason == TokenUnavailable.code
    monkeypatch.undo()
    assert pool.wait_ready(10)
    assert make_key(pool)


ANSWERS = {
    "nonsense": "others[-1].send(os.urandom(50)); life.recv(1)",
    "an answer to another question": "others[-1].send(w.reply(w.Status.DONE, 77)); life.recv(1)",
    "a status that does not belong there": "others[-1].send(w.reply(w.Status.READY, 1)); life.recv(1)",
    "an error of an unknown code": "others[-1].send(w.reply(w.Status.ERROR, 1, v.pack_values('x'))); life.recv(1)",
    "an answer to an item that was not asked": (
        "others[-1].send(w.reply(w.Status.DONE, 1, s.pack_answers([(9, b'x')]))); life.recv(1)"
    ),
    "no answers at all": "others[-1].send(w.reply(w.Status.DONE, 1)); life.recv(1)",
    "an end that is none": "others[-1].send(w.reply(w.Status.ITEM, 1, s.pack_answers([(0, b'x')]))); life.recv(1)",
    "silence and the end": "pass",
}


@pytest.mark.parametrize("row", slow_but({"nonsense", "an answer to another question", "no answers at all"}, ANSWERS))
def test_a_stranger_that_answers(
    softhsm: SoftHsm, open_pool: OpenPool, monkeypatch: pytest.MonkeyPatch, row: str
) -> None:
    key = make_key(open_pool(softhsm.config))
    started_as(monkeypatch, f"{BEGIN}{PATH}exec({READY!r}); {ANSWERS[row]}")
    pool = open_pool(softhsm.config)
    pid = pid_of(pool)
    monkeypatch.undo()
    assert pool.sign(key, b"by the process that replaced it", timeout=10)
    assert ended(pid)
    assert pid_of(pool) != pid


def test_a_missing_library_is_one_clear_sentence(
    softhsm: SoftHsm, open_pool: OpenPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    started_as(monkeypatch, "import sys; sys.modules['pkcs11'] = None; " + isolated(child.WORKER)[3])
    with pytest.raises(ExtraMissing) as refused:
        inspect(softhsm.config)
    assert refused.value.command == "pip install 'artifact-signer[hsm]'"
    pool = open_pool(softhsm.config, ready=None)
    wait_until(lambda: pool.health()[0].last_error is not None)
    assert not pool.wait_ready(0)
    assert pool.health()[0].last_error == ExtraMissing.code


def test_who_looks_at_a_stranger_is_told(softhsm: SoftHsm, monkeypatch: pytest.MonkeyPatch) -> None:
    started_as(monkeypatch, BEGIN + r"life.send(b'\xff' * 100); life.recv(1)")
    started = time.monotonic()
    with pytest.raises(TokenUnavailable):
        inspect(softhsm.config)
    assert time.monotonic() - started < 10
