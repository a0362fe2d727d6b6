"""What is said between workers and the recorder: it comes back as it was, and nothing else is understood."""

from __future__ import annotations

import dataclasses
import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest

from signer.domain.access.emergencies import Emergency
from signer.domain.access.limits import LimitDemand, LimitReached, Period
from signer.domain.access.versions import Order
from signer.domain.floors import Floor, FloorUnmet, VersionClaim
from signer.domain.recorder_figures import RecorderFigures
from signer.domain.records import Approved, Recorded, Refusal, Refused, Stale
from signer.domain.refusals import RefusedCall
from signer.domain.requests import Checked
from signer.errors import (
    CheckpointUnavailable,
    DatabaseDamaged,
    DatabaseFileLost,
    DatabaseFull,
    DatabaseReadOnly,
    DatabaseUnavailable,
    KeyNotFound,
    LogForked,
    RecorderUnavailable,
    SignerError,
)
from signer.recorder.protocol import (
    LENGTH,
    MAX_ENTRIES,
    MAX_FRAME_BYTES,
    FrameError,
    FrameReader,
    Ping,
    Posted,
    Prove,
    Proved,
    Tell,
    Told,
    frame,
    packed_answer,
    packed_entry,
    packed_figures,
    packed_proof,
    packed_refusal,
    parsed_answers,
    parsed_message,
)
from tests.support.books import entry

AT = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
SENT = entry(7, checked=Checked.HEAD, seen={"artifact": "release ü", "devices": ["a", "b"], "devices_bytes": 9})
PACKED = packed_entry(SENT, 12.5)
NOON = "2030-01-02T12:00:00+00:00"
CLAIM = VersionClaim(order=Order.NUMERIC, version="7", max_step=3, places=(("board ü", "rootfs"), ("router", "")))
UNMET = FloorUnmet(device_type="board", payload_type="", floor=Floor(order=Order.SEMVER, version="1.0.0", leaf=9))

FIGURES = {
    "record": 1.5,
    "sign": 0.25,
    "write": 0.0,
    "other": 2.0,
    "tokens": 0.5,
    "batches": 3,
    "records": 12,
    "checkpoints": 2,
    "notices": 4,
    "notice_failures": 1,
}


def bodies(data: bytes) -> list[bytes]:
    return list(FrameReader().feed(data))


def test_figures_come_back_as_they_were() -> None:
    told = Told(7, RecorderFigures(**FIGURES))  # type: ignore[arg-type]
    (body,) = bodies(frame(packed_figures(told)))
    assert parsed_answers(body) == told
    assert parsed_message(b'{"tell":7}') == Tell(7)


