"""A token's own process: it alone loads the module and reads the PIN.

Started with the descriptors of its sockets as arguments. The first, *life*, brings the set-up, carries what happens
while opening, and ends when the parent ends; each of the others is answered by a thread of its own. The process:

1. leaves no memory behind (no core dumps, not traceable, no new privileges) and inherits nothing but its sockets;
2. ends with its parent: by a signal of the kernel, and by the end of *life*, whichever comes first;
3. ignores the signals that a terminal or a service manager sends to the whole group, so that its parent can finish;
4. leaves without running anybody's exit handlers, which some modules crash in;
5. shows nobody a traceback: whatever happens becomes an error with a code, or an exit status.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from hsm.errors import ExtraMissing, ModuleMissing, TokenError, TokenUnavailable
from hsm.protocol.messages import MAX_FRAME, VERSION, Op, Status, parse_request, reply
from hsm.protocol.records import Setup, pack_record, unpack_record
from hsm.protocol.refusals import pack_error
from hsm.protocol.values import WireError
from hsm.worker.exit_guard import ExitGuard

if TYPE_CHECKING:
    from hsm.worker.module import Module
    from hsm.worker.responder import Responder
    from hsm.worker.token_lock import TokenLock

PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 4, 38
EXIT_DONE, EXIT_LOST, EXIT_PROTOCOL = 0, 3, 4


def main(arguments: list[str]) -> None:
    """``arguments``: the parent's process id, then the descriptors of *life* and of the channels."""
    parent, life_fd, *channel_fds = (int(argument) for argument in arguments)
    harden()
    life = socket.socket(fileno=life_fd)
    channels = [socket.socket(fileno=descriptor) for descriptor in channel_fds]
    try:
        setup = _setup(life)
    except WireError:
        os._exit(EXIT_PROTOCOL)
    guard = ExitGuard(life, parent=parent)
    guard.grace = setup.grace
    guard.start()
    try:
        _serve(setup, life, channels, guard)
    except TokenError as error:
        leave(guard, life, error)
    except BaseException as fault:  # noqa: BLE001  (rule 5)
        leave(guard, life, _internal(fault))
    guard.leave(EXIT_DONE)


def harden() -> None:
    """Rules 1 and 3."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    # Rule 5: the library reports what fails in its destructors, such as closing a session that is gone.
    sys.excepthook = sys.unraisablehook = threading.excepthook = _say_nothing


def _say_nothing(*_: object) -> None:
    """In place of a traceback on standard error."""


def leave(guard: ExitGuard, life: socket.socket, error: TokenError) -> NoReturn:
    """Tell the parent why, and end."""
    with suppress(OSError):
        life.send(reply(Status.LEAVING, 0, pack_error(error)))
    guard.leave(EXIT_LOST)


def _setup(life: socket.socket) -> Setup:
    request = parse_request(life.recv(MAX_FRAME + 1))
    if request.op is not Op.SETUP:
        raise WireError("expected the set-up")
    setup = unpack_record(Setup, request.body)
    if setup.version != VERSION:
        raise WireError("another version")
    return setup


def _serve(setup: Setup, life: socket.socket, channels: list[socket.socket], guard: ExitGuard) -> None:
    """``channels``: first the one for all that is not a signature, then the event loop's, then those of callers."""
    from hsm.worker.token_lock import TokenLock

    try:
        import pkcs11._pkcs11  # noqa: F401
    except ImportError:
        raise ExtraMissing from None
    lock = TokenLock(Path(setup.lock_directory), group=setup.lock_group, clock=time.monotonic)
    if setup.inspect_only:
        _inspect(setup, life, lock)
        return
    responder = _opened(setup, life, lock, guard)
    first, loops, *others = channels
    for channel in (*[loops] * setup.sessions, *others):
        threading.Thread(target=responder.serve, args=(channel,), daemon=True).start()
    responder.serve(first)


def _opened(setup: Setup, life: socket.socket, lock: TokenLock, guard: ExitGuard) -> Responder:
    from hsm.worker.batches import BatchSigner
    from hsm.worker.handlers import Handlers
    from hsm.worker.login import Login
    from hsm.worker.recovery import Recovery
    from hsm.worker.reload import Reload
    from hsm.worker.responder import Responder
    from hsm.worker.sessions import Sessions

    with lock.opening(setup.grace):
        life.send(reply(Status.OPENING, 0))
        module = _module(setup)
        login = Login(setup=setup, module=module, lock=lock, guard=guard)
        sessions = Sessions(login, most=setup.sessions, timeout=setup.timeout, clock=time.monotonic)
        sessions.open()
    recovery = Recovery(sessions, Reload(sessions, timeout=setup.timeout, clock=time.monotonic))
    signer = BatchSigner(recovery, clock=time.monotonic)
    handlers = Handlers(setup, module, recovery, signer)
    responder = Responder(
        handlers,
        signer,
        helpers=setup.sessions - 1,
        leave=lambda error: _end(guard, life, error),
        clock=time.monotonic,
    )
    capabilities = handlers.capabilities()
    gc.collect()
    gc.freeze()  # what there is now stays; a search through it for garbage would hold up every signature under way
    life.send(reply(Status.READY, 0, pack_record(capabilities)))
    return responder


def _end(guard: ExitGuard, life: socket.socket, error: TokenError | None) -> NoReturn:
    if error is None:
        guard.leave(EXIT_PROTOCOL)
    leave(guard, life, error)


def _inspect(setup: Setup, life: socket.socket, lock: TokenLock) -> None:
    from hsm.worker.slots import descriptions

    with lock.opening(setup.grace):
        life.send(reply(Status.OPENING, 0))
        for found in descriptions(_module(setup), setup):
            life.send(reply(Status.ITEM, 0, pack_record(found)))
    life.send(reply(Status.DONE, 0))


def _module(setup: Setup) -> Module:
    from hsm.worker.module import Module

    if not Path(setup.module_path).is_file():
        raise ModuleMissing(path=setup.module_path, reason="no such file")
    return Module(Path(setup.module_path))


def _internal(fault: BaseException) -> TokenUnavailable:
    return TokenUnavailable(reason=f"internal {type(fault).__name__}")
