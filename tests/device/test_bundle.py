"""The file of server certificates: whole or refused, the last good one kept, and a change seen without a restart."""

from __future__ import annotations

import os
import time
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from device.bundle import KEPT, MOST_CERTIFICATES, Bundle, TrustedServers
from device.errors import BundleRefused
from device.store import MOST_BYTES, Directory
from tests.device.certificates import self_signed

OLD, NEW = self_signed("old.example").pem, self_signed("new.example").pem


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "server.crt"


def trusted(file: Path) -> TrustedServers:
    """As after a restart."""
    store = Directory(file.parent / "state")

    def lock() -> AbstractContextManager[None]:
        return store.locked(time.monotonic() + 5)

    return TrustedServers(file=file, store=store, lock=lock)


def put(file: Path, content: bytes) -> None:
    """In its place by a rename, so that it is another file."""
    unfinished = file.with_suffix(".new")
    unfinished.write_bytes(content)
    unfinished.rename(file)


def test_old_and_new_in_one_file_with_words_between_them() -> None:
    bundle = Bundle.of_pem(b"old:\n" + OLD + b"\nnew:\r\n" + NEW.replace(b"\n", b"\r\n") + OLD)
    assert len(bundle.certificates) == 2


# Negative ones count from the end: certificates differ in length, and every process has to name the tests alike.
@pytest.mark.parametrize("cut", [30, 200, -30, -20, -2])
def test_one_that_is_cut_is_refused_wherever_it_is(cut: int) -> None:
    with pytest.raises(BundleRefused):
        Bundle.of_pem(OLD + NEW[:cut])


BODY = b"\n".join(NEW.split(b"\n")[1:-2])
REFUSED = {
    "nothing": b"",
    "words": b"certificates to follow\n",
    "no text": OLD + b"\xff\xfe",
    "a block within a block": OLD.replace(b"-----END CERTIFICATE-----\n", b"") + NEW,
    "an end without a beginning": NEW.split(b"\n", 1)[1],
    "a key, which nobody should ship": OLD + b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    "no base64": NEW.replace(BODY, b"!" + BODY),
    "base64 of something else": NEW.replace(BODY, b"AAAA"),
    "more after the certificate": NEW.replace(BODY, BODY + b"AAAA"),
    "too many": b"".join(self_signed(f"{number}.example").pem for number in range(MOST_CERTIFICATES + 1)),
    "too large": OLD + b" " * MOST_BYTES,
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_is_not_whole_is_refused(sentence: str) -> None:
    with pytest.raises(BundleRefused):
        Bundle.of_pem(REFUSED[sentence])


def test_a_changed_file_is_read_without_a_restart(file: Path) -> None:
    put(file, OLD)
    servers = trusted(file)
    first = servers.current()
    assert servers.current() is first
    put(file, OLD + NEW)
    assert len(servers.current().certificates) == 2
    put(file, NEW)
    assert servers.current() == Bundle.of_pem(NEW)


@pytest.mark.parametrize("bad", [b"", NEW[:300], None], ids=["empty", "cut in half", "gone"])
def test_the_last_good_one_stays_in_force_also_over_a_restart(file: Path, bad: bytes | None) -> None:
    put(file, OLD)
    servers = trusted(file)
    servers.current()
    assert servers.refused is None
    if bad is None:
        file.unlink()
    else:
        put(file, bad)
    for each in (servers, servers, trusted(file)):
        assert each.current() == Bundle.of_pem(OLD)
        assert each.refused is not None
    put(file, NEW)
    assert (servers.current(), servers.refused) == (Bundle.of_pem(NEW), None)


def test_one_that_is_written_where_it_lies_is_taken_when_it_is_whole(file: Path) -> None:
    put(file, OLD)
    servers = trusted(file)
    servers.current()
    half = len(OLD + NEW) - 100
    with file.open("wb", buffering=0) as stream:
        stream.write((OLD + NEW)[:half])
        assert servers.current() == Bundle.of_pem(OLD)
        stream.write((OLD + NEW)[half:])
        assert len(servers.current().certificates) == 2


@pytest.mark.parametrize("bad", ["missing", "cut", "pipe", "directory"])
def test_without_a_good_one_nothing_is_believed(file: Path, bad: str) -> None:
    match bad:
        case "cut":
            put(file, OLD[:300])
        case "pipe":
            os.mkfifo(file)
        case "directory":
            file.mkdir()
    with pytest.raises(BundleRefused):
        trusted(file).current()
    assert not (file.parent / "state" / KEPT).exists()
