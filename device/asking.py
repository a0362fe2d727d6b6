"""Asking the service for tokens: again where that may help, and never for longer than the whole may take.

1. Each attempt is a request of its own: its time and nonce are used up, whether or not an answer came.
2. The times that are sent never go back, even where the clock does: the service would hear none of them.
3. A refusal ends it. Only what says "later" is tried again.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime

from device.backoff import Backoff
from device.clock import plausible
from device.errors import (
    ClientCertificateRefused,
    DeviceError,
    NotAccepted,
    RequestRefused,
    ServiceBusy,
)
from device.http import Response
from device.key_ring import KeyRing, RingState
from device.keys import DeviceKey
from device.requests import Freshness, Identity, Request, auth_request
from device.store import Store
from device.tokens import Token, keep_token
from device.transport import Transport

ASKED_AT = "asked-at"
# What the service lets a device's clock differ by; a time beyond it was never heard.
CLOCK_TOLERANCE = 300
# Less than this is no wrong clock, but the way that the answer took.
NOTED_DIFFERENCE = 30
MOST_RETRY_AFTER = 86_400.0
MOST_DIGITS = 9
BUSY = frozenset({429, 500, 502, 503, 504})
OK, UNAUTHORIZED = 200, 401


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds. ``attempt``: of one request; ``margin``: before its end a token counts as ended."""

    attempt: float = 30.0
    margin: float = 60.0
    backoff: Backoff = field(default_factory=Backoff)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Clocks, waiting and chance. ``now``: seconds since 1970."""

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    wait: Callable[[float], None] = time.sleep
    choose: random.Random = field(default_factory=random.SystemRandom)


class Asking:
    """Requests of one device; called alone with its store."""

    def __init__(
        self, *, store: Store, ring: KeyRing, transport: Transport, identity: Identity, pace: Pace, world: World
    ) -> None:
        self._store = store
        self._ring = ring
        self._transport = transport
        self._identity = identity
        self._pace = pace
        self._world = world

    def authenticate(self, until: float) -> Token:
        """A new token, kept. A next key that turns out to be in force at the service is put in force here.

        Raises ``NotAccepted``, or what a request may raise.
        """
        try:
            token = self.token_of(self._ring.present(), until)
        except NotAccepted as refused:
            token = self._token_of_announced(until, refused)
            self._ring.promote()
        keep_token(self._store, token)
        return token

    def token_of(self, key: DeviceKey, until: float) -> Token:
        """A token for one key; raises ``NotAccepted``, or what a request may raise."""
        answer = self.ask(lambda freshness: auth_request(key, self._identity, freshness), key, until)
        if answer.status == OK:
            return Token.of_answer(answer.body)
        if answer.status == UNAUTHORIZED:
            raise NotAccepted(fingerprint=key.fingerprint, clock_ahead=self._clock_ahead(answer))
        raise refusal_of(answer)

    def ask(self, make: Callable[[Freshness], Request], key: DeviceKey, until: float) -> Response:
        """The answer to what ``make`` makes, for each attempt anew; raises any ``DeviceError`` of the last one."""
        return self.repeated(lambda: make(self._freshness()), key, until)

    def repeated(self, make: Callable[[], Request], key: DeviceKey, until: float) -> Response:
        """As ``ask``, for what needs neither time nor nonce."""
        waits = self._pace.backoff.waits(self._world.choose)
        while True:
            try:
                answer = self.once(make, key, until)
                if answer.status not in BUSY:
                    return answer
                failed: DeviceError = ServiceBusy(status=answer.status, retry_after=_retry_after(answer))
            except DeviceError as error:
                if not error.later:
                    raise
                failed = error
            wait = next(waits)
            if isinstance(failed, ServiceBusy) and failed.retry_after is not None:
                wait = max(wait, self._pace.backoff.after(failed.retry_after, self._world.choose))
            if self._world.monotonic() + wait >= until:
                raise failed
            self._world.wait(wait)

    def once(self, make: Callable[[], Request], key: DeviceKey, until: float) -> Response:
        """The answer, whatever its status; raises any ``DeviceError``."""
        plausible(self._world.now())
        end = min(until, self._world.monotonic() + self._pace.attempt)
        return self._transport.exchange(make(), key=key, until=end)

    def _token_of_announced(self, until: float, refused: NotAccepted) -> Token:
        following = self._ring.following() if self._ring.state() is RingState.ANNOUNCED else None
        if following is None:
            raise refused
        try:
            return self.token_of(following, until)
        except (NotAccepted, ClientCertificateRefused):
            raise refused from None

    def _freshness(self) -> Freshness:
        now, last = int(self._world.now()), self._asked_at()
        ts = last if now < last <= now + CLOCK_TOLERANCE else now
        if ts != last:
            self._store.replace(ASKED_AT, str(ts).encode("ascii"))
        return Freshness.at(ts)

    def _asked_at(self) -> int:
        content = self._store.read(ASKED_AT) or b""
        return int(content) if content.isdigit() and len(content) <= len(str(1 << 40)) else 0

    def _clock_ahead(self, answer: Response) -> int | None:
        try:
            theirs = parsedate_to_datetime(answer.headers.get("date", ""))
        except ValueError:
            return None
        ahead = int(self._world.now() - theirs.replace(tzinfo=theirs.tzinfo or UTC).timestamp())
        return ahead if abs(ahead) > NOTED_DIFFERENCE else None


def refusal_of(answer: Response) -> RequestRefused:
    """What an answer refuses, with the code of its problem document (RFC 9457) where it is one."""
    try:
        code = json.loads(answer.body)["code"]
    except (ValueError, KeyError, TypeError, RecursionError):
        code = ""
    printable = isinstance(code, str) and code.isascii() and code.isprintable()
    return RequestRefused(status=answer.status, problem=code[:100] if printable else "")


def _retry_after(answer: Response) -> float | None:
    text = answer.headers.get("retry-after", "")
    return (
        min(float(text), MOST_RETRY_AFTER) if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS else None
    )
