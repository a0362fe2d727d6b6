"""Notices of approvals: who sent them can be told, each comes until it is taken, and no receiver holds anything up."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from signer.addresses import Address
from signer.domain.access.decisions import ApprovalDemand
from signer.domain.approval_notices import Told
from signer.domain.approvals import Proposal, ProposalKind, Requester, Standing, State, Subject
from signer.errors import DatabaseUnavailable
from signer.notices_file import NoticesFile, NoticesReport
from signer.recorder import notices
from signer.recorder.notices import Notices, Receiver, Waiting
from tests.support.receiver import Listening, Mood, receiver

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
SECRET = bytes(range(32))
QUIET_SECONDS = 0.3
QA = (ApprovalDemand(group="qa", count=2),)


def proposal(number: int = 1) -> Proposal:
    return Proposal(
        id=f"{number:032x}",
        subject=Subject(
            kind=ProposalKind.SIGNATURE,
            name="firmware",
            sha256="ab" * 32,
            demands=QA,
            rule="release",
            rule_sha256="cd" * 32,
            key="firmware",
            key_version=3,
        ),
        requester=Requester(identity="ci:github/1"),
        created_at=NOW,
        expires_at=NOW + timedelta(days=7),
    )


def stands(state: State, number: int = 1) -> tuple[Proposal, Standing]:
    return proposal(number), Standing(state=state, lacking=QA if state is State.PENDING else (), counted={})


@dataclass(slots=True)
class Scene:
    """What waits, whom it is told, and who tells it."""

    folder: Path
    listening: Listening
    waiting: list[tuple[Proposal, Standing]] = field(default_factory=list)
    broken: bool = False
    looks: int = 0

    def look(self) -> Waiting:
        self.looks += 1
        if self.broken:
            raise DatabaseUnavailable
        return tuple(self.waiting)

    @property
    def file(self) -> NoticesFile:
        return NoticesFile(self.folder / "log.checkpoint.notices")

    def telling(self, *, seconds: float = 5.0, first_pause: float = 0.02) -> Notices:
        address = Address.parse(self.listening.url)
        return Notices(
            receiver=Receiver(address=address, secret_file=self.folder / "secret", seconds=seconds),
            look=self.look,
            file=self.file,
            clock=lambda: NOW,
            pace=0.02,
            first_pause=first_pause,
        )


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    secret = tmp_path / "secret"
    secret.write_text("whsec_" + base64.b64encode(SECRET).decode() + "\n")
    secret.chmod(0o600)
    with receiver() as listening:
        yield Scene(tmp_path, listening)


def until(met: Callable[[], bool]) -> None:
    latest = time.monotonic() + 30
    while not met():
        assert time.monotonic() < latest
        time.sleep(0.005)


def test_a_request_that_waits_is_told_once(scene: Scene) -> None:
    scene.waiting = [stands(State.PENDING)]
    with closing(scene.telling()):
        message = scene.listening.next()
        assert scene.listening.quiet(QUIET_SECONDS)
    document = json.loads(message.body)
    assert document["type"] == "approval.waiting"
    assert document["data"] == {
        "id": proposal().id,
        "kind": "signature",
        "name": "firmware",
        "key": "firmware",
        "key_version": 3,
        "sha256": "ab" * 32,
        "requester": "ci:github/1",
        "lacking": [{"group": "qa", "count": 2}],
        "created_at": "2030-01-02T03:04:05Z",
        "expires_at": "2030-01-09T03:04:05Z",
    }


def test_the_receiver_can_tell_who_sent_it_and_when(scene: Scene) -> None:
    scene.waiting = [stands(State.PENDING)]
    with closing(scene.telling()):
        message = scene.listening.next()
    fields = message.fields
    assert fields["webhook-timestamp"] == str(int(NOW.timestamp()))
    signed = f"{fields['webhook-id']}.{fields['webhook-timestamp']}.".encode() + message.body
    expected = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
    assert fields["webhook-signature"] == f"v1,{expected}"
    assert (fields["content-type"], fields["host"]) == ("application/json", scene.listening.url.split("/")[2])


ENDS = {
    State.APPROVED: "approval.approved",
    State.REJECTED: "approval.rejected",
    State.EXPIRED: "approval.expired",
    None: "approval.ended",
}


@pytest.mark.parametrize("state", ENDS)
def test_its_end_is_told(scene: Scene, state: State | None) -> None:
    scene.waiting = [stands(State.PENDING)]
    with closing(scene.telling()):
        first = scene.listening.next()
        scene.waiting = [] if state is None else [stands(state)]
        second = scene.listening.next()
        assert scene.listening.quiet(QUIET_SECONDS)
    assert json.loads(second.body)["type"] == ENDS[state]
    assert json.loads(second.body)["data"]["id"] == proposal().id
    assert first.fields["webhook-id"] != second.fields["webhook-id"]


FAULTS = [
    Mood.FAILS,
    Mood.REFUSES,
    Mood.REDIRECTS,
    Mood.IS_HUGE,
    Mood.HAS_A_HUGE_HEAD,
    Mood.IS_ANOTHER_PROTOCOL,
    Mood.HANGS_UP,
]


@pytest.mark.parametrize("mood", FAULTS)
def test_it_is_sent_again_until_it_is_taken(scene: Scene, mood: Mood) -> None:
    with receiver() as elsewhere:
        scene.listening.mood, scene.listening.elsewhere = mood, elsewhere.url
        scene.waiting = [stands(State.PENDING)]
        with closing(scene.telling()) as telling:
            ids = {scene.listening.next().fields["webhook-id"] for _ in range(3)}
            scene.listening.mood = Mood.TAKES
            until(lambda: telling.taken == 1)
            assert telling.failures >= 2
        assert len(ids) == 1
        assert elsewhere.messages.empty()


def test_one_that_answers_nothing_is_not_waited_for(scene: Scene) -> None:
    scene.listening.mood = Mood.IS_SILENT
    scene.waiting = [stands(State.PENDING)]
    with closing(scene.telling(seconds=0.1)) as telling:
        scene.listening.next()
        until(lambda: telling.failures >= 1)
        report = scene.file.read()
    assert report is not None
    assert report.failure == "no answer within 0.1 seconds"


def test_one_that_is_not_there(scene: Scene) -> None:
    with receiver() as gone:
        pass
    scene.listening.url = gone.url
    scene.waiting = [stands(State.PENDING)]
    with closing(scene.telling()) as telling:
        until(lambda: telling.failures >= 2)
        assert telling.taken == 0


def test_pauses_grow(scene: Scene) -> None:
    telling = scene.telling(first_pause=5.0)
    telling.close()
    pauses = []
    for failed in range(10):
        telling._failed_rounds = failed
        pauses.append(telling._pause())
    assert pauses == [0.02, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 600.0, 600.0]


def test_one_that_is_never_taken_is_given_up(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "MOST_TRIES", 3)
    monkeypatch.setattr(notices, "LONGEST_PAUSE_SECONDS", 0.02)
    scene.listening.mood = Mood.FAILS
    scene.waiting = [stands(State.PENDING)]
    with closing(scene.telling()) as telling:
        until(lambda: telling.failures >= 3)
        looks = scene.looks
        until(lambda: scene.looks > looks + 3)
        assert telling.failures == 3


def test_one_that_is_not_taken_does_not_hold_up_the_others(scene: Scene) -> None:
    scene.waiting = [stands(State.PENDING, number) for number in (1, 2)]
    scene.listening.mood = Mood.FAILS
    with closing(scene.telling()):
        first, second = (scene.listening.next().fields["webhook-id"] for _ in range(2))
    assert {first, second} == {f"msg_{proposal(number).id}_waiting" for number in (1, 2)}


def test_no_more_than_a_few_are_sent_at_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "MOST_AT_ONCE", 2)
    scene.waiting = [stands(State.PENDING, number) for number in range(1, 6)]
    with closing(scene.telling()) as telling:
        until(lambda: telling.taken == 5)
        assert scene.looks >= 3


def test_what_was_told_is_known_to_the_next_process(scene: Scene) -> None:
    scene.waiting = [stands(State.PENDING)]
    with closing(scene.telling()) as telling:
        until(lambda: telling.taken == 1)
    scene.listening.next()
    with closing(scene.telling()):
        assert scene.listening.quiet(QUIET_SECONDS)
        scene.waiting = []
        assert json.loads(scene.listening.next().body)["type"] == "approval.ended"


def test_what_was_not_taken_is_told_by_the_next_process(scene: Scene) -> None:
    scene.listening.mood = Mood.FAILS
    scene.waiting = [stands(State.PENDING)]
    with closing(scene.telling()):
        before = scene.listening.next().fields["webhook-id"]
    scene.listening.mood = Mood.TAKES
    with closing(scene.telling()) as telling:
        until(lambda: telling.taken == 1)
    assert scene.listening.next().fields["webhook-id"] == before


def test_the_end_is_not_waited_for_by_who_ends(scene: Scene) -> None:
    scene.listening.mood = Mood.IS_SILENT
    scene.waiting = [stands(State.PENDING)]
    telling = scene.telling(seconds=60.0)
    scene.listening.next()
    begun = time.monotonic()
    telling.close()
    assert time.monotonic() - begun < notices.CLOSING_SECONDS


def test_a_database_that_is_gone_for_a_while(scene: Scene) -> None:
    scene.broken = True
    with closing(scene.telling()):
        until(lambda: scene.looks >= 3)
        scene.waiting, scene.broken = [stands(State.PENDING)], False
        scene.listening.next()


SECRETS: dict[str, Callable[[Path], object]] = {
    "is gone": lambda path: path.unlink(),
    "others may read": lambda path: path.chmod(0o640),
    "is no secret": lambda path: path.write_text("hello"),
    "is too short": lambda path: path.write_text("whsec_" + base64.b64encode(b"x" * 23).decode()),
    "is too long": lambda path: path.write_text("whsec_" + base64.b64encode(b"x" * 65).decode()),
    "is no base64": lambda path: path.write_text("whsec_" + "!" * 44),
    "has no mark": lambda path: path.write_text(base64.b64encode(SECRET).decode()),
}


@pytest.mark.parametrize("sentence", SECRETS)
def test_nothing_is_sent_with_a_secret_that(scene: Scene, sentence: str) -> None:
    SECRETS[sentence](scene.folder / "secret")
    scene.waiting = [stands(State.PENDING)]
    with closing(scene.telling()) as telling:
        until(lambda: telling.failures >= 1)
        assert scene.listening.messages.empty()
        report = scene.file.read()
    assert report is not None
    assert (report.failure or "").startswith("the secret file ")
    assert base64.b64encode(SECRET).decode() not in (report.failure or "")


FILES = {"empty": b"", "no JSON": b"\xff", "a list": b"[]", "a state that is none": b'{"told": {"a": "x"}}'}


@pytest.mark.parametrize("sentence", FILES)
def test_a_file_that_says_nothing_is_none(tmp_path: Path, sentence: str) -> None:
    (tmp_path / "file").write_bytes(FILES[sentence])
    assert NoticesFile(tmp_path / "file").read() is None


def test_what_is_kept_does_not_grow(scene: Scene) -> None:
    over = {f"{number:032x}": told for number, told in enumerate((Told.REJECTED, Told.EXPIRED), start=100)}
    scene.file.write(NoticesReport(told=over))
    scene.waiting = [stands(State.PENDING)]
    with closing(scene.telling()) as telling:
        until(lambda: telling.taken == 1)
        report = scene.file.read()
    assert report is not None
    assert report.told == {proposal().id: Told.WAITING}


def test_a_log_line_tells_of_a_failure_once(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.listening.mood = Mood.FAILS
    scene.waiting = [stands(State.PENDING)]
    with ExitStack() as ending:
        telling = ending.enter_context(closing(scene.telling()))
        until(lambda: telling.failures >= 3)
    told = [line for line in caplog.messages if "does not take" in line]
    assert told == [f"the receiver of approvals' notices does not take msg_{proposal().id}_waiting: " + STATUS]


STATUS = "it answers with status 500"
