"""A worker whose key ``firmware`` asks two of ``qa`` for approvals, and everybody who asks, approves, or tries to."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from signer.artifacts import Form, UploadReader
from signer.domain.approvals import Ballot, State
from signer.domain.identity import Identity
from signer.domain.requests import Signature, SigningRequest
from signer.errors import ApprovalRequired, SignerError
from signer.services.administration import Administration
from signer.services.approvals import Ask, Waiting
from signer.services.policy_administration import PolicyProposal
from signer.services.ports import Clock
from signer.storage.api_token_store import SqlApiTokenStore
from signer.storage.log_reader import SqlLogReader
from signer.web.app import create_app
from signer.web.front.application import Front
from signer.web.front.bridge import Bridge
from signer.web.front.metrics import Metrics
from signer.web.front.rooms import Rooms
from tests.artifacts import ArtifactBuilder
from verifier import Limits

from .api_token_rows import add_api_token
from .api_tokens import issue_api_token
from .asking import Reply, ask
from .databases import TIMEOUT
from .house import House
from .memory_tokens import MemoryTokens, Pair

ADMIN = "api-token:admin"
BUILD = Identity(name="api-token:build")
MANAGER = Identity(name=ADMIN)
MEMBERS = ("ada", "bob", "cy")
RULES = """
version = 1

[[rules]]
name = "release"
effect = "allow"
principals = ["api-token:build", "mtls:corp:ada", "api-token:ada-laptop", "ci:forge/7"]
actions = ["sign"]
keys = ["firmware", "fw-*"]
when = { checked = "manifest" }
approvals = [{ group = "qa", count = 2 }]
emergency = ["person:eve"]

[[rules]]
name = "careless"
effect = "allow"
principals = ["api-token:build", "api-token:admin"]
actions = ["sign"]
keys = ["firmware", "open"]

[[rules]]
name = "approvers"
effect = "allow"
principals = ["group:qa", "person:dan", "ci:forge/7", "api-token:build"]
actions = ["approve"]
keys = ["firmware", "fw-*"]

[[rules]]
name = "elsewhere"
effect = "allow"
principals = ["person:eve"]
actions = ["approve"]
keys = ["open"]

[[rules]]
name = "admins"
effect = "allow"
principals = ["api-token:admin"]
actions = ["administer", "read-log"]

[[rules]]
name = "managers"
effect = "allow"
principals = ["api-token:admin"]
actions = ["manage", "read"]
keys = ["**"]
"""


def head_request(builder: ArtifactBuilder | None = None, *, whole: bool = False) -> Any:
    """What a service makes of an artifact's head, or of all of its bytes."""
    upload = UploadReader(form=Form.ANY, limits=Limits(), head_bytes=1 << 20)
    content = (builder or ArtifactBuilder()).build()
    upload.feed(content if whole else content[: content.rindex(b"data/0000.tar")])
    return upload.finish()


def voter(person: str, *, identity: str | None = None) -> Identity:
    """Somebody with a certificate of their own, or another credential."""
    return Identity(name=identity or f"mtls:corp:{person}", person=person, groups=frozenset({"qa"}))


@dataclass(frozen=True, slots=True)
class Guarded:
    """The worker, and short ways to what tests do most."""

    house: House

    @property
    def services(self) -> Administration:
        """What administers access."""
        return self.house.application.administration

    def sign(self, who: Identity = BUILD, request: SigningRequest | None = None, key: str = "firmware") -> Signature:
        """A signature, or why there is none."""
        return self.house.sign(who, key, request or head_request())

    def ask(self, who: Identity = BUILD, request: SigningRequest | None = None) -> str:
        """The id under which a signature waits."""
        return waits(lambda: self.sign(who, request))

    def vote(self, waiting: str, who: Identity, ballot: Ballot = Ballot.APPROVE, **options: Any) -> Waiting:
        """A vote on what was seen, unless it says another digest."""
        sha256 = options.pop("sha256", self.show(waiting).proposal.subject.sha256)
        ask = Ask(ballot=ballot, sha256=sha256, reason=options.pop("reason", None))
        return self.house.application.approvals.vote(who, waiting, ask)

    def approve(self, waiting: str, *people: str) -> None:
        """By people with their certificates; ``ada`` and ``bob`` where nobody is named."""
        for person in people or ("ada", "bob"):
            self.vote(waiting, voter(person))

    def show(self, waiting: str) -> Waiting:
        """As whoever is on the machine sees it."""
        return self.house.application.approvals.show(None, waiting)

    def state(self, waiting: str) -> State:
        """What became of it."""
        return self.show(waiting).standing.state

    def apply(self, text: str, **options: Any) -> int:
        """The revision that a policy becomes, applied by the administrator."""
        options = {"reason": "a test", **options}
        return self.services.policies.apply(PolicyProposal(text=text, **options), actor=ADMIN).revision


