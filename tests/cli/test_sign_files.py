"""``artifact-signer sign`` and the files of a machine: nothing is lost, nothing left, one clear sentence."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from signer import kernel_copy, new_file
from signer.answers import ConnectionFailed
from signer.cli.exit_codes import INTERRUPTED, REFUSED, UNREACHABLE, USAGE
from signer.cli.main import run
from signer.cli.signing import one, output, source
from signer.client import Client
from signer.kernel_copy import WAYS, Way, copied
from tests.artifacts import ArtifactBuilder, Compression, PayloadFile
from tests.cli.test_sign import KEY, RELEASE, Service, signature, signed
from tests.cli.test_strange_answers import API_TOKEN, http
from tests.support.canned import answering

ENCODED = signature(RELEASE, KEY)
SIGNED = signed(RELEASE, ENCODED)
OLD = b"what was there before"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "release.mender").write_bytes(RELEASE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARTIFACT_SIGNER_API_TOKEN", API_TOKEN)
    monkeypatch.setenv("ARTIFACT_SIGNER_TIMEOUT", "20")
    monkeypatch.setenv("ARTIFACT_SIGNER_RETRY_SECONDS", "0")
    for name in ("ARTIFACT_SIGNER_CA_FILE", "ARTIFACT_SIGNER_LOG_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    # It would sign anew each time; what is on record is one signature.
    monkeypatch.setattr("tests.cli.test_sign.signature", lambda *_: ENCODED)
    return tmp_path


def session(monkeypatch: pytest.MonkeyPatch, *words: str, answer: Any = None) -> int:
    with answering(answer or Service().answer) as server:
        monkeypatch.setenv("ARTIFACT_SIGNER_URL", server.url)
        return run(["sign", "--key", "firmware", *words])


def left(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def read_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root may write everywhere; what the system says of a folder on a read-only file system is the same.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "locked")


REFUSALS: dict[str, tuple[tuple[str, ...], int, str]] = {
    "the artifact itself as output": (
        ("-o", "./release.mender"),
        USAGE,
        "is the artifact itself: --in-place replaces it",
    ),
    "a link to the artifact as output": (("-o", "link"), USAGE, "is the artifact itself"),
    "another name of the artifact as output": (("-o", "hard"), USAGE, "is the artifact itself"),
    "a link that leads nowhere": (("-o", "dangling"), REFUSED, "no such file"),
    "a link that leads to itself": (("-o", "circle"), REFUSED, "too many levels of symbolic links"),
    "a pipe as output": (("-o", "fifo"), REFUSED, "is no file that can be replaced"),
    "a directory as output": (("-o", "folder"), REFUSED, "is a directory"),
    "a folder that is not there": (("-o", "nowhere/out.mender"), REFUSED, "no such file"),
    "a folder that cannot be written": (("-o", "locked/out.mender"), REFUSED, "locked: permission denied"),
    "both results for standard output": (("-o", "-", "--json"), USAGE, "standard output takes one of them"),
}


@pytest.mark.parametrize("sentence", REFUSALS)
def test_is_refused_before_anything_is_sent(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], sentence: str
) -> None:
    words, code, says = REFUSALS[sentence]
    (folder / "link").symlink_to("release.mender")
    (folder / "hard").hardlink_to(folder / "release.mender")
    (folder / "dangling").symlink_to("nothing")
    (folder / "circle").symlink_to("circle")
    os.mkfifo(folder / "fifo")
    (folder / "locked").mkdir()
    (folder / "folder").mkdir()
    read_only(folder, monkeypatch)
    before = sorted(path.name for path in folder.rglob("*"))
    with answering(b"") as server:
        monkeypatch.setenv("ARTIFACT_SIGNER_URL", server.url)
        assert run(["sign", "release.mender", "--key", "firmware", *words]) == code
    err = capsys.readouterr().err
    assert server.heads == []
    assert says in err
    assert "Traceback" not in err
    assert sorted(path.name for path in folder.rglob("*")) == before
    assert (folder / "release.mender").read_bytes() == RELEASE


def test_a_link_stays_one_and_what_it_leads_to_is_replaced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "real").mkdir()
    (folder / "real" / "out.mender").write_bytes(OLD)
    (folder / "out.mender").symlink_to("real/out.mender")
    assert session(monkeypatch, "release.mender", "-o", "out.mender") == 0
    assert (folder / "out.mender").is_symlink()
    assert (folder / "real" / "out.mender").read_bytes() == SIGNED


def test_a_linked_artifact_is_replaced_where_it_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "link.mender").symlink_to("release.mender")
    assert session(monkeypatch, "link.mender", "--in-place", answer=batch()) == 0
    assert (folder / "link.mender").is_symlink()
    assert (folder / "release.mender").read_bytes() == SIGNED


def batch() -> Callable[[str], bytes]:
    def answer(head: str) -> bytes:
        made = Service().answer(head)
        if "/signatures/batch" not in head:
            return made
        item = {"status": 200, **json.loads(made.partition(b"\r\n\r\n")[2])}
        return http(200, json.dumps({"results": [item]}).encode(), "application/json")

    return answer


MODES: dict[str, tuple[int, int | None, int, int]] = {
    "a new output of an artifact for few is for few": (0o600, None, 0o022, 0o600),
    "a new output of a program is none": (0o755, None, 0o022, 0o644),
    "the umask holds for a new output": (0o666, None, 0o077, 0o600),
    "an output that is replaced keeps its own": (0o600, 0o640, 0o077, 0o640),
}


@pytest.mark.parametrize("sentence", MODES)
def test_permissions(folder: Path, monkeypatch: pytest.MonkeyPatch, sentence: str) -> None:
    given, there, umask, expected = MODES[sentence]
    (folder / "release.mender").chmod(given)
    if there is not None:
        (folder / "out.mender").write_bytes(OLD)
        (folder / "out.mender").chmod(there)
    before = os.umask(umask)
    try:
        assert session(monkeypatch, "release.mender", "-o", "out.mender") == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "out.mender").stat().st_mode) == expected


def test_in_place_keeps_permissions_and_owner_and_has_a_new_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = folder / "release.mender"
    artifact.chmod(0o604)
    os.utime(artifact, (1, 1))
    owner = (12345, 54321) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(artifact, *owner)
    assert session(monkeypatch, "release.mender", "--in-place", answer=batch()) == 0
    after = artifact.stat()
    assert (stat.S_IMODE(after.st_mode), after.st_uid, after.st_gid) == (0o604, *owner)
    assert after.st_mtime > 1
    assert artifact.read_bytes() == SIGNED


def test_a_group_that_cannot_be_given_gets_no_more_than_everybody(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(errno.EPERM, "no")

    monkeypatch.setattr(os, "fchown", forbidden)
    given = os.stat_result((stat.S_IFREG | 0o664, 0, 0, 1, 12345, 54321, 0, 0, 0, 0))
    with new_file.NewFile(folder / "new", like=given) as file:
        file.write(b"x")
    assert stat.S_IMODE((folder / "new").stat().st_mode) == 0o644


@pytest.mark.parametrize("mode", [(), ("--whole",)], ids=["by its head", "whole"])
def test_standard_output_gets_the_signed_artifact(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], mode: tuple[str, ...]
) -> None:
    assert session(monkeypatch, "release.mender", "-o", "-", *mode) == 0
    out, err = capfdbinary.readouterr()
    assert (out, err) == (SIGNED, b"artifact-signer: signed\n")
    assert left(folder) == {"release.mender": RELEASE}


def test_standard_output_gets_nothing_that_is_not_right(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    service = Service(returns=lambda artifact: artifact[:-2600] + bytes([artifact[-2600] ^ 1]) + artifact[-2599:])
    assert session(monkeypatch, "release.mender", "-o", "-", "--whole", answer=service.answer) == UNREACHABLE
    assert capfdbinary.readouterr().out == b""


def no_space(*_: object, **__: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("there", [None, OLD], ids=["a new file", "an old one"])
@pytest.mark.parametrize("full", ["copy_file_range", "fsync"])
def test_no_space_is_left(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], full: str, there: bytes | None
) -> None:
    if there is not None:
        (folder / "out.mender").write_bytes(there)
    monkeypatch.setattr(os, full, no_space)
    assert session(monkeypatch, "release.mender", "-o", "out.mender") == REFUSED
    assert "no space left" in capsys.readouterr().err
    assert left(folder) == {"release.mender": RELEASE, **({} if there is None else {"out.mender": there})}


def interrupted(*_: object, **__: object) -> Any:
    raise KeyboardInterrupt


# Where a signal may come, in the order of the steps.
STEPS: dict[str, tuple[Any, str]] = {
    "while the head is read": (source.UploadReader, "feed"),
    "while the file is made": (new_file.os, "fdopen"),
    "while the service is asked": (Client, "sign"),
    "while the public key is asked for": (Client, "public_key"),
    "while the signature is verified": (one.Evidence, "of_signature"),
    "while it is copied": (output, "copied"),
    "while permissions are given": (new_file.os, "fchmod"),
    "while it is synced": (new_file.os, "fsync"),
    "while it gets its name": (Path, "replace"),
}


@pytest.mark.parametrize("there", [None, OLD], ids=["a new file", "an old one"])
@pytest.mark.parametrize("sentence", STEPS)
def test_ctrl_c(folder: Path, monkeypatch: pytest.MonkeyPatch, sentence: str, there: bytes | None) -> None:
    if there is not None:
        (folder / "out.mender").write_bytes(there)
    place, name = STEPS[sentence]
    with answering(Service().answer) as server:
        monkeypatch.setenv("ARTIFACT_SIGNER_URL", server.url)
        with monkeypatch.context() as patched:
            patched.setattr(place, name, interrupted)
            assert run(["sign", "--key", "firmware", "release.mender", "-o", "out.mender"]) == INTERRUPTED
    assert left(folder) == {"release.mender": RELEASE, **({} if there is None else {"out.mender": there})}


@pytest.mark.parametrize("number", ["SIGTERM", "SIGHUP"])
def test_term_and_hup_end_it_as_ctrl_c_does(folder: Path, monkeypatch: pytest.MonkeyPatch, number: str) -> None:
    import signal

    def ended(*_: object) -> None:
        os.kill(os.getpid(), getattr(signal, number))

    before = signal.getsignal(getattr(signal, number))
    monkeypatch.setattr(Client, "sign", ended)
    assert session(monkeypatch, "release.mender", "-o", "out.mender") == INTERRUPTED
    assert left(folder) == {"release.mender": RELEASE}
    assert signal.getsignal(getattr(signal, number)) == before


def cannot(*_: object) -> int:
    raise OSError(errno.EXDEV, "no")


def nothing(*_: object) -> int:
    return 0


KERNELS: dict[str, tuple[Way, ...]] = {
    "the first way that there is": WAYS,
    "the second": (cannot, *WAYS[1:]),
    "the last": (cannot, cannot, WAYS[2]),
    "one that says that nothing is there": (nothing, *WAYS[1:]),
    "all of them saying so": (nothing, nothing, WAYS[2]),
}


@pytest.mark.parametrize("sentence", KERNELS)
def test_a_copy_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sentence: str) -> None:
    monkeypatch.setattr(kernel_copy, "PIECE_BYTES", 5000)
    content = os.urandom(12_345)
    (tmp_path / "source").write_bytes(content)
    with (tmp_path / "source").open("rb") as given, (tmp_path / "target").open("wb", buffering=0) as target:
        target.write(b"head")
        counts = list(copied(given.fileno(), target.fileno(), 345, ways=KERNELS[sentence]))
    assert (tmp_path / "target").read_bytes() == b"head" + content[345:]
    assert sum(counts) == 12_000


def test_a_fault_of_the_disk_is_no_reason_for_another_way(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"content")
    with (
        (tmp_path / "source").open("rb") as given,
        (tmp_path / "target").open("wb") as target,
        pytest.raises(OSError, match="No space left"),
    ):
        list(copied(given.fileno(), target.fileno(), 0, ways=(no_space, *WAYS[1:])))


def test_only_the_head_is_sent(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = ArtifactBuilder(files=(PayloadFile(name="payload", content=bytes(1 << 20)),)).compressed(Compression.NONE)
    (folder / "release.mender").write_bytes(large.build())
    sent: list[int] = []

    def answer(_head: str, body: bytes) -> bytes:
        sent.append(len(body))
        return b""

    assert session(monkeypatch, "release.mender", "-o", "out.mender", answer=answer) == UNREACHABLE
    assert sent[0] < 12 << 10


BARS: dict[str, tuple[int, bool, bool]] = {
    "long, on a terminal": (0, True, True),
    "short, on a terminal": (1 << 30, True, False),
    "long, and nobody looks": (0, False, False),
}


@pytest.mark.parametrize("sentence", BARS)
def test_a_bar_is_shown_for_what_is(folder: Path, monkeypatch: pytest.MonkeyPatch, sentence: str) -> None:
    shown_from, looked_at, shown = BARS[sentence]
    monkeypatch.setattr(output, "SHOWN_BYTES", shown_from)
    monkeypatch.setattr(output, "terminal", lambda: looked_at)
    hidden: list[bool] = []
    bar = output.click.progressbar

    def watched(**given: Any) -> Any:
        hidden.append(given["hidden"])
        return bar(**given)

    monkeypatch.setattr(output.click, "progressbar", watched)
    assert session(monkeypatch, "release.mender", "-o", "out.mender") == 0
    assert hidden == [not shown]


def test_what_was_verified_is_what_is_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody changes the artifact's head after it was read."""
    ask = Client.sign

    def changed(*given: Any) -> Any:
        with (folder / "release.mender").open("r+b") as file:
            file.write(b"\0" * 2048)
        return ask(*given)

    monkeypatch.setattr(Client, "sign", changed)
    assert session(monkeypatch, "release.mender", "-o", "out.mender") == 0
    assert (folder / "out.mender").read_bytes() == SIGNED


def test_a_service_that_is_not_there_is_one_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(*_: object) -> Any:
        raise ConnectionFailed(sentence="no connection to the service", hint="is it running")

    monkeypatch.setattr(Client, "sign", gone)
    assert session(monkeypatch, "release.mender", "-o", "out.mender") == UNREACHABLE
    assert capsys.readouterr().err == "artifact-signer: no connection to the service\nhint: is it running\n"
    assert left(folder) == {"release.mender": RELEASE}
