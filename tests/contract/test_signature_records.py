"""What whoever keeps the records of signatures promises: in memory, and on each kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest

from signer.domain.keys import Validity, VersionState
from signer.domain.records import Outcome, Recorded, Refusal, Refused, SignatureEntry, Stale
from signer.domain.requests import Checked
from tests.support.books import Book, MemoryBook, SqlBook, digest, entry
from tests.support.clock import START, ManualClock
from tests.support.databases import Opener
from verifier.log.leaves import SignatureLeaf, parsed_leaf

DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def book(request: pytest.FixtureRequest, clock: ManualClock) -> Iterator[Book]:
    if request.param == "memory":
        yield MemoryBook(clock)
        return
    opener = Opener(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))
    yield SqlBook(opener(), clock)
    opener.close()


def send(book: Book, *entries: SignatureEntry) -> list[Outcome]:
    return book.record_many(entries)


def now_entry(book: Book, version_id: int, manifest: object = "one", **changes: Any) -> SignatureEntry:
    """An entry that was decided under the present revision."""
    return entry(version_id, manifest, access_revision=book.revision(), **changes)


def recorded(outcome: Outcome) -> Recorded:
    assert isinstance(outcome, Recorded), outcome
    return outcome


class TestOne:
    def test_a_signature_is_recorded_with_its_moment(self, book: Book, clock: ManualClock) -> None:
        version = book.version()
        clock.advance(minutes=1)
        sent = now_entry(book, version)
        index = book.next_index()
        assert send(book, sent) == [Recorded(signature=sent.signature, index=index, at=clock.now, repeated=False)]
        assert book.signed(version) == (1, clock.now)
        place = (version, sent.manifest_sha256)
        assert book.find([place]) == {place: sent.signature}

    def test_the_document_is_a_leaf_that_a_verifier_reads(self, book: Book, clock: ManualClock) -> None:
        seen = {"header_sha256": "a" * 64, "artifact": "release-1 ü", "devices": ["one", "two"]}
        sent = now_entry(book, book.version(), checked=Checked.HEAD, seen=seen)
        send(book, sent)
        leaf = SignatureLeaf.parse(book.written()[0].document)
        leaf.require(manifest_sha256=sent.manifest_sha256, fingerprint=sent.fingerprint, signature=sent.signature)
        assert (leaf.actor, leaf.rule, leaf.checked, leaf.key_version) == (sent.identity, sent.rule, "head", 1)
        assert leaf.time == "2030-01-02T03:04:05.678901Z"
        assert {name: leaf.members[name] for name in seen} == seen
        assert (leaf.members["id"], leaf.members["request"]) == (sent.record_id.hex(), sent.request_id)

    def test_indexes_have_no_gaps_and_follow_the_order(self, book: Book) -> None:
        version = book.version()
        first = book.next_index()
        for manifests in (("a",), ("b", "c", "d"), ("e", "f")):
            send(book, *(now_entry(book, version, each) for each in manifests))
        assert [each.index for each in book.written()] == list(range(first, first + 6))

    def test_the_same_manifest_under_two_versions_is_two_signatures(self, book: Book) -> None:
        first, second = book.version(), book.version()
        outcomes = send(book, now_entry(book, first), now_entry(book, second))
        assert [recorded(each).repeated for each in outcomes] == [False, False]
        places = {(first, digest("one")), (second, digest("one"))}
        assert set(book.find(places)) == places

    def test_nothing_is_found_where_nothing_was_recorded(self, book: Book) -> None:
        assert book.find([(1, digest("one"))]) == {}
        assert book.find([]) == {}
        assert book.record_many([]) == []


class TestRefusals:
    """A refusal records nothing and counts nothing, for a first signature and for one on record alike."""

    VALIDITIES: ClassVar[dict[str, tuple[dict[str, Any], Refusal | None]]] = {
        "a moment before not-before": ({"not_before": START + MICROSECOND}, Refusal.NOT_YET_VALID),
        "at not-before": ({"not_before": START}, None),
        "long before not-before": ({"not_before": START + 400 * DAY}, Refusal.NOT_YET_VALID),
        "a moment after not-after": ({"not_after": START - MICROSECOND}, Refusal.EXPIRED),
        "at not-after": ({"not_after": START}, None),
        "long after not-after": ({"not_after": START - 400 * DAY}, Refusal.EXPIRED),
        "between the two": ({"not_before": START - DAY, "not_after": START + DAY}, None),
        "a limit of one": ({"signature_limit": 1}, None),
        "a limit of nothing": ({"signature_limit": 0}, Refusal.LIMIT_REACHED),
    }

    @pytest.mark.parametrize("sentence", VALIDITIES)
    def test_validity(self, book: Book, sentence: str) -> None:
        validity, reason = self.VALIDITIES[sentence]
        version = book.version(validity=Validity(**validity))
        outcome = send(book, now_entry(book, version))[0]
        if reason is None:
            assert not recorded(outcome).repeated
        else:
            assert outcome == Refused(reason=reason)
        assert book.signed(version)[0] == len(book.written()) == int(reason is None)

    @pytest.mark.parametrize("state", sorted(set(VersionState) - {"active", "pending"}))
    def test_only_an_active_version_signs(self, book: Book, state: str) -> None:
        version = book.version(state=VersionState(state))
        assert send(book, now_entry(book, version)) == [Refused(reason=Refusal.NOT_ACTIVE)]
        assert (book.written(), book.signed(version)) == ([], (0, None))

    def test_a_version_that_does_not_exist(self, book: Book) -> None:
        assert send(book, now_entry(book, 1 << 40)) == [Refused(reason=Refusal.NOT_ACTIVE)]

    CLOCKS: ClassVar[dict[str, tuple[float, bool]]] = {
        "the clock stands still": (0.0, True),
        "the clock steps back within the tolerance": (-5.0, True),
        "the clock steps back by more": (-5.000001, False),
        "the clock is a year behind": (-365 * 86400.0, False),
    }

    @pytest.mark.parametrize("manifest", ["one", "two"], ids=["on record", "new"])
    @pytest.mark.parametrize("sentence", CLOCKS)
    def test_the_clock_moved_back(self, book: Book, clock: ManualClock, sentence: str, manifest: str) -> None:
        seconds, granted = self.CLOCKS[sentence]
        version = book.version()
        newest = clock.advance(days=2)
        send(book, now_entry(book, version))
        clock.advance(seconds=seconds)
        outcome = send(book, now_entry(book, version, manifest))[0]
        assert isinstance(outcome, Recorded) if granted else outcome == Refused(reason=Refusal.CLOCK_BEHIND)
        assert book.signed(version) == (1 + (granted and manifest == "two"), newest)

    def test_many_small_steps_back_do_not_add_up(self, book: Book, clock: ManualClock) -> None:
        version = book.version()
        send(book, now_entry(book, version))
        granted = []
        for step in range(4):
            clock.advance(seconds=-2)
            granted.append(isinstance(send(book, now_entry(book, version, step))[0], Recorded))
        assert granted == [True, True, False, False]

    def test_a_moment_keeps_its_zone_when_summer_time_ends(self, book: Book, clock: ManualClock) -> None:
        # In Berlin both are 02:30 on the clock of the wall; the server of the tests is set to it.
        end = datetime(2030, 10, 27, 1, 30, tzinfo=UTC)
        version = book.version()
        for number, moment in enumerate((end - timedelta(hours=1), end)):
            clock.now = moment
            assert recorded(send(book, now_entry(book, version, number))[0]).at == moment
            assert book.signed(version)[1] == moment
        clock.now = end - timedelta(hours=1)
        assert send(book, now_entry(book, version, "late")) == [Refused(reason=Refusal.CLOCK_BEHIND)]
        # Nor does any other version: times in the log do not go back.
        assert send(book, now_entry(book, book.version(), 0)) == [Refused(reason=Refusal.CLOCK_BEHIND)]

    UNFIT: ClassVar[dict[str, dict[str, Any]]] = {
        "a fraction": {"seen": {"devices": [1.5]}},
        "half of a surrogate pair": {"seen": {"artifact": "\ud800"}},
        "more than a leaf holds": {"seen": {"artifact": "a" * 16384}},
    }

    @pytest.mark.parametrize("sentence", UNFIT)
    def test_what_has_no_form_as_a_record(self, book: Book, sentence: str) -> None:
        version = book.version()
        index = book.next_index()
        unfit, fit = now_entry(book, version, "a", **self.UNFIT[sentence]), now_entry(book, version, "b")
        refused, answered = send(book, unfit, fit)
        assert refused == Refused(reason=Refusal.NOT_RECORDABLE)
        assert (recorded(answered).index, book.signed(version)[0]) == (index, 1)

    def test_one_refusal_does_not_touch_the_others(self, book: Book) -> None:
        good, bad = book.version(), book.version(state=VersionState.DISABLED)
        index = book.next_index()
        outcomes = send(book, now_entry(book, good, "a"), now_entry(book, bad, "b"), now_entry(book, good, "c"))
        assert [type(each) for each in outcomes] == [Recorded, Refused, Recorded]
        assert [recorded(each).index for each in (outcomes[0], outcomes[2])] == [index, index + 1]


class TestTheLimit:
    def test_it_is_reached_and_not_passed(self, book: Book) -> None:
        version = book.version(validity=Validity(signature_limit=3))
        outcomes = [send(book, now_entry(book, version, number))[0] for number in range(5)]
        assert [isinstance(each, Recorded) for each in outcomes] == [True, True, True, False, False]
        assert book.signed(version)[0] == 3

    def test_a_batch_is_granted_what_fits(self, book: Book) -> None:
        version, other = book.version(validity=Validity(signature_limit=2)), book.version()
        outcomes = send(book, *(now_entry(book, v, n) for n in range(3) for v in (version, other)))
        assert outcomes[4] == Refused(reason=Refusal.LIMIT_REACHED)
        assert sum(isinstance(each, Recorded) for each in outcomes) == 5

    def test_what_is_answered_from_the_record_counts_nothing(self, book: Book) -> None:
        version = book.version(validity=Validity(signature_limit=1))
        first = now_entry(book, version)
        send(book, first)
        for changes in ({}, {"checked": Checked.HEAD}, {"identity": "api-token:other"}):
            outcome = recorded(send(book, now_entry(book, version, **changes))[0])
            assert (outcome.signature, outcome.repeated) == (first.signature, True)
        assert book.signed(version)[0] == 1
        assert send(book, now_entry(book, version, "two")) == [Refused(reason=Refusal.LIMIT_REACHED)]


class TestOneManifestOneSignature:
    """What follows a first record of ``head`` by one identity, in the same batch or in the next."""

    OTHER = "api-token:other"
    FOLLOWING: ClassVar[dict[str, tuple[tuple[dict[str, Any], ...], list[tuple[str, str, str]]]]] = {
        "the same again writes nothing": (({}, {}), []),
        "who saw less writes nothing": (({"checked": Checked.MANIFEST}, {"checked": Checked.BLIND}), []),
        "who saw more writes a record of their own": (
            ({"checked": Checked.ARTIFACT},),
            [("signature", "artifact", "api-token:pipeline")],
        ),
        "who saw more writes it once": (
            ({"checked": Checked.ARTIFACT}, {"checked": Checked.ARTIFACT}, {"checked": Checked.HEAD}),
            [("signature", "artifact", "api-token:pipeline")],
        ),
        "another identity writes that it was given it": (
            ({"identity": OTHER},),
            [("signature-repeated", "head", OTHER)],
        ),
        "another identity writes it once": (
            ({"identity": OTHER}, {"identity": OTHER, "checked": Checked.MANIFEST}),
            [("signature-repeated", "head", OTHER)],
        ),
        "another identity that saw more writes a signature's record": (
            ({"identity": OTHER, "checked": Checked.ARTIFACT}, {"identity": OTHER}),
            [("signature", "artifact", OTHER)],
        ),
        "an identity that was given it and sees more then": (
            ({"identity": OTHER}, {"identity": OTHER, "checked": Checked.ARTIFACT}),
            [("signature-repeated", "head", OTHER), ("signature", "artifact", OTHER)],
        ),
    }

    @pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one after the other"])
    @pytest.mark.parametrize("sentence", FOLLOWING)
    def test_what_follows(self, book: Book, sentence: str, together: bool) -> None:
        following, written = self.FOLLOWING[sentence]
        version = book.version()
        entries = [now_entry(book, version, **{"checked": Checked.HEAD, **each}) for each in ({}, *following)]
        batches = [entries] if together else [[each] for each in entries]
        outcomes = [outcome for batch in batches for outcome in send(book, *batch)]
        assert {recorded(each).signature for each in outcomes} == {entries[0].signature}
        assert [recorded(each).repeated for each in outcomes] == [False] + [True] * len(following)
        records = book.written()
        assert [(each.type, each.checked, each.identity) for each in records[1:]] == written
        # The answer names the record that shows most.
        most = max((each for each in records if each.type == "signature"), key=lambda each: Checked(each.checked))
        assert recorded(outcomes[-1]).index == most.index
        assert {parsed_leaf(each.document)["signature"] for each in records} == {entries[0].signature.decode()}
        assert book.signed(version)[0] == 1

    def test_a_request_that_saw_little_does_not_spoil_a_release(self, book: Book) -> None:
        version = book.version()
        little = now_entry(book, version, identity=self.OTHER)
        proper = now_entry(book, version, checked=Checked.ARTIFACT, seen={"artifact": "release-1"})
        send(book, little)
        outcome = recorded(send(book, proper)[0])
        (document,) = [each.document for each in book.written() if each.index == outcome.index]
        leaf = SignatureLeaf.parse(document)
        assert (leaf.checked, leaf.actor, leaf.members["artifact"]) == ("artifact", proper.identity, "release-1")
        leaf.require(
            manifest_sha256=proper.manifest_sha256, fingerprint=proper.fingerprint, signature=outcome.signature
        )

    @pytest.mark.parametrize("state", [VersionState.DISABLED, VersionState.PREVIOUS, VersionState.QUARANTINED])
    def test_what_is_on_record_is_not_given_out_by_a_version_that_stopped(
        self, book: Book, state: VersionState
    ) -> None:
        version = book.version()
        send(book, now_entry(book, version))
        book.move(version, VersionState(state))
        for changes in ({}, {"checked": Checked.ARTIFACT}, {"identity": self.OTHER}):
            assert send(book, now_entry(book, version, **changes)) == [Refused(reason=Refusal.NOT_ACTIVE)]
        assert len(book.written()) == 1


class TestSentAgain:
    """The same record, sent again because its answer was lost, is found and not written a second time."""

    KINDS: ClassVar[dict[str, dict[str, Any]]] = {
        "the first record": {},
        "a record of who saw more": {"checked": Checked.ARTIFACT},
        "a record of who was given it": {"identity": "api-token:other"},
    }

    @pytest.mark.parametrize("sentence", KINDS)
    def test_it_is_answered_as_before(self, book: Book, clock: ManualClock, sentence: str) -> None:
        version = book.version(validity=Validity(signature_limit=1))
        first = now_entry(book, version)
        index = book.next_index()
        send(book, first)
        sent = now_entry(book, version, **self.KINDS[sentence]) if self.KINDS[sentence] else first
        before = [Recorded(signature=first.signature, index=index, at=clock.now, repeated=False)]
        if sent is not first:
            before = send(book, sent)
        written = book.written()
        clock.advance(seconds=3)
        assert send(book, sent) == before
        assert send(book, sent, sent) == before * 2
        assert book.written() == written

    def test_twice_in_one_batch(self, book: Book) -> None:
        sent = now_entry(book, book.version())
        first, second = send(book, sent, sent)
        assert first == second
        assert len(book.written()) == 1


class TestTheRevisionOfAccess:
    def test_what_was_decided_before_a_change_goes_back(self, book: Book) -> None:
        version = book.version()
        early = now_entry(book, version)
        book.version()
        assert send(book, early) == [Stale(access_revision=book.revision())]
        assert book.written() == []
        assert isinstance(send(book, now_entry(book, version))[0], Recorded)

    def test_what_was_decided_under_a_revision_to_come_goes_back(self, book: Book) -> None:
        version = book.version()
        ahead = entry(version, access_revision=book.revision() + 1)
        assert send(book, ahead) == [Stale(access_revision=book.revision())]

    def test_what_is_on_record_is_decided_again_too(self, book: Book) -> None:
        version = book.version()
        sent = now_entry(book, version)
        send(book, sent)
        book.version()
        assert send(book, sent) == [Stale(access_revision=book.revision())]

    def test_only_what_is_stale_goes_back(self, book: Book) -> None:
        version = book.version()
        early = now_entry(book, version, "a")
        book.version()
        outcomes = send(book, early, now_entry(book, version, "b"))
        assert [type(each) for each in outcomes] == [Stale, Recorded]
