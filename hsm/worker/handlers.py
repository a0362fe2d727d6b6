"""Answers requests inside a token's process.

A request that finds the token lost asks for a reload and is tried once more; making and removing keys is not
repeated, because nobody knows how much of it was done. When a reload is of no use, the process leaves: ``TokenLost``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from pkcs11 import exceptions as p11

from hsm.algorithms import Algorithm
from hsm.errors import KeyNotFound, TokenError, TokenUnavailable
from hsm.protocol.messages import Op, RequestMessage, Status
from hsm.protocol.records import Capabilities, Setup, pack_record
from hsm.protocol.signing import PayloadKind, split_key, unpack_key, unpack_signing
from hsm.protocol.values import WireError, pack_values, unpack_values
from hsm.types import TokenKey
from hsm.worker import key_pairs, objects, return_values, signing
from hsm.worker.certificates import certificates
from hsm.worker.module import Module
from hsm.worker.reload import Budget, Reload
from hsm.worker.sessions import Sessions, Working
from hsm.worker.slots import descriptions

PROBE = b"\x5a" * 32  # signed to see whether the token signs at all; the signature goes nowhere
MAX_HANDLES = 1024  # per session; above it the cache begins anew

Result = TypeVar("Result")
Answer = tuple[Status, bytes]


class TokenLost(Exception):
    """Reloading was of no use; only a new process helps. ``error``: why; ``answer``: what requests are told."""

    def __init__(self, error: TokenError) -> None:
        super().__init__(error.code)
        self.error = error
        self.answer = TokenUnavailable(reason=error.code, retry_after=return_values.UNAVAILABLE_RETRY)


class Handlers:
    """The operations on one open token."""

    def __init__(self, setup: Setup, module: Module, sessions: Sessions, reload: Reload) -> None:
        self._setup = setup
        self._module = module
        self._sessions = sessions
        self._reloading = reload
        self._last_good: tuple[bytes, PayloadKind] | None = None  # replaced as a whole: no lock needed

    def capabilities(self) -> Capabilities:
        """What the token's mechanisms allow."""
        offered = self._sessions.found.mechanisms
        plans = {algorithm: signing.plan(algorithm, offered) for algorithm in Algorithm}
        return Capabilities(
            by_digest=tuple(name for name, plan in plans.items() if plan.by_digest is not None),
            by_message=tuple(name for name, plan in plans.items() if plan.by_message is not None),
        )

    def answers(self, request: RequestMessage) -> Iterator[Answer]:
        """The replies to ``request``; raises ``TokenError``, ``WireError`` or ``TokenLost``."""
        match request.op:
            case Op.SIGN:
                packed, kind, payload = unpack_signing(request.body)
                yield Status.DONE, self._recovering(lambda working: self._sign(working, packed, kind, payload))
            case Op.CHECK:
                packed, _ = split_key(request.body)
                self._recovering(lambda working: self._load(working, packed, fresh=True))
                yield Status.DONE, b""
            case Op.FIND:
                for key in self._find(request.body):
                    yield Status.ITEM, pack_record(key)
                yield Status.DONE, b""
            case Op.GENERATE:
                yield Status.DONE, self._generate(request.body)
            case Op.DESTROY:
                self._destroy(request.body)
                yield Status.DONE, b""
            case Op.DESCRIBE:
                yield Status.DONE, self._describe()
            case Op.CERTIFICATES:
                yield Status.DONE, pack_values(*self._certificates(request.body))
            case _:
                raise WireError("not for an open token")

    def _sign(self, working: Working, packed: bytes, kind: PayloadKind, payload: bytes) -> bytes:
        signature = self._load(working, packed).sign(kind, payload)
        self._last_good = packed, kind
        return signature

    def _load(self, working: Working, packed: bytes, *, fresh: bool = False) -> signing.Signer:
        """The key from the session's cache, or ``fresh`` from the token."""
        signer: signing.Signer | None = working.handles.pop(packed, None) if fresh else working.handles.get(packed)
        if signer is None or fresh:
            if len(working.handles) >= MAX_HANDLES:
                working.handles.clear()
            signer = signing.load(working.session, unpack_key(packed), self._sessions.found.mechanisms)
            working.handles[packed] = signer
        return signer

    def _find(self, body: bytes) -> list[TokenKey]:
        match unpack_values(body):
            case (bytes() | None as key_id, str() | None as label):
                return self._recovering(lambda working: list(objects.find(working.session, key_id=key_id, label=label)))
        raise WireError("malformed search")

    def _certificates(self, body: bytes) -> tuple[bytes, ...]:
        match unpack_values(body):
            case (bytes() as key_id,):
                return self._recovering(lambda working: certificates(working.session, key_id))
        raise WireError("malformed search")

    def _generate(self, body: bytes) -> bytes:
        match unpack_values(body):
            case (str() as name, bytes() as key_id, str() as label) if name in set(Algorithm):
                # Looking first also finds out whether the token is still there, and reloads it.
                self._recovering(lambda working: list(objects.find(working.session, key_id=key_id)))
                with self._once() as session:
                    return key_pairs.generate(session, Algorithm(name), key_id, label)
        raise WireError("malformed generation")

    def _destroy(self, body: bytes) -> None:
        match unpack_values(body):
            case (bytes() as key_id,):
                self._recovering(lambda working: list(objects.find(working.session, key_id=key_id)))
                with self._once() as session:
                    return key_pairs.destroy(session, key_id)
        raise WireError("malformed removal")

    def _describe(self) -> bytes:
        def described(_: Working) -> bytes:
            found = descriptions(self._module, self._setup)
            if not found:
                raise p11.TokenNotPresent
            return pack_record(found[0])

        return self._recovering(described)

    @contextmanager
    def _once(self) -> Iterator[Any]:
        """A read-write session for one attempt; a token that is lost meanwhile is reloaded for the next one."""
        generation = self._reloading.generation()
        try:
            with self._sessions.writing() as session:
                yield session
        except p11.PKCS11Error as fault:
            error = return_values.refusal(fault)
            if return_values.needs_reload(fault):
                self._reload(generation, self._reloading.losses, error)
            raise error from None

    def _recovering(self, action: Callable[[Working], Result]) -> Result:
        """``action`` in a borrowed session, once more after a reload if the token was lost."""
        generation = self._reloading.generation()
        try:
            return self._attempt(action)
        except KeyNotFound as missing:
            budget, error = self._reloading.absences, cast(TokenError, missing)
        except p11.PKCS11Error as fault:
            budget, error = self._reloading.losses, return_values.refusal(fault)
            if not return_values.needs_reload(fault):
                raise error from None
        self._reload(generation, budget, error)
        return self._once_more(action, budget)

    def _reload(self, generation: int, budget: Budget, error: TokenError) -> None:
        """Returns where another attempt is worthwhile; else raises ``error``, or that the token is lost."""
        try:
            reloaded = self._reloading.recover(generation, budget)
        except TokenError as failed:
            raise TokenLost(failed) from None
        if not reloaded:
            raise self._verdict(error)

    def _once_more(self, action: Callable[[Working], Result], budget: Budget) -> Result:
        helped = False
        try:
            result = self._attempt(action)
            helped = True
        except p11.PKCS11Error as fault:
            error = return_values.refusal(fault)
            raise (self._verdict(error) if return_values.needs_reload(fault) else error) from None
        finally:
            budget.note(helped=helped)
        return result

    def _attempt(self, action: Callable[[Working], Result]) -> Result:
        with self._sessions.borrow() as working:
            result = action(working)
        self._sessions.proven = True
        return result

    def _verdict(self, error: TokenError) -> Exception:
        """Others get their signatures: the fault is this request's. Nobody does: the token is lost."""
        if self._sessions.proven or isinstance(error, KeyNotFound) or self._proves():
            return error
        return TokenLost(error)

    def _proves(self) -> bool:
        """Whether the key that signed last still does: then one bad key does not take the token from all others."""
        if self._last_good is None:
            return False
        packed, kind = self._last_good
        try:
            self._attempt(lambda working: self._sign(working, packed, kind, PROBE))
        except (p11.PKCS11Error, TokenError):
            return False
        return True
