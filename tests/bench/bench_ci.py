"""What the identity of a CI job costs: a request with a session, and the exchange of a token for one.

Processor time of one thread, the best of several rounds. ``remembered``: the session was looked up a moment ago, as it
was for all but the first request of some seconds. The whole exchange is over SQLite, with its leaf and the digest over
what gives power, beside as many sessions as are said. Run by ``python -m tests.bench.bench_ci``.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from signer.auth.ci.claims import Demands, verified_claims
from signer.auth.ci.exchange import CiExchange, Issuer
from signer.auth.ci.key_cache import KeyCache
from signer.auth.ci.key_set import key_set, verified_payload
from signer.auth.ci.pins import pinned_identity
from signer.auth.ci.sessions import LIFETIME, CiSessionAuthenticator
from signer.auth.ci.token import UnverifiedToken
from signer.auth.token_text import TokenText
from signer.domain.access.patterns import Pattern
from signer.domain.ci import PROFILES, CiSession, Kind, PinnedIdentity
from signer.storage.ci_session_store import SqlCiSessionStore
from signer.storage.database import Database
from signer.storage.people_store import SqlPeopleStore
from tests.support.api_tokens import MemoryDirectory
from tests.support.ci_tokens import AUDIENCE, KeyPair, ec_pair, github_claims, rsa_pair, token
from tests.support.databases import migrate, settings

ISSUER = "https://issuer.example"
NOW = datetime(2026, 11, 29, 14, 0, tzinfo=UTC)
ROUNDS = 5
BESIDE = (0, 250)
PROFILE = PROFILES[Kind.GITHUB]
PINNED = PinnedIdentity(
    issuer="github",
    id="456789",
    owner_id="123456",
    events=PROFILE.events,
    claims={"ref": (Pattern("refs/heads/main"), Pattern("refs/tags/v*")), "environment": (Pattern("production"),)},
    role=None,
)
DEMANDS = Demands(issuer=ISSUER, audience=AUDIENCE, max_lifetime=timedelta(hours=1))


def microseconds(call: Callable[[], object], calls: int = 500) -> float:
    """Processor time of one call."""
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.thread_time()
        for _ in range(calls):
            call()
        best = min(best, time.thread_time() - begun)
    return best / calls * 1e6


def made_token(key: KeyPair) -> str:
    """A token that is exchanged at ``NOW``."""
    return token(github_claims(ISSUER, now=NOW.timestamp()), key=key)


class OneSession:
    """A source with one session."""

    def __init__(self) -> None:
        text = TokenText.make("asx")
        self.text = text.text
        self._session = CiSession(
            id=text.id,
            issuer="github",
            subject=PINNED.id,
            pinned_sha256=PINNED.digest,
            claims={},
            secret_sha256=hashlib.sha256(text.text.encode()).digest(),
            created_at=NOW,
            expires_at=NOW + LIFETIME,
        )

    def find(self, _session_id: str) -> CiSession:
        """It."""
        return self._session


def sessions() -> Iterator[tuple[str, float]]:
    """A request with a session."""
    source = OneSession()
    authenticator = CiSessionAuthenticator(
        source=source,
        directory=MemoryDirectory(),
        pinned=[PINNED],
        clock=lambda: NOW,
        monotonic=time.monotonic,
        cache_seconds=3600.0,
    )

    def looked_up() -> object:
        authenticator.forget()
        return authenticator.authenticate(source.text)

    assert looked_up()
    yield "session, remembered", microseconds(lambda: authenticator.remembered(source.text))
    yield "session, looked up (without the database)", microseconds(looked_up)


def steps() -> Iterator[tuple[str, float]]:
    """The checks of a token."""
    pairs: Mapping[str, KeyPair] = {"RS256": rsa_pair(), "ES256": ec_pair()}
    payload = b""
    for algorithm, pair in pairs.items():
        text = made_token(pair)
        keys = key_set(json.dumps({"keys": [pair.jwk]}).encode(), (algorithm,))
        read = UnverifiedToken.parse(text)
        payload = verified_payload(read, keys[pair.kid])
        if pair is pairs["RS256"]:
            yield "token: form and header", microseconds(lambda text=text: UnverifiedToken.parse(text))  # type: ignore[misc]
        verify = lambda read=read, key=keys[pair.kid]: verified_payload(read, key)  # noqa: E731
        yield f"token: signature, {algorithm}", microseconds(verify)
    claims = verified_claims(payload, DEMANDS, now=NOW)
    yield "token: claims", microseconds(lambda: verified_claims(payload, DEMANDS, now=NOW))
    yield "token: identity", microseconds(lambda: pinned_identity(claims, PROFILE, [PINNED]))


def exchanges(directory: Path, beside: int) -> tuple[str, float]:
    """The whole exchange, beside so many sessions."""
    url = f"sqlite:///{directory}/{beside}.sqlite"
    migrate(url)
    raw = json.dumps({"keys": [rsa_pair().jwk]}).encode()
    cache = KeyCache(issuer="github", fetch=lambda: key_set(raw, ("RS256",)), monotonic=time.monotonic)
    fetching = cache.refetch()
    assert fetching is not None
    fetching.result()
    issuer = Issuer(
        name="github",
        algorithms={"RS256"},
        demands=DEMANDS,
        profile=PROFILE,
        identities=(PINNED,),
        keys=cache,
    )
    with closing(Database(settings(url))) as database:
        store = SqlCiSessionStore(database=database, clock=lambda: NOW)
        directory = SqlPeopleStore(database=database, clock=lambda: NOW)
        exchange = CiExchange(issuers=[issuer], store=store, directory=directory, now=lambda: NOW)

        def once() -> object:
            return exchange.finish(exchange.begin(next(tokens), "bench"), None, "bench")

        calls = 10
        tokens = iter([made_token(rsa_pair()) for _ in range(beside + ROUNDS * calls)])
        for _ in range(beside):
            once()
        return f"exchange, beside {beside} sessions", microseconds(once, calls)


def main() -> None:
    """Write the table."""
    print("| what | µs |\n|---|---:|")
    with tempfile.TemporaryDirectory() as directory:
        for what, cost in (*sessions(), *steps()):
            print(f"| {what} | {cost:.1f} |", flush=True)
        for beside in BESIDE:
            what, cost = exchanges(Path(directory), beside)
            print(f"| {what} | {cost:.0f} |", flush=True)


if __name__ == "__main__":
    main()
