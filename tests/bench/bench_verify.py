"""`artifact-verify` beside `mender-artifact validate` and a bare SHA-256, in turns, in one run.

`python -m tests.bench.bench_verify [--size-mib 256] [--rounds 5] [--directory DIR] [--start-up]`

The artifacts are signed with P-256 and hold a mixture of the machine's own shared libraries, its text files and
random bytes. Reading is from the page cache. With `--directory`, artifacts that are there already are used.
"""

from __future__ import annotations

import argparse
import functools
import importlib.metadata
import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.artifacts import ArtifactBuilder, Compression, KeyKind, PayloadFile, private_key, public_pem
from tests.artifacts.builder import file_on_disk

from .measure import FLOOR_MIB, MEBIBYTE, Cost, Run, best, machine, run
from .start_up import installed_package, split, table

OURS = Path(sys.executable).with_name("artifact-verify")
PEER = "mender-artifact"
VALIDATED = "validated successfully"
HASH_FILE = """
import hashlib, sys
with open(sys.argv[1], "rb") as file:
    print(hashlib.file_digest(file, "sha256").hexdigest())
"""

Commands = dict[str, Sequence[str | Path]]

LIBRARIES = ("*.so*", "/usr/lib")
TEXTS = ("*.py", "/usr/lib", "/usr/share")
PATTERN = (LIBRARIES, LIBRARIES, LIBRARIES, TEXTS, None)
"""Which source each mebibyte comes from, over and over; None is random."""

