"""Lists of recalled artifacts on a device: the newest that was seen is kept, and nothing else is believed."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from device.errors import (
    DeviceError,
    ManifestRecalled,
    RecalledListMissing,
    RecalledListRefused,
    SettingsInvalid,
)
from device.recalled import MOST_RECALLED, RecalledLists
from device.store import MOST_BYTES
from tests.device.scene import MemoryStore
from tests.device.test_command import run, write_config
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
from verifier.log import NoteSignature, VerifierKey
from verifier.log.notes import KeyType, key_id

AGAIN, AGAIN_KEY = note_key(1, "another.example/log")
KEPT = recalled_note(7, digest(1), digest(3))


class Place:
    """A device that knows the key of one log."""

    def __init__(self, directory: Path) -> None:
        self.keys = directory / "log.vkey"
        self.keys.write_text(f"{LOG_KEY}\n")
        self.store = MemoryStore()
        self.lists = RecalledLists(keys=self.keys, store=self.store, lock=nullcontext)

    def refused(self, note: bytes) -> str:
        """The code; nothing is kept of it."""
        before = dict(self.store.files)
        with pytest.raises(DeviceError) as refused:
            self.lists.take(note)
        assert self.store.files == before
        return refused.value.code


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.lists.take(KEPT)
    return made


def test_what_a_kept_list_names_must_not_be_installed(place: Place) -> None:
    assert [each.version for each in place.lists.require(digest(2))] == [7]
    with pytest.raises(ManifestRecalled) as refused:
        place.lists.require(digest(3))
    assert refused.value.facts == {"manifest_sha256": digest(3), "version": 7}


def test_nothing_may_be_installed_before_there_is_a_list(tmp_path: Path) -> None:
    with pytest.raises(RecalledListMissing):
        Place(tmp_path).lists.require(digest(2))


def test_a_list_of_nothing_is_a_list(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.lists.take(recalled_note(0))
    assert place.lists.require(digest(2))


def test_a_newer_list_takes_the_place_of_an_older_one_and_the_same_may_come_again(place: Place) -> None:
    newer = recalled_note(9, digest(1), digest(2), digest(3))
    assert [place.lists.take(note).version for note in (KEPT, newer, newer)] == [7, 9, 9]
    with pytest.raises(ManifestRecalled):
        place.lists.require(digest(2))
    assert place.refused(KEPT) == "recalled-list-older"


def test_it_is_kept_over_a_restart(place: Place) -> None:
    again = RecalledLists(keys=place.keys, store=place.store, lock=nullcontext)
    with pytest.raises(ManifestRecalled):
        again.require(digest(1))


REFUSED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "recalled-list-refused"),
    "an older one": (recalled_note(6, digest(1), digest(3)), "recalled-list-older"),
    "the one of nothing": (recalled_note(0), "recalled-list-older"),
    "a newer one that leaves something out": (recalled_note(8, digest(1), digest(2)), "recalled-list-refused"),
    "the same version with another manifest": (recalled_note(7, digest(1), digest(2)), "recalled-list-refused"),
    "one of another signer": (signed(list_text(8, digest(1), digest(3)), OTHER, OTHER_KEY), "recalled-list-refused"),
    "one of another signer in the log's name": (
        signed(list_text(8, digest(1), digest(3)), OTHER, LOG_KEY),
        "recalled-list-refused",
    ),
    "one of a log that is not known": (
        signed(list_text(8, digest(1), origin=AGAIN_KEY.name), AGAIN, AGAIN_KEY),
        "recalled-list-refused",
    ),
    "one of the log about another log": (
        signed(list_text(8, digest(1), digest(3), origin=AGAIN_KEY.name)),
        "recalled-list-refused",
    ),
    "one that was changed": (KEPT.replace(b"\n7\n", b"\n8\n"), "recalled-list-refused"),
    "one with a manifest taken out": (KEPT.replace(f"{digest(3)}\n".encode(), b""), "recalled-list-refused"),
    "one that is cut": (KEPT[: len(KEPT) // 2], "recalled-list-refused"),
    "one without its last line end": (KEPT[:-1], "recalled-list-refused"),
    "one without a signature": (list_text(8, digest(1), digest(3)).encode(), "recalled-list-refused"),
    "a huge one": (signed(list_text(8) + "x" * MOST_BYTES + "\n"), "recalled-list-refused"),
    "one of too many": (recalled_note(8, *map(digest, range(MOST_RECALLED + 1))), "recalled-list-refused"),
    "one of another form": (signed(list_text(8, digest(1), digest(3)).replace("v1", "v2")), "recalled-list-refused"),
    "one out of order": (signed(list_text(8, digest(3), digest(1))), "recalled-list-refused"),
    "one with a manifest twice": (signed(list_text(8, digest(1), digest(1), digest(3))), "recalled-list-refused"),
    "one with a version that is none": (signed(list_text(-8, digest(1), digest(3))), "recalled-list-refused"),
    "a checkpoint": (signed(f"{LOG_KEY.name}\n8\n{base64.b64encode(bytes(32)).decode()}\n"), "recalled-list-refused"),
    "no text": (b"\xff\n\n", "recalled-list-refused"),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_a_list_is_refused_and_the_kept_one_stays(place: Place, sentence: str) -> None:
    note, code = REFUSED[sentence]
    assert place.refused(note) == code
    with pytest.raises(ManifestRecalled):
        place.lists.require(digest(3))


def test_more_than_any_list_has_is_not_looked_at(place: Place) -> None:
    with pytest.raises(RecalledListRefused) as refused:
        place.lists.take(signed(list_text(8, digest(1), digest(3)) + "x" * MOST_BYTES + "\n"))
    assert refused.value.problem == f"it has more than {MOST_BYTES} bytes"


def test_a_list_of_each_known_log_is_kept(place: Place) -> None:
    place.keys.write_text(f"{LOG_KEY}\n{AGAIN_KEY}\n")
    place.lists.take(signed(list_text(1, digest(8), origin=AGAIN_KEY.name), AGAIN, AGAIN_KEY))
    assert [each.version for each in place.lists.require(digest(2))] == [1, 7]
    for manifest in (digest(1), digest(8)):
        with pytest.raises(ManifestRecalled):
            place.lists.require(manifest)


def test_a_kept_list_that_is_damaged_lets_nothing_through(place: Place) -> None:
    (name,) = place.store.files
    place.store.files[name] = KEPT[:40]
    with pytest.raises(DeviceError) as refused:
        place.lists.require(digest(2))
    assert refused.value.code == "recalled-list-refused"


@pytest.mark.parametrize("manifest", ["", "0" * 63, digest(0xA).upper(), f"{digest(1)}\n", "release-1"])
def test_what_is_no_digest_is_no_permission(place: Place, manifest: str) -> None:
    with pytest.raises(SettingsInvalid):
        place.lists.require(manifest)


def test_a_list_may_be_signed_by_a_p256_key(tmp_path: Path) -> None:
    private = ec.derive_private_key(7, ec.SECP256R1())
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    content = base64.b64encode(bytes([KeyType.ECDSA]) + public).decode()
    key = VerifierKey.parse(f"{LOG_KEY.name}+{key_id(LOG_KEY.name, KeyType.ECDSA, public).hex()}+{content}")
    place, text = Place(tmp_path), list_text(7, digest(1))
    line = NoteSignature(name=key.name, id=key.id, payload=private.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    place.keys.write_text(f"{key}\n")
    place.lists.take(f"{text}\n{line}\n".encode())
    with pytest.raises(ManifestRecalled):
        place.lists.require(digest(1))


KEYS: dict[str, Callable[[Path], object]] = {
    "is not there": lambda path: path.unlink(),
    "is empty": lambda path: path.write_text("\n"),
    "holds something else": lambda path: path.write_text("log+00000000+AAAA\n"),
    "holds a key with another's identifier": lambda path: path.write_text(
        str(LOG_KEY).replace(LOG_KEY.id.hex(), OTHER_KEY.id.hex())
    ),
    "holds a cut key": lambda path: path.write_text(str(LOG_KEY)[:-8]),
    "is no text": lambda path: path.write_bytes(b"\xff\n"),
    "is huge": lambda path: path.write_text(f"{LOG_KEY}\n" * 1000),
}


@pytest.mark.parametrize("sentence", KEYS)
def test_nothing_is_believed_where_the_file_of_keys(place: Place, sentence: str) -> None:
    KEYS[sentence](place.keys)
    for verb in (lambda: place.lists.take(KEPT), lambda: place.lists.require(digest(2))):
        with pytest.raises(SettingsInvalid):
            verb()


class TestCommand:
    def test_a_list_is_taken_and_asked(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "log.vkey").write_text(f"{LOG_KEY}\n")
        (tmp_path / "list").write_bytes(KEPT)
        (tmp_path / "older").write_bytes(recalled_note(1, digest(1)))
        config = write_config(tmp_path, recalled_keys=f'"{tmp_path}/log.vkey"')
        assert run(config, "check-recalled", digest(2)) == 1
        assert run(config, "take-recalled", str(tmp_path / "list")) == 0
        assert "version: 7\nrecalled: 2\n" in capsys.readouterr().out
        assert run(config, "take-recalled", str(tmp_path / "older")) == 1
        assert "is of version 1, and 7 was seen [recalled-list-older]" in capsys.readouterr().err
        assert run(config, "check-recalled", "--json", digest(2)) == 0
        assert json.loads(capsys.readouterr().out)["recalled"] is False
        assert run(config, "check-recalled", digest(3)) == 1
        assert "was recalled (version 7 of the list) [manifest-recalled]\n" in capsys.readouterr().err
        assert run(config, "status", "--json") == 0
        assert json.loads(capsys.readouterr().out)["recalled"] == [
            {"origin": LOG_KEY.name, "version": 7, "recalled": 2}
        ]

    @pytest.mark.parametrize("name", ["missing", "."])
    def test_a_list_that_cannot_be_read_is_refused(self, name: str, tmp_path: Path) -> None:
        (tmp_path / "log.vkey").write_text(f"{LOG_KEY}\n")
        config = write_config(tmp_path, recalled_keys=f'"{tmp_path}/log.vkey"')
        assert run(config, "take-recalled", str(tmp_path / name)) == 1

    @pytest.mark.parametrize("words", [("take-recalled", "list"), ("check-recalled", digest(1))], ids=["take", "check"])
    def test_without_keys_no_list_could_be_believed(self, words: tuple[str, str], tmp_path: Path) -> None:
        assert run(write_config(tmp_path), *words) == 2