def waits(act: Callable[[], object]) -> str:
    """The id under which it waits."""
    try:
        act()
    except ApprovalRequired as error:
        return error.approval
    raise AssertionError("it was done at once")


def refused(act: Callable[[], object]) -> str | None:
    """The code of the refusal; None where there is none."""
    try:
        act()
    except SignerError as error:
        return error.code
    return None


@dataclass(frozen=True, slots=True)
class _Scene:
    """What was made once: the records, and what the token holds."""

    records: sqlite3.Connection
    pairs: tuple[Pair, ...]


# By the log as it was before, and the time: of a house that is otherwise, another scene is made.
_scenes: dict[tuple[str, datetime], _Scene] = {}


def guard(house: House) -> Guarded:
    """People, groups, keys and rules, and API tokens of names in the rules, whose secrets nobody has.

    Made once for each test process, and put into the house as if another worker had done it: it takes forty changes.
    """
    tokens = house.tokens
    assert isinstance(tokens, MemoryTokens)
    assert not tokens.pairs()
    begun = SqlLogReader(database=house.database).head().root.hex(), house.parts.clock()
    file = house.database.sqlite_file
    assert file is not None
    with closing(file.connect(TIMEOUT)) as records:
        if (scene := _scenes.get(begun)) is not None:
            scene.records.backup(records)
            for pair in scene.pairs:
                tokens.put(pair)
            return Guarded(house)
        add_api_token(house.database, "admin", "administrator")
        add_api_token(house.database, "build", "signer")
        made = _guard(house)
        kept = sqlite3.connect(":memory:")
        records.backup(kept)
        _scenes[begun] = _Scene(kept, tokens.pairs())
    return made


def _guard(house: House) -> Guarded:
    """In an order in which nothing is guarded yet."""
    made = Guarded(house)
    people = made.services.people
    for group in ("qa", "others", "empty"):
        people.create_group(group, actor=ADMIN)
    for person in (*MEMBERS, "dan", "eve", "gone"):
        people.create(person, display=None, email=None, actor=ADMIN)
        people.assign(f"mtls:corp:{person}", person, actor=ADMIN)
    for person in (*MEMBERS, "dan"):
        people.assign(f"api-token:{person}-laptop", person, actor=ADMIN)
    people.assign("ci:forge/7", "bob", actor=ADMIN)
    for person in (*MEMBERS, "gone"):
        people.add_member("qa", f"person:{person}", actor=ADMIN)
    people.add_member("others", "person:dan", actor=ADMIN)
    people.disable("gone", reason="left", actor=ADMIN)
    house.create("firmware")
    house.create("open")
    made.apply(RULES)
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedSite:
    """The same behind its routes, with an API token for everybody."""

    guarded: Guarded
    front: Front
    credentials: dict[str, str]

    def ask(self, who: str, method: str, target: str, document: object = None, *, body: bytes = b"") -> Reply:
        """One request."""
        headers = {"Authorization": f"Bearer {self.credentials[who]}"}
        content = body if document is None else json.dumps(document).encode()
        return ask(self.front, method, target, headers=headers, body=content)


@contextmanager
def guarded_site(house: House, clock: Clock) -> Iterator[GuardedSite]:
    """Behind its routes. People have an API token ``NAME-laptop`` each."""
    store = SqlApiTokenStore(database=house.database, clock=clock)
    names = ("admin", "build", "auditor", *(f"{person}-laptop" for person in (*MEMBERS, "dan")))
    credentials = {name: issue_api_token(store, name=name, role=None) for name in names}
    made, rooms = _guard(house), Rooms(threads=1, timeout=60.0)
    app, metrics = create_app(house.application), Metrics(house.parts.stages)
    front = Front(house.application, timeout=60.0, rooms=rooms, bridge=Bridge(app), metrics=metrics)
    yield GuardedSite(guarded=made, front=front, credentials=credentials)
    rooms.close()