class TestThereAndBack:
    def test_an_entry(self) -> None:
        (body,) = bodies(frame({"record": [PACKED, PACKED]}))
        assert parsed_message(body) == [Posted(SENT, 12.5)] * 2

    @pytest.mark.parametrize("claim", [CLAIM, dataclasses.replace(CLAIM, max_step=None)], ids=repr)
    def test_a_version(self, claim: VersionClaim) -> None:
        sent = dataclasses.replace(SENT, claim=claim)
        (body,) = bodies(frame({"record": [packed_entry(sent, 12.5)]}))
        assert parsed_message(body) == [Posted(sent, 12.5)]

    def test_an_approval(self) -> None:
        approval = Approved(id="a" * 32, expires_at=datetime(2030, 1, 2, 3, 4, 5, 6, tzinfo=UTC))
        sent = dataclasses.replace(SENT, approval=approval)
        (body,) = bodies(frame({"record": [packed_entry(sent, 12.5)]}))
        assert parsed_message(body) == [Posted(sent, 12.5)]

    def test_limits(self) -> None:
        limits = tuple(LimitDemand(period=period, count=number) for number, period in enumerate(Period, start=1))
        sent = dataclasses.replace(SENT, limits=limits)
        (body,) = bodies(frame({"record": [packed_entry(sent, 12.5)]}))
        assert parsed_message(body) == [Posted(sent, 12.5)]

    def test_an_emergency(self) -> None:
        sent = dataclasses.replace(SENT, emergency=Emergency(person="ada", reason="a fire ü"))
        (body,) = bodies(frame({"record": [packed_entry(sent, 12.5)]}))
        assert parsed_message(body) == [Posted(sent, 12.5)]

    ANSWERS = (
        Recorded(signature=b"c2ln", index=5, at=AT, repeated=True),
        Stale(access_revision=9),
        *(Refused(reason=reason) for reason in Refusal),
        Refused(reason=Refusal.VERSION_TOO_OLD, unmet=UNMET),
        Refused(reason=Refusal.RATE_LIMITED, reached=LimitReached(period=Period.DAY, count=5, ends=AT)),
        Refused(reason=Refusal.COUNT_REACHED, reached=LimitReached(period=Period.TOTAL, count=5, ends=None)),
        Refused(reason=Refusal.VERSION_STEP_TOO_LARGE, unmet=dataclasses.replace(UNMET, too_far=True)),
    )

    @pytest.mark.parametrize("answer", ANSWERS, ids=repr)
    def test_an_answer(self, answer: Any) -> None:
        (body,) = bodies(frame({"outcomes": [packed_answer(SENT.record_id, answer)]}))
        assert parsed_answers(body) == [(SENT.record_id, answer)]

    FAILURES: tuple[SignerError, ...] = (
        DatabaseUnavailable(),
        DatabaseFull(),
        DatabaseReadOnly(),
        DatabaseFileLost(found="file missing"),
        DatabaseDamaged(damage=("one", "two")),
        RecorderUnavailable(),
        CheckpointUnavailable(reason="token-unavailable"),
        LogForked(size=5, expected="aa", found="bb"),
    )

    @pytest.mark.parametrize("error", FAILURES, ids=lambda error: error.code)
    def test_a_failure_comes_with_its_facts(self, error: SignerError) -> None:
        (body,) = bodies(frame({"outcomes": [packed_answer(SENT.record_id, error)]}))
        ((_, answer),) = parsed_answers(body)  # type: ignore[misc]
        assert (type(answer), answer.facts) == (type(error), error.facts)  # type: ignore[union-attr]

    def test_the_checkpoint_that_covers_it(self) -> None:
        answer = Recorded(signature=b"c2ln", index=5, at=AT, repeated=False)
        (body,) = bodies(frame({"outcomes": [packed_answer(SENT.record_id, answer, size=9)]}))
        ((_, told),) = parsed_answers(body)  # type: ignore[misc]
        assert told.size == 9  # type: ignore[union-attr]

    def test_a_proof_is_asked_for_and_given(self) -> None:
        (asked,) = bodies(frame({"prove": 7}))
        assert parsed_message(asked) == Prove(7)
        (given,) = bodies(frame(packed_proof(Proved(7, None))))
        assert parsed_answers(given) == Proved(7, None)

    def test_a_proof_that_failed_says_why(self) -> None:
        failure = CheckpointUnavailable(reason="token-unavailable")
        (given,) = bodies(frame(packed_proof(Proved(7, failure))))
        told = parsed_answers(given)
        assert isinstance(told, Proved)
        assert told.failure is not None
        assert (told.number, type(told.failure), told.failure.facts) == (7, type(failure), failure.facts)

    def test_a_refusal(self) -> None:
        call = RefusedCall(identity="api-token:x", key="firmware", reason="no", request_id="1", manifest_sha256="ab")
        (body,) = bodies(frame({"refused": [packed_refusal(call)] * 2}))
        assert parsed_message(body) == [call, call]

    REFUSALS: tuple[object, ...] = (
        ["a", "b", "c", "d"],
        ["a", "b", "c", "d", "e", "f"],
        ["a", "b", "c", "d", 1],
        ["a", "b", "x" * 5000, "d", "e"],
        "abcde",
        {"a": 1},
    )

    @pytest.mark.parametrize("refusal", REFUSALS, ids=str)
    def test_a_refusal_of_another_form_is_not_understood(self, refusal: object) -> None:
        with pytest.raises(FrameError):
            parsed_message(json.dumps({"refused": [refusal]}).encode())

    def test_too_many_refusals_are_not_understood(self) -> None:
        with pytest.raises(FrameError):
            parsed_message(json.dumps({"refused": [["a", "b", "c", "d", "e"]] * (MAX_ENTRIES + 1)}).encode())

    def test_another_failure_tells_nothing(self) -> None:
        (body,) = bodies(frame({"outcomes": [packed_answer(SENT.record_id, KeyNotFound(key="secret"))]}))
        ((_, answer),) = parsed_answers(body)  # type: ignore[misc]
        assert isinstance(answer, RecorderUnavailable)

    def test_a_ping(self) -> None:
        assert parsed_message(bodies(frame({"ping": 3}))[0]) == Ping(3)
        assert parsed_answers(bodies(frame({"pong": 3}))[0]) == Ping(3)


LARGE = VersionClaim(
    order=Order.NUMERIC,
    version="1",
    max_step=None,
    places=tuple((f"{each:0>30}", f"{each:0>30}") for each in range(60)),
)


