"""What comes with a signature: its leaf, and the proof that it is on record under a checkpoint that covers it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from signer.application import Application
from signer.bootstrap import build_application, sql_parts
from signer.domain.identity import Role
from signer.domain.records import Outcome, SignatureEntry
from signer.domain.refusals import RefusedCall
from signer.errors import SignerError
from signer.services.lifecycle import NewKeyRequest
from signer.services.ports import Recorder
from signer.storage.api_token_store import SqlApiTokenStore
from signer.storage.database import Database
from signer.storage.log_reader import SqlLogReader
from signer.web.app import create_app
from signer.web.front.application import Front
from signer.web.front.bridge import Bridge
from signer.web.front.metrics import Metrics
from signer.web.front.rooms import Rooms
from tests.artifacts import ArtifactBuilder
from tests.support.api_tokens import issue_api_token
from tests.support.asking import Reply, ask
from tests.support.clock import ManualClock
from tests.support.house import ADMIN, KEY, settings
from tests.support.in_process import in_process
from tests.support.memory_log import MemoryCheckpoints
from tests.support.memory_tokens import MemoryTokens
from verifier import Limits, Manifest
from verifier.log import LogDemand, LogProof, LogTrust, parsed_leaf, verify_proof

TIMEOUT = 60.0
ARTIFACT = ArtifactBuilder().build()
MANIFEST = Manifest.parse(ArtifactBuilder().manifest(), limits=Limits())


@dataclass(slots=True)
class CertifyingRecorder:
    """Records, then certifies all that is on record before anybody is answered; ``silent`` leaves the second out."""

    recorder: Recorder
    reader: SqlLogReader
    checkpoints: MemoryCheckpoints
    silent: bool = False

    async def record_many(self, entries: list[SignatureEntry], *, deadline: float) -> list[Outcome | SignerError]:
        outcomes = await self.recorder.record_many(entries, deadline=deadline)
        if not self.silent:
            self.certify()
        return outcomes

    def certify(self) -> None:
        """All that is on record."""
        head = self.reader.head()
        self.checkpoints.note = self.checkpoints.key.signed(head.size, head.root)

    def refuse(self, call: RefusedCall) -> None:
        self.recorder.refuse(call)

    def close(self) -> None:
        """Nothing is held."""


@dataclass(slots=True, kw_only=True)
class Site:
    """A service that signs."""

    front: Front
    application: Application
    recorder: CertifyingRecorder
    credentials: dict[Role, str]
    database: Database

    def sign(
        self, body: bytes = ARTIFACT, *, route: str = "signatures", role: Role = Role.SIGNER, **fields: str
    ) -> Reply:
        headers = {"Authorization": self.credentials[role], **fields}
        return ask(self.front, "POST", f"/v1/keys/{KEY}/{route}", headers=headers, body=body)

    def proved(self, document: Any) -> Any:
        """The evidence of the answer's proof."""
        trust = LogTrust(log_keys=(self.recorder.checkpoints.key.verifier,))
        return verify_proof(
            LogDemand(trust=trust, unverified_proof=document["proof"].encode()),
            manifest_sha256=document["manifest_sha256"],
            fingerprint=document["fingerprint"],
            signature=document["signature"].encode(),
        )


@pytest.fixture
def site(sqlite_url: str, tmp_path: Path, clock: ManualClock) -> Iterator[Site]:
    with opened(sqlite_url, tmp_path, clock) as made:
        yield made


@contextmanager
def opened(url: str, directory: Path, clock: ManualClock) -> Iterator[Site]:
    """A service that signs, on this database."""
    tokens = MemoryTokens("one")
    chosen = settings(url, directory, tokens.names)
    database = Database(chosen.database)
    parts = in_process(
        sql_parts(chosen, database=database, tokens=tokens, clock=clock, monotonic=lambda: clock().timestamp()),
        database,
    )
    recorder = CertifyingRecorder(parts.recorder, SqlLogReader(database=database), MemoryCheckpoints())
    application = build_application(chosen, replace(parts, recorder=recorder, checkpoints=recorder.checkpoints))
    application.lifecycle.create(ADMIN, NewKeyRequest(unverified_name=KEY, unverified_algorithm="ecdsa-p256"))
    store, rooms = SqlApiTokenStore(database=database, clock=clock), Rooms(threads=1, timeout=TIMEOUT)
    credentials = {role: f"Bearer {issue_api_token(store, name=role.value, role=role, actor='test')}" for role in Role}
    app, metrics = create_app(application), Metrics(parts.stages)
    front = Front(application, timeout=TIMEOUT, rooms=rooms, bridge=Bridge(app), metrics=metrics)
    yield Site(front=front, application=application, recorder=recorder, credentials=credentials, database=database)
    rooms.close()
    parts.on_record.close()
    database.close()


BODIES = {"manifest": MANIFEST.raw, "head": ARTIFACT[: ARTIFACT.rindex(b"data/0000.tar")], "artifact": ARTIFACT}


@pytest.mark.parametrize("checked", BODIES)
def test_a_document_carries_leaf_and_proof(site: Site, checked: str) -> None:
    document = site.sign(BODIES[checked]).json()
    evidence = site.proved(document)
    assert evidence.leaf.checked == document["checked"] == checked
    assert evidence.index == document["index"]
    assert evidence.checkpoint.size > document["index"]
    assert evidence.leaf.actor == "api-token:signer"
    assert document["leaf"] == parsed_leaf(LogProof.parse(document["proof"].encode()).extra)


def test_text_names_the_leaf(site: Site) -> None:
    document = site.sign().json()
    answer = site.sign(Accept="text/plain")
    assert answer.data == document["signature"].encode()
    assert answer.headers["x-signing-log-index"] == str(document["index"])


def test_a_whole_artifact_names_the_leaf(site: Site) -> None:
    answer = site.sign(route="artifacts")
    assert answer.status_code == 200
    assert answer.headers["x-signing-log-index"] == str(site.sign().json()["index"])


def test_the_same_again_has_the_same_leaf_under_the_newest_checkpoint(site: Site) -> None:
    first = site.sign().json()
    site.sign(ArtifactBuilder(name="another").build())
    again = site.sign().json()
    assert (again["index"], again["leaf"]) == (first["index"], first["leaf"])
    assert site.proved(again).checkpoint.size > site.proved(first).checkpoint.size


def test_another_identity_gets_the_leaf_of_the_signature_and_not_its_own(site: Site) -> None:
    first = site.sign().json()
    again = site.sign(role=Role.ADMINISTRATOR).json()
    assert (again["index"], site.proved(again).leaf.actor) == (first["index"], "api-token:signer")


def test_who_saw_more_gets_the_leaf_that_says_so(site: Site) -> None:
    site.sign(BODIES["manifest"])
    document = site.sign(BODIES["artifact"], role=Role.ADMINISTRATOR).json()
    assert site.proved(document).leaf.checked == "artifact"


def test_no_document_leaves_that_no_checkpoint_covers(site: Site) -> None:
    site.sign(ArtifactBuilder(name="another").build())
    site.recorder.silent = True
    answer = site.sign()
    assert (answer.status_code, answer.json()["code"]) == (503, "log-not-certified")
    assert answer.headers["retry-after"]
    site.recorder.silent = False
    assert site.sign().status_code == 200
