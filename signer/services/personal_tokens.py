"""Personal access tokens: users' tokens with a name, for programs. Each has an end, and nobody has many."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta

from signer.domain.events import EventType
from signer.domain.identity import Identity, UserIdentity
from signer.domain.token_claims import IssuedToken, UserSubject
from signer.domain.user_events import user_event
from signer.errors import CredentialsRejected, SignerError, SubjectRefused
from signer.errors.users import PersonalTokenNameTaken, PersonalTokenNotFound, PersonalTokensExhausted, UserFactsInvalid
from signer.services.own_user import logged_in, own
from signer.services.token_ports import TokenIssuer
from signer.services.user_ports import PersonalToken, UserStore, UserTokenStore

MAX_TOKENS = 10
SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=365)
_NAME = re.compile(r"[ -~]{1,100}")


class PersonalTokens:
    """Of whoever asks. ``list`` and ``delete`` are for threads, ``create`` for an event loop."""

    def __init__(self, *, store: UserStore, tokens: UserTokenStore, issuer: TokenIssuer) -> None:
        self._store = store
        self._tokens = tokens
        self._issuer = issuer

    def all_tokens(self, identity: Identity) -> tuple[PersonalToken, ...]:
        """Those that hold, the oldest first."""
        return self._tokens.personal_tokens(own(identity).user_id)

    def delete(self, identity: Identity, jti: str) -> None:
        """Let one prove nothing any more; raises ``PersonalTokenNotFound``."""
        me = own(identity)
        if not self._end(me, jti, because="deleted"):
            raise PersonalTokenNotFound(token=jti)

    async def create(
        self, identity: Identity, unverified_name: str, lifetime: timedelta, *, request_id: str
    ) -> IssuedToken:
        """A token; its text is told this once.

        Raises ``PersonalTokenNameTaken``, ``PersonalTokensExhausted``, ``UserFactsInvalid``, ``AccessDenied``, or what
        ``TokenIssuer`` raises.
        """
        me = logged_in(identity)
        name = _checked_name(unverified_name)
        if not SHORTEST <= lifetime <= LONGEST:
            raise UserFactsInvalid(member="expires_in")
        await asyncio.to_thread(self._require_room, me, name, None)
        subject = UserSubject(user_id=me.user_id, name=name, lifetime=lifetime)
        try:
            token = await self._issuer.issue(subject, actor=me.name, request_id=request_id)
        except SubjectRefused:
            raise CredentialsRejected from None
        # Another may have been made meanwhile: of two that were asked for at once, at most one leaves.
        await asyncio.to_thread(self._require_room, me, name, token.jti)
        return token

    def _require_room(self, me: UserIdentity, name: str, made: str | None) -> None:
        others = [token for token in self._tokens.personal_tokens(me.user_id) if token.jti != made]
        problem: SignerError | None = None
        if any(token.name == name for token in others):
            problem = PersonalTokenNameTaken(name=name)
        elif len(others) >= MAX_TOKENS:
            problem = PersonalTokensExhausted(limit=MAX_TOKENS)
        if problem is None:
            return
        if made is not None:
            self._end(me, made, because="too-many")
        raise problem

    def _end(self, me: UserIdentity, jti: str, *, because: str) -> bool:
        user = self._store.user(me.user_id)
        event = user_event(EventType.USER_TOKEN_ENDED, user, actor=me.name, jti=jti, because=because)
        return self._tokens.end(jti, me.user_id, event, personal=True)


def _checked_name(unverified: str) -> str:
    name = unverified.strip()
    if _NAME.fullmatch(name) is None:
        raise UserFactsInvalid(member="name")
    return name
