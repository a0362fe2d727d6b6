"""The states of tokens in memory, known to be current on every call.

1. The counter of what takes power from tokens is looked at each time. Where it moved, everything of those is forgotten
   of whom something is newer, and looked up again at its next use. Where it went back, everything is.
2. A token that is not known is looked up. Only those come here whose signature is right, so nobody but the service can
   make up unknown ones.
3. What a look-up found is remembered only if the counter did not move meanwhile.
4. That a token is not on record at all is remembered for a moment: nothing tells when that changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from signer.domain.token_claims import VerifiedToken
from signer.errors import TokenRefusal, TokenRefused
from signer.services.token_state_ports import RevisionWatch, TokenStanding, TokenStateStore

# Of one worker: a fleet of this many devices is looked up once.
MAX_TOKENS = 200_000
UNKNOWN_SECONDS = 1.0
MAX_UNKNOWN = 1024


class KnownTokenStates:
    """``services.token_ports.TokenStates``, for one event loop."""

    def __init__(
        self,
        *,
        store: TokenStateStore,
        watch: RevisionWatch,
        monotonic: Callable[[], float],
        max_tokens: int = MAX_TOKENS,
    ) -> None:
        self._store = store
        self._watch = watch
        self._monotonic = monotonic
        self._max_tokens = max_tokens
        self._moving = asyncio.Lock()
        self._watched: int | None = None
        self._revision = -1  # less than any: the first look forgets nothing, for nothing is known
        self._moves = 0
        # By subject, then by jti: what changes, changes for a subject.
        self._known: dict[str, dict[str, TokenStanding]] = {}
        self._tokens = 0
        self._unknown: dict[str, float] = {}

    @property
    def tokens(self) -> int:
        """How many are remembered."""
        return self._tokens

    async def check(self, token: VerifiedToken) -> TokenStanding:
        """As the port."""
        await self._keep_current()
        standing = self._remembered(token) or await self._look_up(token)
        if standing.refusal is not None:
            raise TokenRefused(standing.refusal)
        return standing

    async def _keep_current(self) -> None:
        if await self._watch.revision() == self._watched:
            return
        async with self._moving:  # one reads, and all wait for it: none of them is current before that
            watched = await self._watch.revision()
            if watched == self._watched:
                return
            changes = await asyncio.to_thread(self._store.changes, self._revision)
            self._moves += 1
            if changes.subjects is None or changes.revision < self._revision:
                self._forget_all()
            else:
                for subject in changes.subjects:
                    self._forget(subject)
            self._revision, self._watched = changes.revision, watched

    def _remembered(self, token: VerifiedToken) -> TokenStanding | None:
        until = self._unknown.get(token.jti)
        if until is not None and self._monotonic() < until:
            return TokenStanding(refusal=TokenRefusal.NOT_ON_RECORD)
        of_subject = self._known.get(token.subject)
        return None if of_subject is None else of_subject.get(token.jti)

    async def _look_up(self, token: VerifiedToken) -> TokenStanding:
        moves = self._moves
        standing = await asyncio.to_thread(self._store.standing, token)
        if standing.refusal is TokenRefusal.NOT_ON_RECORD:
            if len(self._unknown) >= MAX_UNKNOWN:
                self._unknown.clear()
            self._unknown[token.jti] = self._monotonic() + UNKNOWN_SECONDS
        elif moves == self._moves:
            self._remember(token, standing)
        return standing

    def _remember(self, token: VerifiedToken, standing: TokenStanding) -> None:
        of_subject = self._known.setdefault(token.subject, {})
        self._tokens += token.jti not in of_subject
        of_subject[token.jti] = standing
        while self._tokens > self._max_tokens:
            self._forget(next(iter(self._known)))

    def _forget(self, subject: str) -> None:
        self._tokens -= len(self._known.pop(subject, ()))

    def _forget_all(self) -> None:
        self._known.clear()
        self._tokens = 0