class TestFrames:
    def test_the_same_frames_come_out_however_the_bytes_come_in(self) -> None:
        data = b"".join(frame({"ping": number}) for number in range(50))
        whole = bodies(data)
        assert len(whole) == 50
        byte_by_byte, reader = [], FrameReader()
        for position in range(len(data)):
            byte_by_byte += reader.feed(data[position : position + 1])
        assert byte_by_byte == whole

    def test_half_a_frame_is_none(self) -> None:
        assert bodies(frame({"ping": 1})[:-1]) == []

    def test_the_longest_frame_is_taken_and_a_longer_one_is_not_waited_for(self) -> None:
        assert len(FrameReader(max_bytes=8)._buffer) == 0
        assert list(FrameReader(max_bytes=8).feed(LENGTH.pack(8) + b"x" * 8)) == [b"x" * 8]
        with pytest.raises(FrameError):
            list(FrameReader(max_bytes=8).feed(LENGTH.pack(9)))
        with pytest.raises(FrameError):
            list(FrameReader().feed(LENGTH.pack(MAX_FRAME_BYTES + 1)))

    def test_as_many_entries_as_a_frame_may_have_fit_into_it(self) -> None:
        large = entry(1, seen=dict.fromkeys("abcd", "a" * 2048), signature=b"s" * 2732, identity="i" * 200, claim=LARGE)
        assert len(frame({"record": [packed_entry(large, 1.0)] * MAX_ENTRIES})) < MAX_FRAME_BYTES


def changed(position: int, value: Any) -> list[Any]:
    """The entry with one member changed."""
    copy = list(PACKED)
    copy[position] = value
    return copy


