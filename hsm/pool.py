"""Several tokens behind a few verbs: requests are spread, fail over, and end at their deadlines.

1. A signature leaves only after the pinned public key verified it. One that does not verify, or a token that holds
   another key, ends the request at once: this is for people to look at, not for another token to hide.
2. A request goes to the ready token with the least to do; a token that fails is left out and tried again by its
   supervisor. A token that lacks the key is not asked for it again for a while.
3. A request waits at most ``max_wait`` for a token that is about to be back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from hsm import inspection
from hsm.algorithms import Algorithm
from hsm.config import RestartPolicy, TokenConfig
from hsm.errors import (
    ConfigurationError,
    DeadlineExceeded,
    KeyAmbiguous,
    KeyHalvesDiffer,
    KeyMismatch,
    KeyNotFound,
    SignatureMismatch,
    TokenBusy,
    TokenError,
    TokenNotFound,
    TokenUnavailable,
)
from hsm.parent.batches import BatchRunner
from hsm.parent.client import TokenClient
from hsm.parent.jobs import Job, checked_names
from hsm.parent.routing import Router
from hsm.parent.signature_check import SignatureCheck
from hsm.protocol.messages import Op
from hsm.protocol.records import unpack_record
from hsm.protocol.signing import pack_key
from hsm.protocol.values import pack_values, unpack_values
from hsm.types import KeyMaterial, PinnedKey, SignRequest, TokenDescription, TokenHealth, TokenKey

PAIR_CHECK = b"artifact-signer: both halves of a pair belong together"
GENERATE_TIMEOUT = 120.0
LISTING_TIMEOUT = 60.0


class TokenPool:
    """The configured tokens, by name. Every verb is thread-safe and raises ``TokenError``.

    ``timeout`` of a verb: seconds for everything it does; None: the pool's own ``timeout``.
    """

    def __init__(
        self,
        configs: Iterable[TokenConfig],
        *,
        timeout: float = 15.0,
        policy: RestartPolicy | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._policy = policy or RestartPolicy()
        self.clock = clock
        self._timeout = timeout
        self._router = Router(max_wait=self._policy.max_wait, clock=clock)
        self._clients: dict[str, TokenClient] = {}
        for config in configs:
            if config.name in self._clients:
                raise ConfigurationError(token=config.name, setting="name", reason="is used twice")
            self._clients[config.name] = TokenClient(config, policy=self._policy, clock=clock)
        self._runner = BatchRunner(self.clients, SignatureCheck())
        if not self._clients:
            raise ConfigurationError(setting="tokens", reason="there is none")

    def start(self) -> None:
        """Start every token; returns before they are ready. Call it after the last fork."""
        started: list[TokenClient] = []
        try:
            for client in self._clients.values():
                client.start()
                started.append(client)
        except BaseException:
            for client in started:
                client.close()
            raise

    def close(self) -> None:
        """End all processes; requests under way end as unavailable."""
        for client in self._clients.values():
            client.close()

    def wait_ready(self, timeout: float) -> bool:
        """Wait until every token takes requests; False if one does not in time, or was refused."""
        deadline = self.clock() + timeout
        # A list: every token is waited for, although one said no.
        answers = [client.status.wait_ready(deadline, keep_waiting=True) for client in self._clients.values()]
        return all(answers)

    def require_ready(self, token: str, *, timeout: float | None = None) -> None:
        """Wait until ``token`` is logged in and takes requests; raises why it does not, such as ``PinRejected``."""
        client = self._named(token)
        if not client.status.wait_ready(self._deadline(timeout), keep_waiting=True):
            raise client.status.unavailable()

    def sign(
        self,
        key: PinnedKey,
        message: bytes,
        *,
        tokens: Sequence[str] | None = None,
        timeout: float | None = None,
    ) -> bytes:
        """A verified signature over ``message``, in the form of the key's algorithm.

        ``tokens``: names of those that may be used; None: all. For Ed25519 at most 64 KiB.
        """
        return self._signed(self._job(key, message, None, self._selected(tokens), self._deadline(timeout)))

    def sign_digest(
        self,
        key: PinnedKey,
        digest: bytes,
        *,
        tokens: Sequence[str] | None = None,
        timeout: float | None = None,
    ) -> bytes:
        """As ``sign`` for a SHA-256 digest of 32 bytes; not for Ed25519."""
        return self._signed(self._job(key, None, digest, self._selected(tokens), self._deadline(timeout)))

    def sign_many(self, requests: Sequence[SignRequest], *, timeout: float | None = None) -> list[bytes | TokenError]:
        """An outcome for each request, in order: a signature as ``sign`` gives it, or why there is none.

        They travel together, up to 256 to a message, are spread over the sessions of each token's process, and fail
        over one by one. Raises nothing that concerns a request; ``timeout`` holds for all of them.
        """
        deadline = self._deadline(timeout)
        jobs = [self.job(request, deadline) for request in requests]
        self._runner.run([job for job in jobs if isinstance(job, Job)])
        return [self._outcome(job) for job in jobs]

    @property
    def clients(self) -> tuple[TokenClient, ...]:
        """The tokens in the order of configuration, for who drives jobs himself."""
        return tuple(self._clients.values())

    def job(self, request: SignRequest, deadline: float) -> Job | TokenError:
        """A request on its way, for who drives it; an error where it cannot be one."""
        try:
            clients = self._selected(request.tokens)
            if request.prehashed:
                return self._job(request.key, None, request.message, clients, deadline)
            return self._job(request.key, request.message, None, clients, deadline)
        except TokenError as error:
            return error

    def generate(
        self,
        algorithm: Algorithm,
        *,
        key_id: bytes,
        label: str,
        token: str,
        timeout: float | None = None,
    ) -> bytes:
        """A new key pair in ``token``; returns its DER SubjectPublicKeyInfo.

        The private key is sensitive, cannot be extracted and may only sign. Raises ``KeyExists`` where an object has
        this identifier or label already. The pair has made a signature that its public key verifies.
        """
        checked_names(key_id, label)
        allowed = GENERATE_TIMEOUT if timeout is None else timeout
        deadline = self.clock() + allowed
        body = pack_values(algorithm.value, key_id, label)
        hung_after = max(allowed, GENERATE_TIMEOUT)  # a caller who gives up early is no reason to end the process
        spki = self._awaited(token, deadline).call(Op.GENERATE, body, deadline=deadline, hung_after=hung_after)
        self._forget_lacking()
        key = PinnedKey(key_id=key_id, algorithm=algorithm, spki=spki)
        try:
            self._check_pair(key, token, deadline)
        except KeyHalvesDiffer:
            self.destroy(token, key_id, timeout=deadline - self.clock())
            raise
        return spki

    def import_pair(self, pair: KeyMaterial, *, key_id: bytes, label: str, token: str, timeout: float) -> None:
        """Take a pair that was outside into ``token``.

        The private key is sensitive there, cannot be extracted and may only sign. Raises ``KeyExists`` as ``generate``
        does, ``ImportUnsupported`` where the token takes none from outside, and ``KeyHalvesDiffer`` where it made no
        signature that the public key verifies: then it is removed again.
        """
        checked_names(key_id, label)
        deadline = self.clock() + timeout
        body = pack_values(pair.algorithm.value, key_id, label, pair.spki, pair.private)
        hung_after = max(timeout, GENERATE_TIMEOUT)
        self._awaited(token, deadline).call(Op.IMPORT, body, deadline=deadline, hung_after=hung_after)
        self._forget_lacking()
        try:
            self._check_pair(PinnedKey(key_id=key_id, algorithm=pair.algorithm, spki=pair.spki), token, deadline)
        except (KeyHalvesDiffer, KeyMismatch):
            self.destroy(token, key_id, timeout=deadline - self.clock())
            raise KeyHalvesDiffer(token=token, key_id=key_id.hex()) from None

    def find_keys(self, token: str, *, timeout: float | None = None) -> tuple[TokenKey, ...]:
        """All key pairs of ``token``, and key objects without the other one.

        ``timeout`` None: 60 seconds, since it takes the longer the more there are.
        """
        return self._find(token, None, None, self._deadline(LISTING_TIMEOUT if timeout is None else timeout))

    def find_key(
        self, token: str, *, key_id: bytes | None = None, label: str | None = None, timeout: float | None = None
    ) -> TokenKey:
        """Exactly one key pair, by CKA_ID or label or both; raises ``KeyNotFound`` or ``KeyAmbiguous``.

        A pair that can sign has done so, verified by its own public half: else ``KeyHalvesDiffer``.
        """
        if key_id is None and label is None:
            raise ConfigurationError(setting="key", reason="neither identifier nor label")
        deadline = self._deadline(timeout)
        found = self._find(token, key_id, label, deadline)
        identity = (key_id or b"").hex()
        if not found:
            raise KeyNotFound(token=token, key_id=identity, label=label or "")
        if len(found) > 1:
            raise KeyAmbiguous(token=token, key_id=identity, label=label or "", count=len(found))
        (pair,) = found
        if pair.algorithm and pair.spki and pair.key_id and pair.has_private and pair.has_public and pair.sign:
            pin = PinnedKey(key_id=pair.key_id, algorithm=pair.algorithm, spki=pair.spki)
            self._check_pair(pin, token, deadline)
        return pair

    def public_key(self, token: str, key_id: bytes, *, timeout: float | None = None) -> bytes:
        """DER SubjectPublicKeyInfo of the one pair with this CKA_ID, as the token shows it."""
        found = self._find(token, key_id, None, self._deadline(timeout))
        if len(found) > 1:
            raise KeyAmbiguous(token=token, key_id=key_id.hex(), count=len(found))
        if not found or found[0].spki is None:
            raise KeyNotFound(token=token, key_id=key_id.hex(), reason="no public key")
        return found[0].spki

    def certificates(self, token: str, key_id: bytes, *, timeout: float | None = None) -> tuple[bytes, ...]:
        """The certificates that ``token`` holds with this CKA_ID, as they are: DER, unchecked."""
        checked_names(key_id, None)
        deadline = self._deadline(timeout)
        body = self._awaited(token, deadline).call(Op.CERTIFICATES, pack_values(key_id), deadline=deadline)
        return tuple(value for value in unpack_values(body) if isinstance(value, bytes))

    def has_key(self, token: str, key: PinnedKey, *, timeout: float | None = None) -> bool | None:
        """Whether ``token`` holds this very key; None where it cannot be asked now.

        Raises ``KeyMismatch`` where it holds another key under this identifier.
        """
        deadline = self._deadline(timeout)
        try:
            self._awaited(token, deadline).call(Op.CHECK, pack_key(key), deadline=deadline)
        except KeyNotFound:
            return False
        except (TokenUnavailable, TokenBusy, DeadlineExceeded):
            return None
        self._forget_lacking()
        return True

    def destroy(self, token: str, key_id: bytes, *, timeout: float | None = None) -> None:
        """Remove both halves from ``token``; raises ``KeyNotFound`` where there is neither."""
        checked_names(key_id, None)
        deadline = self._deadline(timeout)
        self._awaited(token, deadline).call(Op.DESTROY, pack_values(key_id), deadline=deadline)

    def describe(self, token: str, *, timeout: float | None = None) -> TokenDescription:
        """What ``token`` says of itself. Needs no login: it works while the PIN is refused, and spends nothing."""
        client = self._named(token)
        deadline = self._deadline(timeout)
        if not client.status.ready:
            return inspection.inspect(client.config, timeout=deadline - self.clock(), clock=self.clock)
        return unpack_record(TokenDescription, client.call(Op.DESCRIBE, b"", deadline=deadline))

    def health(self) -> tuple[TokenHealth, ...]:
        """The state of every token, in the order of configuration."""
        return tuple(client.status.health() for client in self._clients.values())

    def _job(
        self,
        key: PinnedKey,
        message: bytes | None,
        digest: bytes | None,
        clients: Sequence[TokenClient],
        deadline: float,
    ) -> Job:
        return Job(key, message, digest, self._router.route(key, clients, deadline=deadline))

    def _signed(self, job: Job) -> bytes:
        self._runner.run([job])
        outcome = self._outcome(job)
        if isinstance(outcome, TokenError):
            raise outcome
        return outcome

    @staticmethod
    def _outcome(job: Job | TokenError) -> bytes | TokenError:
        if isinstance(job, TokenError):
            return job
        assert job.outcome is not None  # noqa: S101  (the runner returns when there is one)
        return job.outcome

    def _check_pair(self, key: PinnedKey, token: str, deadline: float) -> None:
        """The pair signs, and its public half agrees; else ``KeyHalvesDiffer``."""
        try:
            self._signed(self._job(key, PAIR_CHECK, None, [self._awaited(token, deadline)], deadline))
        except SignatureMismatch as error:
            raise KeyHalvesDiffer(token=token, key_id=error.key_id) from None

    def _find(self, token: str, key_id: bytes | None, label: str | None, deadline: float) -> tuple[TokenKey, ...]:
        checked_names(key_id, label)
        body = pack_values(key_id, label)
        return tuple(self._awaited(token, deadline).items(Op.FIND, body, TokenKey, deadline=deadline))

    def _awaited(self, token: str, deadline: float) -> TokenClient:
        """``token``, after a wait of at most ``max_wait`` for it to be ready."""
        client = self._named(token)
        if not client.status.ready:
            client.status.wait_ready(min(deadline, self.clock() + self._policy.max_wait), keep_waiting=False)
        return client

    def _forget_lacking(self) -> None:
        for client in self._clients.values():
            client.status.forget_lacking()

    def _named(self, token: str) -> TokenClient:
        try:
            return self._clients[token]
        except KeyError:
            raise TokenNotFound(token=token, reason="not configured") from None

    def _selected(self, tokens: Sequence[str] | None) -> list[TokenClient]:
        """Those of ``tokens`` that are configured; raises ``TokenNotFound`` where none is."""
        if tokens is None:
            return list(self._clients.values())
        chosen = [self._clients[name] for name in tokens if name in self._clients]
        if not chosen:
            raise TokenNotFound(token=", ".join(tokens), reason="not configured")
        return chosen

    def _deadline(self, timeout: float | None) -> float:
        return self.clock() + (self._timeout if timeout is None else timeout)
