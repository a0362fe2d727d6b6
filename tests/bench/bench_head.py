"""What reading a head costs, in microseconds of one processor; a signing request by head pays this before the rest.

`python -m tests.bench.bench_head [--rounds 300]`

The heads are those of artifacts that `mender-artifact write module-image` made: a small one, and one with four state
scripts; where the tool is not installed, ones of the tests' own writer. `read_head` is beside the same reader with
every tar block read by the rules (as where a block is not plain), and beside parts of the work alone.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import verifier._tar
from tests.artifacts import ArtifactBuilder, Script
from verifier import Compression, Limits, Manifest, read_head
from verifier._inflate import Inflater

from .measure import machine

TOOL = "mender-artifact"
BATCH = 10
META_DATA = b'{"dest_dir":"/opt/app","channel":"stable","targets":[{"name":"a","min":3},{"name":"b","min":4}]}'
STATES = ("Install_Enter_00", "Install_Leave_00", "Commit_Leave_10_notify", "Rollback_Enter_00")
SCRIPT_BYTES = 2800

Work = Callable[[], object]


def scripts() -> tuple[Script, ...]:
    """Shell scripts that compress about as well as people's do."""
    chance = random.Random(3)
    words = [bytes(chance.choices(b"abcdefghijklmnopqrstuvwxyz", k=chance.randint(2, 9))) for _ in range(400)]
    made = []
    for state in STATES:
        text = b"#!/bin/sh\nset -e\n"
        while len(text) < SCRIPT_BYTES:
            text += b"# " + b" ".join(chance.choices(words, k=8)) + b"\ntest -x /usr/bin/%x\n" % chance.getrandbits(32)
        made.append(Script(name=f"Artifact{state}", content=text))
    return tuple(made)


def by_tool(directory: Path, *, rich: bool) -> bytes:
    """An artifact that the tool writes."""
    payload, out = directory / "payload", directory / "out.mender"
    payload.write_bytes(b"x" * 3000)
    words: list[str | Path] = [TOOL, "write", "module-image", "-T", "dir-overlay", "-t", "beaglebone-yocto"]
    words += ["-t", "raspberrypi4", "-n", "release-2026.11", "-f", payload, "-o", out]
    if rich:
        meta_data = directory / "meta-data"
        meta_data.write_bytes(META_DATA)
        words += ["-m", meta_data, "-p", "app.version:12", "--depends", "rootfs-image.version:4"]
        for script in scripts():
            path = directory / script.name
            path.write_bytes(script.content)
            path.chmod(0o755)
            words += ["-s", path]
    subprocess.run([str(word) for word in words], check=True, capture_output=True)
    return out.read_bytes()


def by_us(*, rich: bool) -> bytes:
    """The same by the tests' own writer."""
    recipe = ArtifactBuilder(name="release-2026.11", device_types=("beaglebone-yocto", "raspberrypi4"))
    return (replace(recipe, scripts=scripts(), meta_data=META_DATA) if rich else recipe).build()


def heads(directory: Path) -> Iterator[bytes]:
    """The small one and the large one."""
    for rich in (False, True):
        artifact = by_tool(directory, rich=rich) if shutil.which(TOOL) else by_us(rich=rich)
        yield artifact[: read_head(artifact).header_end]


@contextmanager
def by_the_rules() -> Iterator[None]:
    """No block is plain."""
    plain_block = verifier._tar.plain_block
    verifier._tar.plain_block = lambda _: None
    try:
        yield
    finally:
        verifier._tar.plain_block = plain_block


def stored_header(head: bytes) -> tuple[str, bytes]:
    """The header member's name and contents."""
    found = read_head(head)
    for at in range(0, len(head), 512):
        if head.startswith(found.manifest.header_name.encode() + b"\0", at):
            size = int(head[at + 124 : at + 135], 8)
            return found.manifest.header_name, head[at + 512 : at + 512 + size]
    raise LookupError(found.manifest.header_name)


def measured(works: dict[str, Work], rounds: int) -> dict[str, tuple[float, float]]:
    """Best and median microseconds of processor time of each, in turns."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            start = time.thread_time()
            for _ in range(BATCH):
                work()
            taken[name].append((time.thread_time() - start) / BATCH * 1e6)
    return {name: (min(each), statistics.median(each)) for name, each in taken.items()}


def works(head: bytes, limits: Limits) -> dict[str, Work]:
    """What is compared."""
    manifest = read_head(head).manifest
    name, stored = stored_header(head)

    def slowly() -> object:
        with by_the_rules():
            return read_head(head, limits=limits)

    def inflated() -> object:
        inflater = Inflater(member=name, compression=Compression.GZIP, limits=limits)
        return [*inflater.feed(memoryview(stored)), *inflater.finish()]

    return {
        "read_head": lambda: read_head(head, limits=limits),
        "every block by the rules": slowly,
        "Manifest.parse alone": lambda: Manifest.parse(manifest.raw, limits=limits),
        "inflating the header alone": inflated,
        "its SHA-256 alone": lambda: hashlib.sha256(stored).hexdigest(),
    }


def main() -> None:
    """Run both tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_head")
    parser.add_argument("--rounds", type=int, default=300)
    options = parser.parse_args()
    limits = Limits()
    print(f"{machine()}\nheads of {TOOL if shutil.which(TOOL) else 'the tests'}; {options.rounds} rounds in turns\n")
    with tempfile.TemporaryDirectory(prefix="bench-head-") as directory:
        for head in heads(Path(directory)):
            print(f"| head of {len(head)} bytes | best µs | median µs |\n|---|---:|---:|")
            for name, (best, median) in measured(works(head, limits), options.rounds).items():
                print(f"| {name} | {best:.0f} | {median:.0f} |")
            print()


if __name__ == "__main__":
    main()
