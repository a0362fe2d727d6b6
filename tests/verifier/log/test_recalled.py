"""Lists of recalled manifests: what is read, and everything that is refused."""

from __future__ import annotations

import pytest

from tests.artifacts import ArtifactBuilder, KeyKind, private_key, public_pem
from tests.support.recalled_lists import (
    LOG_KEY,
    OTHER,
    OTHER_KEY,
    digest,
    list_text,
    note_key,
    recalled_note,
    signed,
)
from verifier import ManifestRead, TrustStore, VerificationError, Verifier
from verifier.errors import ArtifactRecalled, SignatureInvalid
from verifier.log import Checkpoint, LogError, RecalledList, open_checkpoint, open_recalled
from verifier.log.hashing import EMPTY_ROOT
from verifier.log.recalled import MAX_LIST_BYTES, MOST_RECALLED

GOOD = list_text(7, digest(1), digest(2))


def test_a_list_is_opened_and_says_its_version_and_manifests() -> None:
    found = open_recalled(signed(GOOD), [OTHER_KEY, LOG_KEY])
    assert found == RecalledList(origin=LOG_KEY.name, version=7, manifests=(digest(1), digest(2)))
    assert [found.names(digest(number)) for number in range(4)] == [False, True, True, False]
    assert str(found) == GOOD


def test_a_list_of_nothing_has_version_0() -> None:
    found = open_recalled(recalled_note(0), [LOG_KEY])
    assert (found.version, found.manifests, found.names(digest(1))) == (0, (), False)


def test_the_largest_list_is_opened() -> None:
    note = recalled_note(MOST_RECALLED, *map(digest, range(MOST_RECALLED)))
    assert len(note) < MAX_LIST_BYTES
    assert open_recalled(note, [LOG_KEY]).names(digest(MOST_RECALLED - 1))


ANOTHER_LOG = note_key(1, "another.example/log")
REFUSED = {
    "nothing": (b"", "note-malformed"),
    "no note": (b"recalled\n" * 10, "note-malformed"),
    "of another signer": (signed(GOOD, OTHER, OTHER_KEY), "note-unsigned"),
    "of another signer in the log's name": (signed(GOOD, OTHER, LOG_KEY), "note-signature-invalid"),
    "unsigned": (GOOD.encode(), "note-malformed"),
    "with a manifest taken out": (signed(GOOD).replace(f"{digest(2)}\n".encode(), b""), "note-signature-invalid"),
    "with a manifest put in": (
        signed(GOOD).replace(digest(2).encode(), f"{digest(2)}\n{digest(3)}".encode()),
        "note-signature-invalid",
    ),
    "with a higher version": (signed(GOOD).replace(b"\n7\n", b"\n8\n"), "note-signature-invalid"),
    "cut before its signature": (signed(GOOD).split(b"\n\n")[0] + b"\n", "note-malformed"),
    "cut in its signature": (signed(GOOD)[:-8] + b"=\n", "note-malformed"),
    "larger than any list": (signed(GOOD + "x" * MAX_LIST_BYTES + "\n"), "note-malformed"),
    "of more manifests than a list may have": (
        recalled_note(7, *map(digest, range(MOST_RECALLED + 1))),
        "recalled-list-malformed",
    ),
    "of another log": (signed(list_text(7, digest(1), origin="another.example/log")), "origin-mismatch"),
    "of another log's key": (signed(GOOD, *ANOTHER_LOG), "note-unsigned"),
    "of no log": (signed(list_text(7, digest(1), origin="")), "recalled-list-malformed"),
    "of another form": (signed(GOOD.replace("recalled/v1", "recalled/v2")), "recalled-list-malformed"),
    "of a negative version": (signed(list_text(-7, digest(1))), "recalled-list-malformed"),
    "of a version with a zero before it": (signed(GOOD.replace("\n7\n", "\n07\n")), "recalled-list-malformed"),
    "of a version that nothing counts to": (
        signed(list_text(10**18 * 9 + 10**18 // 2, digest(1))),
        "recalled-list-malformed",
    ),
    "of version 0 with manifests": (signed(list_text(0, digest(1))), "recalled-list-malformed"),
    "of a version without manifests": (signed(list_text(7)), "recalled-list-malformed"),
    "out of order": (signed(list_text(7, digest(2), digest(1))), "recalled-list-malformed"),
    "with a manifest twice": (signed(list_text(7, digest(1), digest(1))), "recalled-list-malformed"),
    "with capitals": (signed(list_text(7, digest(0xA).upper())), "recalled-list-malformed"),
    "with a short digest": (signed(list_text(7, digest(1)[1:])), "recalled-list-malformed"),
    "with an empty line": (signed(list_text(7, digest(1), "", digest(2))), "recalled-list-malformed"),
    "with digits of another script": (signed(list_text(7, "\u0661" * 64)), "recalled-list-malformed"),
    "that is a checkpoint": (
        signed(str(Checkpoint(origin=LOG_KEY.name, size=0, root=EMPTY_ROOT))),
        "recalled-list-malformed",
    ),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_a_list_is_refused(sentence: str) -> None:
    note, code = REFUSED[sentence]
    with pytest.raises(LogError) as refused:
        open_recalled(note, [LOG_KEY])
    assert refused.value.code == code


@pytest.mark.parametrize("manifests", [(), (digest(1),)], ids=["empty", "of one manifest"])
def test_a_list_is_no_checkpoint(manifests: tuple[str, ...]) -> None:
    with pytest.raises(LogError):
        open_checkpoint(recalled_note(len(manifests), *manifests), [LOG_KEY])


P256 = private_key(KeyKind.P256)
ARTIFACT = ArtifactBuilder(key=P256, name="release-1").build()


def _manifest(artifact: bytes) -> str:
    events = Verifier(trust=TrustStore.from_pem(public_pem(P256))).feed(artifact)
    return next(event.manifest.sha256 for event in events if isinstance(event, ManifestRead))


def _verified(artifact: bytes, *recalled: str) -> str:
    found = open_recalled(recalled_note(len(recalled), *recalled), [LOG_KEY])
    verifier = Verifier(trust=TrustStore.from_pem(public_pem(P256)), recalled=found)
    try:
        verifier.feed(artifact)
        return verifier.finish().artifact_name
    except VerificationError as error:
        return error.code


def test_what_was_recalled_is_refused_and_other_artifacts_are_not() -> None:
    assert _verified(ARTIFACT) == "release-1"
    assert _verified(ARTIFACT, digest(1)) == "release-1"
    assert _verified(ARTIFACT, _manifest(ARTIFACT)) == ArtifactRecalled.code


def test_nothing_of_a_recalled_artifact_is_handed_out() -> None:
    found = open_recalled(recalled_note(1, _manifest(ARTIFACT)), [LOG_KEY])
    verifier = Verifier(trust=TrustStore.from_pem(public_pem(P256)), recalled=found)
    seen: set[str] = set()

    def feed_all() -> None:
        for number in range(0, len(ARTIFACT), 512):
            seen.update(type(event).__name__ for event in verifier.feed(ARTIFACT[number : number + 512]))

    with pytest.raises(ArtifactRecalled) as refused:
        feed_all()
    assert seen <= {"VersionRead", "ManifestRead", "SignatureRead"}
    assert refused.value.facts == {"manifest_sha256": _manifest(ARTIFACT), "version": 1}


def test_a_signature_of_nobody_is_told_before_a_recall() -> None:
    other = ArtifactBuilder(key=private_key(KeyKind.RSA_2048), name="release-1").build()
    assert _verified(other, _manifest(ARTIFACT)) == SignatureInvalid.code