class TestWhatIsNotUnderstood:
    HOSTILE: dict[str, bytes] = {  # noqa: RUF012  (a table)
        "nothing": b"",
        "no JSON": b"\xff\xfe",
        "no object": b"[]",
        "nothing that is asked": b"{}",
        "another question": b'{"delete": []}',
        "two questions": b'{"record": [], "ping": 1}',
        "a ping that is no number": b'{"ping": "1"}',
        "a wish to be told that is no number": b'{"tell": []}',
        "a wish to be told, and another": b'{"tell": 1, "prove": 1}',
        "entries that are none": b'{"record": {}}',
        "an entry that is a number": b'{"record": [1]}',
        "deep nesting": b"[" * 100_000,
        "a number that is none": b'{"ping": NaN}',
        "too many entries": json.dumps({"record": [PACKED] * (MAX_ENTRIES + 1)}).encode(),
        "a member too few": json.dumps({"record": [PACKED[1:]]}).encode(),
        "a member too many": json.dumps({"record": [[*PACKED, 1]]}).encode(),
        "an id that is too short": json.dumps({"record": [changed(0, "00")]}).encode(),
        "an id in capitals": json.dumps({"record": [changed(0, "AB" * 16)]}).encode(),
        "an id with an end of line": json.dumps({"record": [changed(0, "ab" * 16 + "\n")]}).encode(),
        "a version that is text": json.dumps({"record": [changed(8, "7")]}).encode(),
        "a version that is true": json.dumps({"record": [changed(8, True)]}).encode(),
        "a version beyond the database": json.dumps({"record": [changed(8, 1 << 63)]}).encode(),
        "an identity that is a list": json.dumps({"record": [changed(7, [])]}).encode(),
        "an amount that nobody can see": json.dumps({"record": [changed(11, "everything")]}).encode(),
        "a signature that is no text": json.dumps({"record": [changed(13, 5)]}).encode(),
        "a signature that is not ASCII": json.dumps({"record": [changed(13, "ü")]}).encode(),
        "what was seen as text": json.dumps({"record": [changed(12, "seen")]}).encode(),
        "a deadline that is no number": json.dumps({"record": [changed(18, None)]}).encode(),
        **{
            f"an approval {sentence}": json.dumps({"record": [changed(16, approval)]}).encode()
            for sentence, approval in {
                "as text": "approved",
                "as true": True,
                "without an end": ["a"],
                "that never ends": ["a", "never"],
                "that ends somewhere": ["a", "2030-01-01T00:00:00"],
                "that ends at a number": ["a", 5],
                "without an id": [None, "2030-01-01T00:00:00+00:00"],
            }.items()
        },
        **{
            f"limits {sentence}": json.dumps({"record": [changed(15, limits)]}).encode()
            for sentence, limits in {
                "that are none": None,
                "as a number": 5,
                "for no period": [["per_week", 1]],
                "of nothing": [["per_day", 0]],
                "that are negative": [["per_day", -1]],
                "as text": [["per_day", "1"]],
                "that are true": [["per_day", True]],
                "over what is counted": [["per_day", 1 << 60]],
                "for a period twice": [["per_day", 1], ["per_day", 2]],
                "of three parts": [["per_day", 1, 2]],
            }.items()
        },
        **{
            f"an emergency {sentence}": json.dumps({"record": [changed(17, emergency)]}).encode()
            for sentence, emergency in {
                "that is true": True,
                "that is false": False,
                "of nobody": ["", "a fire"],
                "for no reason": ["ada", ""],
                "for a reason in two lines": ["ada", "a\nfire"],
                "for a reason that is too long": ["ada", "x" * 301],
                "of a number": [1, "a fire"],
                "of one part": ["ada"],
                "of three parts": ["ada", "a fire", "x"],
                "as a table": {"person": "ada", "reason": "a fire"},
            }.items()
        },
        **{
            f"a version {sentence}": json.dumps({"record": [changed(14, claim)]}).encode()
            for sentence, claim in {
                "as text": "1.0",
                "without places": ["numeric", "1", None, []],
                "for a place of three parts": ["numeric", "1", None, [["a", "b", "c"]]],
                "for a place that is a number": ["numeric", "1", None, [["a", 1]]],
                "for a place that is too long": ["numeric", "1", None, [["a", "b" * 300]]],
                "for too many places": ["numeric", "1", None, [["a", str(each)] for each in range(65)]],
                "in no order": ["alphabetic", "1", None, [["a", "b"]]],
                "that is none in its order": ["numeric", "one", None, [["a", "b"]]],
                "that is a number": ["numeric", 1, None, [["a", "b"]]],
                "with a step that is text": ["numeric", "1", "2", [["a", "b"]]],
                "with a step back": ["numeric", "1", -1, [["a", "b"]]],
                "with a step that is true": ["numeric", "1", True, [["a", "b"]]],
                "with a step in another order": ["semver", "1.0.0", 1, [["a", "b"]]],
            }.items()
        },
    }

    @pytest.mark.parametrize("sentence", HOSTILE)
    def test_a_worker_s_message(self, sentence: str) -> None:
        with pytest.raises(FrameError):
            parsed_message(self.HOSTILE[sentence])

    ANSWERS: dict[str, object] = {  # noqa: RUF012  (a table)
        "an unknown kind": {"outcomes": [["ab" * 16, "perhaps"]]},
        "an unknown reason": {"outcomes": [["ab" * 16, "refused", "mood"]]},
        "no id": {"outcomes": [["zz", "stale", 1]]},
        "half a floor": {"outcomes": [["ab" * 16, "refused", "version-too-old", "board", "rootfs"]]},
        "a floor in no order": {
            "outcomes": [["ab" * 16, "refused", "version-too-old", "board", "rootfs", "x", "1", 9, False]]
        },
        "nothing": {"outcomes": [[]]},
        **{
            f"of what was recorded, {sentence}": {"outcomes": [["ab" * 16, "recorded", *said]]}
            for sentence, said in {
                "a signature that is a number": [1, 1, NOON, True, 2],
                "an index that is text": ["s", "1", NOON, True, 2],
                "an index that is a fraction": ["s", 1.5, NOON, True, 2],
                "a time that is none": ["s", 1, "noon", True, 2],
                "a time that is a number": ["s", 1, 2, True, 2],
                "a number whether it was before": ["s", 1, NOON, 1, 2],
                "a size that is nothing": ["s", 1, NOON, True, None],
                "no size": ["s", 1, NOON, True],
                "too much": ["s", 1, NOON, True, 2, 3],
            }.items()
        },
        "a figure that is text": {"told": 1, "figures": {**FIGURES, "record": "1"}},
        "a figure below nothing": {"told": 1, "figures": {**FIGURES, "record": -1}},
        "a figure without end": {"told": 1, "figures": {**FIGURES, "record": float("inf")}},
        "a figure that is none": {"told": 1, "figures": {**FIGURES, "record": float("nan")}},
        "a figure too few": {"told": 1, "figures": {"record": 1.0}},
        "a figure too many": {"told": 1, "figures": {**FIGURES, "mood": 1.0}},
        "no figures": {"told": 1},
        "facts of another error": {"outcomes": [["ab" * 16, "failed", "database-full", {"found": "x"}]]},
    }

    def test_the_recorder_s_answer_that_these_differ_from_is_understood(self) -> None:
        said = {"outcomes": [["ab" * 16, "recorded", "s", 1, NOON, True, 2]]}
        assert isinstance(parsed_answers(json.dumps(said).encode()), list)

    @pytest.mark.parametrize("sentence", ANSWERS)
    def test_the_recorder_s_answer(self, sentence: str) -> None:
        with pytest.raises(FrameError):
            parsed_answers(json.dumps(self.ANSWERS[sentence]).encode())

    def test_changed_bytes_raise_nothing_else(self) -> None:
        body = frame({"record": [PACKED]})[LENGTH.size :]
        numbers = random.Random(1)
        for _ in range(5000):
            changed_body = bytearray(body)
            for _ in range(numbers.randint(1, 4)):
                changed_body[numbers.randrange(len(body))] = numbers.randrange(256)
            try:
                parsed_message(bytes(changed_body))
            except FrameError:
                continue
