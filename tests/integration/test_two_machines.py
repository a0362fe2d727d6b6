"""Two whole services on one PostgreSQL, each with its recorder, state and token store: what they count together."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.artifacts import ArtifactBuilder
from tests.support.ci_issuer import CiIssuer, running_issuer
from tests.support.ci_tokens import AUDIENCE, github_claims, token
from tests.support.postgres import Cluster

from .callers import Callers
from .on_server import log_command, move_to_server
from .running import Installation, copied, initialise, running

CI = """
[[ci_issuer]]
name = "github"
issuer = "{issuer.url}"
kind = "github"
audience = "{audience}"
ca_file = "{issuer.ca_file}"

[[ci_identity]]
issuer = "github"
id = "456789"
owner_id = "123456"
"""
RULES = """
version = 1
[[rules]]
name = "boss"
effect = "allow"
principals = ["api-token:admin"]
actions = ["administer", "read-log", "manage", "read"]
keys = ["*"]
[[rules]]
name = "release"
effect = "allow"
principals = ["api-token:build"]
actions = ["sign"]
keys = ["firmware"]
when = { checked = "head" }
approvals = [{ group = "qa", count = 2 }]
[[rules]]
name = "approvers"
effect = "allow"
principals = ["group:qa"]
actions = ["approve"]
keys = ["firmware"]
"""
LIMITED = """
[[rules]]
name = "nightly-{name}"
effect = "allow"
principals = ["api-token:{name}"]
actions = ["sign"]
keys = ["nightly"]
limits = {{ {period} = {count} }}
"""
LIMITS = {"night-total": ("total", 9), "night-day": ("per_day", 7)}
PATH, SESSIONS, SESSIONS_HELD = "/v1/keys/nightly/signatures", "/v1/auth/ci", "/v1/ci-sessions"
pytestmark = pytest.mark.slow
TOKENS, ASKERS, CONNECTIONS, ASKED = 12, 6, 4, 10
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Pair:
    """Two machines: the first one made the people; each has a copy of the keys."""

    url: str
    machines: tuple[Installation, Installation]
    callers: Callers
    issuer: CiIssuer

    def job(self) -> str:
        """The token of a job."""
        return token(github_claims(self.issuer.url, aud=AUDIENCE))

    def each(self, stack: ExitStack, who: str | None, number: int) -> list[httpx.Client]:
        """Connections, by turns to both."""
        machines = itertools.islice(itertools.cycle(self.machines), number)
        return [
            stack.enter_context(at.http(headers={}) if who is None else self.callers.connection(who, at))
            for at in machines
        ]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, postgres_cluster: Cluster) -> Iterator[Pair]:
    directory, url = tmp_path_factory.mktemp("two"), postgres_cluster.create_database("two_machines")
    first = initialise(directory / "first")
    move_to_server(first, url)
    settings = {"DATABASE_URL": url, "SERVER_WORKERS": "1"}
    with running_issuer(directory, name="github") as issuer, ExitStack() as services:
        with first.config.open("a") as file:
            file.write(CI.format(issuer=issuer, audience=AUDIENCE))
        services.enter_context(running(first, **settings))
        callers = Callers(first)
        for key in ("firmware", "nightly"):
            callers.manage("/v1/keys", {"name": key, "algorithm": "ecdsa-p256"})
        callers.group("qa", "ada", "bob", "cy")
        for name in ("build", *LIMITS):
            callers.token(name)
        limited = (LIMITED.format(name=name, period=period, count=count) for name, (period, count) in LIMITS.items())
        callers.apply(RULES + "".join(limited))
        second = copied(first, directory / "second")
        services.enter_context(running(second, **settings))
        yield Pair(url, (first, second), callers, issuer)


def test_of_both_that_are_shown_a_token_at_once_one_takes_it(pair: Pair) -> None:
    with ExitStack() as stack, ThreadPoolExecutor(ASKERS) as pool:
        clients = pair.each(stack, None, ASKERS)
        for _ in range(TOKENS):
            body = {"token": pair.job()}
            shown = list(pool.map(lambda client, body=body: client.post(SESSIONS, json=body).status_code, clients))
            assert Counter(shown) == {201: 1, 401: ASKERS - 1}


def test_a_token_that_one_took_is_refused_by_the_other(pair: Pair) -> None:
    body = {"token": pair.job()}
    statuses = []
    for machine in (*pair.machines, *pair.machines):
        with machine.http(headers={}) as http:
            statuses.append(http.post(SESSIONS, json=body).status_code)
    assert statuses == [201, 401, 401, 401]


def test_a_session_of_one_holds_at_the_other_until_it_is_revoked_there(pair: Pair) -> None:
    first, second = pair.machines
    with first.http(headers={}) as http:
        session = http.post(SESSIONS, json={"token": pair.job()}).json()["session"]
    headers = {"Authorization": f"Bearer {session}"}
    with first.http(headers=headers) as here, second.http(headers=headers) as there:
        # No rule is about it: it is known, and may do nothing.
        assert [each.get("/v1/keys").status_code for each in (here, there)] == [403, 403]
        revoked = pair.callers.manage(f"{SESSIONS_HELD}/revoke", _leaked(session), at=second)
        assert revoked == {"revoked": 1}
        assert [each.get("/v1/keys").status_code for each in (here, there)] == [401, 401]


def _leaked(session: str) -> dict[str, str]:
    return {"session": session.split("_")[1], "reason": "leaked"}


REFUSALS = {"total": (409, "signature-count-reached"), "per_day": (429, "rate-limited")}


@pytest.mark.parametrize("name", LIMITS)
def test_both_together_sign_no_more_than_the_limit(pair: Pair, name: str) -> None:
    period, count = LIMITS[name]

    def ask(client: httpx.Client) -> list[tuple[int, str]]:
        bodies = [ArtifactBuilder(name=f"{name}-{next(_numbers)}").manifest() for _ in range(ASKED)]
        answers = [client.post(PATH, content=body) for body in bodies]
        return [(answer.status_code, answer.json().get("code", "")) for answer in answers]

    with ExitStack() as stack, ThreadPoolExecutor(CONNECTIONS) as pool:
        clients = pair.each(stack, name, CONNECTIONS)
        by_client = list(pool.map(ask, clients))
    answers = Counter(itertools.chain.from_iterable(by_client))
    assert answers == {(200, ""): count, REFUSALS[period]: CONNECTIONS * ASKED - count}
    with pair.machines[0].http() as http:
        entries = http.get("/v1/log/entries", params={"actor": f"api-token:{name}"}).json()["entries"]
    assert sum(entry["leaf"]["type"] == "signature" for entry in entries) == count


def _waiting(answer: httpx.Response) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["code"]) == (403, "approval-required"), answer.text
    facts: dict[str, Any] = answer.json()["facts"]
    return facts


def test_votes_on_one_count_on_the_other(pair: Pair) -> None:
    first, second = pair.machines
    facts = _waiting(pair.callers.sign("build", "release-1", at=first))
    assert _waiting(pair.callers.sign("build", "release-1", at=second))["approval"] == facts["approval"]
    assert pair.callers.vote(facts, "ada", at=second) == 200
    # The same person on the other machine is the same vote.
    assert pair.callers.vote(facts, "ada", at=first) == 200
    _waiting(pair.callers.sign("build", "release-1", at=first))
    assert pair.callers.vote(facts, "bob", at=first) == 200
    signed = pair.callers.sign("build", "release-1", at=second)
    assert signed.json()["leaf"]["approval"] == facts["approval"]
    repeated = pair.callers.sign("build", "release-1", at=first)
    assert repeated.json()["signature"] == signed.json()["signature"]


def test_who_is_disabled_on_one_has_no_vote_and_no_credential_on_the_other(pair: Pair) -> None:
    first, second = pair.machines
    facts = _waiting(pair.callers.sign("build", "release-2", at=first))
    assert [pair.callers.vote(facts, person, at=second) for person in ("ada", "cy")] == [200, 200]
    pair.callers.manage("/v1/people/cy/disable", {"reason": "left"}, at=second)
    _waiting(pair.callers.sign("build", "release-2", at=first))
    assert pair.callers.vote(facts, "cy", at=first) == 401


def test_what_both_recorded_is_one_log(pair: Pair) -> None:
    """Last of all: each beside its own checkpoint."""
    for machine in pair.machines:
        assert " holds\n" in log_command(machine, pair.url, "verify")
