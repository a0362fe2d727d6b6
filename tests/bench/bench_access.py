"""What access adds to a signature: telling who asks by an API token, and deciding by the rules.

Processor time of one thread, the best of several rounds. ``remembered``: the token was looked up a moment ago, as it
was for all but the first request of some seconds. ``asked``: before a body is read; ``decided``: with a head that was
read. The rules: all of roles; a thousand about others; a thousand about this very caller and this action, each with a
pattern for other keys; a thousand about the caller and the key, whose conditions fail but for the last: by beginnings
of names, by what stands inside them, in one of two tables of ``any``, by versions; the same, denying; and what is found
by nothing, conditions inside ``not``. Run by ``python -m tests.bench.bench_access``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from signer.auth import api_tokens
from signer.auth.api_tokens import ApiTokenAuthenticator
from signer.auth.methods import Methods
from signer.domain.access.actions import Action
from signer.domain.access.deciding import decide, may_ask
from signer.domain.access.decisions import Allow, KeyFacts
from signer.domain.access.policy import Policy
from signer.domain.access.presets import ROLES_TEXT
from signer.domain.access.reading import parse_policy
from signer.domain.api_tokens import KIND
from signer.domain.credentials import Credentials, Peer, PeerKind
from signer.domain.identity import Identity, Role
from signer.domain.keys import Purpose
from tests.bench.processor_time import microseconds
from tests.signer.domain.access.cases import head_seen, rule
from tests.support.api_tokens import MemoryApiTokens, MemoryDirectory, issue_api_token

NOW = datetime(2026, 11, 29, 14, 0, tzinfo=UTC)
RULES = 1000
NAME = "api-token:build"
CONTENT = 'checked = "head", artifact_name = ["release-*"], device_types = ["beaglebone"], scripts = false'
NAMES = CONTENT.replace("release-", "r{}-")
FAILING = {
    "names": NAMES,
    "inside names": CONTENT.replace("release-*", "*-r{}-*"),
    "any": 'checked = "head", any = [{{ artifact_name = ["r{0}-*"] }}, {{ device_types = ["d{0}"] }}]',
    "versions": 'checked = "head", version = {{ from = "artifact_name", prefix = "r{}-", order = "numeric" }}',
    "not": 'checked = "head", not = {{ scripts = false }}',
}
KEY = KeyFacts(name="fw", purpose=Purpose.ARTIFACT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the table: microseconds."""

    rules: str
    remembered: float
    asked: float
    decided: float

    @property
    def line(self) -> str:
        """As the page has it."""
        whole = self.remembered + self.asked + self.decided
        return f"| {self.rules} | {self.remembered:.1f} | {self.asked:.1f} | {self.decided:.1f} | {whole:.1f} |"


def policies() -> dict[str, Policy]:
    """The rules, by what they are."""
    mine = {"principals": f'["{NAME}"]'}
    last = rule(CONTENT, name="last", **mine)
    others = "".join(rule(CONTENT, name=f"r{number}", principals=f'["role:r{number}"]') for number in range(RULES - 1))
    elsewhere = "".join(
        rule(CONTENT, name=f"r{number}", keys=f'["k{number}-*"]', **mine) for number in range(RULES - 1)
    )
    texts = {"others": others, "the caller, other keys": elsewhere}
    for what, when in FAILING.items():
        texts[f"the caller and the key, {what}"] = "".join(
            rule(when.format(number), name=f"r{number}", **mine) for number in range(RULES - 1)
        )
    texts["the caller and the key, denying"] = "".join(
        rule(NAMES.format(number), name=f"r{number}", effect="deny", **mine) for number in range(RULES - 1)
    )
    made = {f"{RULES} about {name}": parse_policy(f"version = 1\n{text}{last}") for name, text in texts.items()}
    return {"of roles": parse_policy(ROLES_TEXT), **made}


def authenticator() -> tuple[Methods, Credentials]:
    """The methods of a process, and what a request shows; the token was looked up."""
    store = MemoryApiTokens()
    token = issue_api_token(store, name="build", role=Role.SIGNER)
    tokens = ApiTokenAuthenticator(
        store=store,
        directory=MemoryDirectory(),
        clock=lambda: NOW,
        monotonic=time.monotonic,
        cache_seconds=3600.0,
        used=lambda _: None,
    )
    methods = Methods(bearer={api_tokens.PREFIX: tokens}, kinds={KIND: tokens})
    shown = Credentials(peer=Peer(kind=PeerKind.TCP), authorization=f"Bearer {token}")
    methods.authenticate(shown)
    return methods, shown


def measure(name: str, policy: Policy, methods: Methods, shown: Credentials) -> Row:
    """A row, after a look at whether all of it is allowed."""
    identity = methods.remembered(shown)
    assert isinstance(identity, Identity)
    request = head_seen()

    def ask() -> object:
        return may_ask(policy, identity, Action.SIGN, key=KEY, at=NOW)

    def judge() -> object:
        return decide(policy, identity, Action.SIGN, key=KEY, request=request, at=NOW)

    assert isinstance(ask(), Allow)
    assert isinstance(judge(), Allow)
    return Row(
        rules=name,
        remembered=microseconds(lambda: methods.remembered(shown)),
        asked=microseconds(ask),
        decided=microseconds(judge),
    )


def main() -> None:
    """Write the table."""
    methods, shown = authenticator()
    print("| rules | remembered | asked | decided | together |\n|---|---:|---:|---:|---:|")
    for name, policy in policies().items():
        print(measure(name, policy, methods, shown).line, flush=True)


if __name__ == "__main__":
    main()
