"""What the dearest bytes that are known cost a reader, in seconds of one processor for each MiB; beside honest ones.

`python -m tests.bench.bench_hostile [--rounds 3]`

Each input is a mebibyte of what its layer reads (a JSON document, a tar archive, a stored member). Where it is refused
before its end, the seconds are those until then. The last table is of whole heads: little on the wire, and as much
behind it as the bounds let through.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterator

import verifier
from tests.artifacts import ArtifactBuilder, Compression, Stage, hostile
from tests.artifacts.compression import compress
from tests.artifacts.tarwriter import Member, tar_bytes
from tests.support.layers import LAYERS, container, json, manifest, tar
from verifier import Limits, VerificationError, read_head

from .measure import MEBIBYTE, machine

LIMITS = Limits()


def text(size: int) -> bytes:
    """Bytes that compress about as well as programs do."""
    chance = random.Random(1)
    words = [chance.randbytes(chance.randint(2, 9)) for _ in range(500)]
    pieces: list[bytes] = []
    while len(pieces) < size // 3:
        pieces.append(chance.choice(words))
    return b"".join(pieces)[:size]


def honest() -> Iterator[tuple[str, Callable[[bytes, Limits], object], bytes]]:
    """What writers write, for comparison."""
    content = tar_bytes([Member(name="image.bin", content=text(4 * MEBIBYTE))])
    yield "JSON", json, b'{"targets":[' + b'{"name":"controller","version":"1.2.3"},' * 20_000 + b"{}]}"
    yield "tar", tar, content
    yield "manifest", manifest, hostile.MANIFEST["payload files"](300 * 1024)
    for compression in (Compression.GZIP, Compression.XZ, Compression.ZSTD):
        read = container(verifier.Compression[compression.name])
        yield compression.name.lower(), read, compress(content, compression)


def cost(read: Callable[[bytes, Limits], object], data: bytes, rounds: int) -> tuple[float, str]:
    """The best of several, in seconds, and how it ended."""
    best, ended = float("inf"), "read"
    for _ in range(rounds):
        start = time.thread_time()
        try:
            read(data, LIMITS)
        except VerificationError as error:
            ended = error.facts.get("limit", error.code)
        best = min(best, time.thread_time() - start)
    return best, ended


def heads() -> Iterator[tuple[str, bytes]]:
    """Heads whose header expands to what is dearest within all bounds."""
    document = hostile.JSON["objects of one member"](LIMITS.json_bytes - 1024)
    recipe = ArtifactBuilder(meta_data=document).compressed(Compression.XZ)
    type_info = b'{"type":"corpus-module","x":' + document + b"}"
    yield "two JSON documents of a mebibyte", recipe.edited(Stage.TYPE_INFO_JSON, lambda _: type_info).build()
    extension = Member(name="PaxHeaders.0/x", content=hostile.pax_records(60 * 1024), kind=b"x")
    many = [Member(name=f"scripts/ArtifactInstall_Enter_00_{n}", mode=0o755, before=(extension,)) for n in range(500)]
    padded = ArtifactBuilder().edited(Stage.HEADER_MEMBERS, lambda members: [members[0], *many, *members[1:]])
    yield "PAX headers in front of scripts", padded.build()
    zeros = ArtifactBuilder().edited(
        Stage.HEADER_TAR, lambda content: content + bytes(LIMITS.zero_padding_bytes - 4096)
    )
    yield "zeros after the header's end", zeros.build()


def head(data: bytes, limits: Limits) -> object:
    """What a signing request by head costs before anything is signed."""
    return read_head(data, limits=limits)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_hostile")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"{machine()}; the best of {options.rounds}\n")
    print("| layer | input of a mebibyte | CPU s | CPU s per MiB of it | ended |\n|---|---|---:|---:|---|")
    for name, read, data in honest():
        taken, ended = cost(read, data, options.rounds)
        print(f"| {name} | honest | {taken:.3f} | {taken / len(data) * MEBIBYTE:.3f} | {ended} |")
    for name, (read, inputs) in LAYERS.items():
        for what, make in inputs.items():
            data = make(MEBIBYTE - 1024)
            taken, ended = cost(read, data, options.rounds)
            print(f"| {name} | {what} | {taken:.3f} | {taken / len(data) * MEBIBYTE:.3f} | {ended} |")
    print("\n| head that expands to | bytes on the wire | CPU s | ended |\n|---|---:|---:|---|")
    for what, artifact in heads():
        taken, ended = cost(head, artifact, options.rounds)
        print(f"| {what} | {len(artifact)} | {taken:.3f} | {ended} |")


if __name__ == "__main__":
    main()