FLAT_SIZES_MIB = (1, 16, 256, 1024)
SMALL_ROUNDS = 21
TINY = PayloadFile(name="tiny", content=b"x" * 2000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where things are."""

    directory: Path
    scratch: Path
    key: Path
    rounds: int

    def artifact(self, name: str, compression: Compression, payload: Callable[[], PayloadFile]) -> Path:
        """An artifact with one payload file; written unless it is there."""
        path = self.directory / f"{name}-{compression.name.lower()}.mender"
        if not path.exists():
            print(f"writing {path.name}", file=sys.stderr)
            builder = ArtifactBuilder(key=private_key(KeyKind.P256), files=(payload(),)).compressed(compression)
            partial = path.with_suffix(".partial")
            with partial.open("wb") as out:
                builder.write(out)
            partial.replace(path)
        return path

    def content(self, mebibytes: int) -> PayloadFile:
        """A payload file of that size; written unless it is there."""
        path = self.directory / f"content-{mebibytes}.bin"
        if not path.exists():
            with path.open("wb") as out:
                for block in itertools.islice(blocks(), mebibytes):
                    out.write(block)
        return file_on_disk(path)

    def ours(self, artifact: Path) -> list[str | Path]:
        """The command under test."""
        return [OURS, "--key", self.key, artifact]

    def peer(self, artifact: Path) -> list[str | Path]:
        """The same by the peer."""
        return [PEER, "validate", "-k", self.key, artifact]


def blocks() -> Iterator[bytes]:
    """Mebibytes of what a root file system is made of, without end."""
    sources = {kind: itertools.cycle(mebibytes(*kind)) for kind in (LIBRARIES, TEXTS)}
    for kind in itertools.cycle(PATTERN):
        yield os.urandom(MEBIBYTE) if kind is None else next(sources[kind])


def mebibytes(pattern: str, *roots: str) -> Iterator[bytes]:
    """The files under `roots` whose names fit, put together and cut."""
    collected = bytearray()
    for path in itertools.chain.from_iterable(sorted(Path(root).rglob(pattern)) for root in roots):
        if path.is_file() and not path.is_symlink():
            collected += path.read_bytes()
        while len(collected) >= MEBIBYTE:
            yield bytes(collected[:MEBIBYTE])
            del collected[:MEBIBYTE]


def in_turns(bench: Bench, commands: Commands) -> dict[str, list[Run]]:
    """Each command once a round, one after the other."""
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(bench.rounds):
        for name, command in commands.items():
            runs[name].append(run(command, bench.scratch))
    return runs


def verdict_holds(name: str, runs: Sequence[Run]) -> bool:
    """Whether all runs of a command ended well; the peer's exit code alone says nothing."""
    return all(each.code == 0 and (name != PEER or VALIDATED in each.said) for each in runs)


def compare(bench: Bench, size: int) -> None:
    """The main table: each compression, by everybody."""
    print(f"| {size} MiB | command | wall s | CPU s | peak MiB | wall of ours / this |")
    print("|---|---|---:|---:|---:|---:|")
    for compression in Compression:
        artifact = bench.artifact(f"content-{size}", compression, functools.partial(bench.content, size))
        commands: Commands = {"artifact-verify": bench.ours(artifact)}
        if shutil.which(PEER):
            commands[PEER] = bench.peer(artifact)
        if compression is Compression.NONE:
            commands["hashlib SHA-256 of the file"] = [sys.executable, "-I", "-S", "-c", HASH_FILE, artifact]
            commands["sha256sum"] = ["sha256sum", artifact]
        runs = in_turns(bench, commands)
        if not verdict_holds("artifact-verify", runs["artifact-verify"]):
            raise SystemExit(f"artifact-verify refuses {artifact}: {runs['artifact-verify'][0].said}")
        ours = best([each.cost for each in runs["artifact-verify"]])
        for name, ran in runs.items():
            cost = best([each.cost for each in ran]) if verdict_holds(name, ran) else None
            print(row(compression, name, cost, ours))


def row(compression: Compression, name: str, cost: Cost | None, ours: Cost) -> str:
    """One line of the main table."""
    label = compression.name.lower()
    if cost is None:
        return f"| {label} | {name} | does not support it | | | |"
    ratio = ours.wall / cost.wall
    return f"| {label} | {name} | {cost.wall:.2f} | {cost.cpu:.2f} | {cost.peak:.0f} | {ratio:.2f} |"


def flatness(bench: Bench, compressions: Sequence[Compression], longest: int) -> None:
    """Peak memory over the size of the payload."""
    sizes = [size for size in FLAT_SIZES_MIB if size <= longest]
    print("| peak MiB of artifact-verify | " + " | ".join(f"{size} MiB" for size in sizes) + " |")
    print("|---|" + "---:|" * len(sizes))
    for compression in compressions:
        peaks = []
        for size in sizes:
            artifact = bench.artifact(f"content-{size}", compression, functools.partial(bench.content, size))
            peaks.append(run(bench.ours(artifact), bench.scratch).cost.peak)
        print(f"| {compression.name.lower()} | " + " | ".join(f"{peak:.0f}" for peak in peaks) + " |")


def start_up(bench: Bench) -> None:
    """An artifact of about ten kilobytes, many times, so that the best one is that of a free processor."""
    artifact = bench.artifact("tiny", Compression.NONE, lambda: TINY)
    rows = split(bench.ours(artifact), bench.peer(artifact), rounds=SMALL_ROUNDS, scratch=bench.scratch)
    print(table(rows, f"{artifact.stat().st_size} bytes"))


def versions() -> str:
    """What else decides about the figures."""
    peer = run_version() if shutil.which(PEER) else "not installed"
    packages = ("cryptography", "isal", "backports.zstd")
    installed = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages if _has(name))
    return f"{installed}; {PEER}: {peer}"


def run_version() -> str:
    """The peer's version."""
    with tempfile.TemporaryDirectory() as scratch:
        return run([PEER, "--version"], Path(scratch)).said.strip()


def _has(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def main() -> None:
    """Run all tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_verify")
    parser.add_argument("--size-mib", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--longest-mib", type=int, default=FLAT_SIZES_MIB[-1], help="of the memory table")
    parser.add_argument("--directory", type=Path, help="where artifacts are kept and looked for")
    parser.add_argument("--start-up", action="store_true", help="the last table alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-verify-") as temporary:
        scratch = Path(temporary)
        directory = options.directory or scratch
        directory.mkdir(parents=True, exist_ok=True)
        key = scratch / "public-key.pem"
        key.write_bytes(public_pem(private_key(KeyKind.P256)))
        bench = Bench(directory=directory, scratch=scratch, key=key, rounds=options.rounds)
        print(f"{machine()}\n{versions()}\n{installed_package(Path(sys.executable))}")
        print(f"best of {bench.rounds} rounds; a peak under {FLOOR_MIB} MiB cannot be told\n")
        if not options.start_up:
            compare(bench, options.size_mib)
            print()
            flatness(bench, (Compression.NONE, Compression.GZIP), options.longest_mib)
            print()
        start_up(bench)


if __name__ == "__main__":
    main()
