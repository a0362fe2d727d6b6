"""Answers the requests that are not signatures, inside a token's process.

Looking is tried once more after a reload if the token was lost; making and removing keys is not repeated, because
nobody knows how much of it was done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from pkcs11 import exceptions as p11

from hsm.algorithms import Algorithm
from hsm.protocol.messages import Op, RequestMessage, Status
from hsm.protocol.records import Capabilities, Setup, pack_record
from hsm.protocol.values import WireError, pack_values, unpack_values
from hsm.types import KeyMaterial, TokenKey
from hsm.worker import imports, key_pairs, objects, signing
from hsm.worker.batches import BatchSigner
from hsm.worker.certificates import certificates
from hsm.worker.module import Module
from hsm.worker.recovery import Recovery
from hsm.worker.sessions import Working
from hsm.worker.slots import descriptions

Send = Callable[[Status, bytes], None]
Look = Callable[[Any], Iterator[TokenKey | None]]


class Handlers:
    """The operations on one open token."""

    def __init__(self, setup: Setup, module: Module, recovery: Recovery, signer: BatchSigner) -> None:
        self._setup = setup
        self._module = module
        self._recovery = recovery
        self._signer = signer

    def capabilities(self) -> Capabilities:
        """What the token's mechanisms allow."""
        offered = self._recovery.sessions.found.mechanisms
        plans = {algorithm: signing.plan(algorithm, offered) for algorithm in Algorithm}
        return Capabilities(
            by_digest=tuple(name for name, plan in plans.items() if plan.by_digest is not None),
            by_message=tuple(name for name, plan in plans.items() if plan.by_message is not None),
        )

    def answer(self, request: RequestMessage, send: Send) -> None:
        """Send the replies to ``request``; raises ``TokenError``, ``WireError`` or ``TokenLost``."""
        match request.op:
            case Op.CHECK:
                self._recovery.run(lambda working: self._signer.load(working, request.body, fresh=True))
                send(Status.DONE, b"")
            case Op.FIND:
                self._find(request.body, send)
                send(Status.DONE, b"")
            case Op.CERTIFICATES:
                send(Status.DONE, pack_values(*self._certificates(request.body)))
            case Op.GENERATE:
                send(Status.DONE, self._generate(request.body))
            case Op.IMPORT:
                self._import(request.body)
                send(Status.DONE, b"")
            case Op.DESTROY:
                self._destroy(request.body)
                send(Status.DONE, b"")
            case Op.DESCRIBE:
                send(Status.DONE, self._describe())
            case _:
                raise WireError("not for an open token")

    def _find(self, body: bytes, send: Send) -> None:
        """Parts are sent as they are found, each a sign of life; an empty one says nothing else."""
        match unpack_values(body):
            case (None, None):
                look: Look = objects.listing
            case (bytes() | None as key_id, str() | None as label):
                look = partial(objects.find, key_id=key_id, label=label)
            case _:
                raise WireError("malformed search")
        sent = set()

        def action(working: Working) -> None:
            for found in look(working.session):
                part = b"" if found is None else pack_record(found)
                if part not in sent:  # after a reload the first ones are found once more
                    send(Status.ITEM, part)
                if part:
                    sent.add(part)

        self._recovery.run(action)

    def _certificates(self, body: bytes) -> tuple[bytes, ...]:
        match unpack_values(body):
            case (bytes() as key_id,):
                return self._recovery.run(lambda working: certificates(working.session, key_id))
        raise WireError("malformed search")

    def _generate(self, body: bytes) -> bytes:
        match unpack_values(body):
            case (str() as name, bytes() as key_id, str() as label) if name in set(Algorithm):
                self._look(key_id)
                with self._recovery.writing() as session:
                    return key_pairs.generate(session, Algorithm(name), key_id, label)
        raise WireError("malformed generation")

    def _import(self, body: bytes) -> None:
        match unpack_values(body):
            case (str() as name, bytes() as key_id, str() as label, bytes() as spki, bytes() as private) if name in set(
                Algorithm
            ):
                self._look(key_id)
                key = KeyMaterial(algorithm=Algorithm(name), spki=spki, private=private)
                with self._recovery.writing() as session:
                    return imports.take(session, key, key_id, label, self._recovery.sessions.found.mechanisms)
        raise WireError("malformed import")

    def _destroy(self, body: bytes) -> None:
        match unpack_values(body):
            case (bytes() as key_id,):
                self._look(key_id)
                with self._recovery.writing() as session:
                    return key_pairs.destroy(session, key_id)
        raise WireError("malformed removal")

    def _look(self, key_id: bytes) -> None:
        """Looking first also finds out whether the token is still there, and reloads it."""
        self._recovery.run(lambda working: list(objects.find(working.session, key_id=key_id)))

    def _describe(self) -> bytes:
        def described(_: Working) -> bytes:
            found = descriptions(self._module, self._setup)
            if not found:
                raise p11.TokenNotPresent
            return pack_record(found[0])

        return self._recovery.run(described)
