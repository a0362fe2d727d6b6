"""``artifact-verify`` and what it is connected to: terminals, closed and broken streams, signals."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.artifacts import ArtifactBuilder, Compression, KeyKind, PayloadFile, private_key, public_pem
from tests.cli.artifact_verify import COMMAND, SECONDS, environment

MIB = 1024 * 1024
P256 = private_key(KeyKind.P256)
SIGNED = ArtifactBuilder(key=P256)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A small artifact, a long one, and their key."""
    (tmp_path / "small.mender").write_bytes(SIGNED.build())
    long = replace(SIGNED, files=(PayloadFile(name="image", content=bytes(80 * MIB)),)).compressed(Compression.NONE)
    with (tmp_path / "long.mender").open("wb") as file:
        long.write(file)
    (tmp_path / "key.pem").write_bytes(public_pem(P256))
    return tmp_path


def start(desk: Path, *arguments: str, **streams: int) -> subprocess.Popen[bytes]:
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    command = [*COMMAND, "--key", "key.pem", *arguments]
    return subprocess.Popen(command, cwd=desk, env=environment(), **streams)  # type: ignore[call-overload, no-any-return]


def finished(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes, int]:
    stdout, stderr = process.communicate(timeout=SECONDS)
    assert b"Traceback" not in (stderr or b"")
    assert b"Exception ignored" not in (stderr or b"")
    return stdout or b"", stderr or b"", process.returncode


def _terminal_output(master: int) -> bytes:
    try:
        return os.read(master, 65_536)
    except OSError:  # Linux ends a terminal so when its last writer is gone
        return b""


def on_terminal(desk: Path, *arguments: str, **streams: int) -> tuple[bytes, bytes, int]:
    """What a terminal on standard error saw, standard output, and the exit code."""
    master, slave = pty.openpty()
    process = start(desk, *arguments, **{"stderr": slave, **streams})
    os.close(slave)
    seen = b"".join(iter(lambda: _terminal_output(master), b""))
    os.close(master)
    stdout, _, code = finished(process)
    return seen, stdout, code


class TestProgress:
    def test_is_shown_for_a_long_artifact_on_a_terminal_and_erased(self, desk: Path) -> None:
        seen, stdout, code = on_terminal(desk, "long.mender")
        assert code == 0
        assert b"long.mender  [" in seen
        assert b" of 80 MiB" in seen
        assert seen.endswith(b"\r\x1b[K")
        assert stdout.startswith(b"long.mender: valid\n")

    def test_is_not_shown_for_a_small_one(self, desk: Path) -> None:
        assert on_terminal(desk, "small.mender")[0] == b""

    def test_is_not_shown_when_not_wanted(self, desk: Path) -> None:
        assert on_terminal(desk, "--no-progress", "long.mender")[0] == b""

    def test_is_not_shown_where_standard_error_is_no_terminal(self, desk: Path) -> None:
        _, stderr, code = finished(start(desk, "long.mender"))
        assert (stderr, code) == (b"", 0)

    def test_counts_what_came_where_the_size_is_unknown(self, desk: Path) -> None:
        with subprocess.Popen(["cat", "long.mender"], cwd=desk, stdout=subprocess.PIPE) as cat:
            assert cat.stdout is not None
            seen, _, code = on_terminal(desk, "-", stdin=cat.stdout.fileno())
        assert code == 0
        assert b"-  " in seen
        assert b"%" not in seen


def closing(*descriptors: int) -> list[str]:
    """The command begun with descriptors closed."""
    closed = " ".join(f"{descriptor}<&-" if descriptor == 0 else f"{descriptor}>&-" for descriptor in descriptors)
    return ["sh", "-c", f'exec "$@" {closed}', "sh", *COMMAND]


@pytest.mark.parametrize(
    ("descriptors", "arguments", "code"),
    [
        ((1,), ("small.mender",), 0),
        ((2,), ("missing",), 3),
        ((1, 2), ("small.mender",), 0),
        ((0,), ("-",), 3),
        ((0, 1, 2), ("-",), 3),
    ],
)
def test_closed_streams_do_not_change_the_exit_code(
    descriptors: tuple[int, ...], arguments: tuple[str, ...], code: int, desk: Path
) -> None:
    command = [*closing(*descriptors), "--key", "key.pem", *arguments]
    done = subprocess.run(command, cwd=desk, env=environment(), capture_output=True, timeout=SECONDS, check=False)
    assert done.returncode == code
    assert b"Traceback" not in done.stderr


def test_a_reader_that_goes_away_ends_it_quietly(desk: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    process = start(desk, *["small.mender"] * 3, stdout=write_end)
    os.close(write_end)
    _, stderr, code = finished(process)
    assert (stderr, code) == (b"", 128 + signal.SIGPIPE)


def test_a_full_disk_is_told(desk: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        _, stderr, code = finished(start(desk, "small.mender", stdout=full.fileno()))
    assert code == 3
    assert stderr == b"artifact-verify: cannot write the report: No space left on device\n"


@pytest.fixture
def in_the_foreground() -> Iterator[None]:
    """Programs that are started heed Ctrl-C, also where a shell put the tests into the background, to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("in_the_foreground")
def test_ctrl_c_ends_it_quietly(desk: Path) -> None:
    read_end, write_end = os.pipe()
    process = start(desk, "-", stdin=read_end)
    os.close(read_end)
    artifact = (desk / "long.mender").read_bytes()
    # More than the pipe holds: once it is written, the command is reading, and waits for the rest.
    os.write(write_end, artifact[: 1 * MIB])
    process.send_signal(signal.SIGINT)
    _, stderr, code = finished(process)
    os.close(write_end)
    assert (stderr, code) == (b"", 128 + signal.SIGINT)


def test_a_character_that_the_terminal_lacks_is_an_escape(desk: Path) -> None:
    (desk / "greek.mender").write_bytes(replace(SIGNED, name="έκδοση").build())
    process = subprocess.run(
        [*COMMAND, "--inspect", "greek.mender"],
        cwd=desk,
        env=environment(PYTHONIOENCODING="ascii"),
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert process.returncode == 0
    assert b"\\u03ad" in process.stdout
