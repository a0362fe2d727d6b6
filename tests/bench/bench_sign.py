"""`artifact-signer sign` of a large artifact beside `mender-artifact sign` with a key file and a bare copy, in turns.

`python -m tests.bench.bench_sign [--size-mib 1024] [--rounds 3] [--directory DIR]`

The artifact holds random bytes and is read from the page cache; every output is a new file, on the disk when its time
ends. The service runs on the same machine. Bytes are those of TLS, as a proxy between the two counts them. The start is
the command with all that it imports, and nothing done: it is part of the first row, and needs a processor, for which
it waits where other work runs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.artifacts import ArtifactBuilder, Compression, KeyKind, private_key
from tests.artifacts.builder import file_on_disk
from tests.artifacts.keys import traditional_pem
from tests.integration.running import Installation, initialise, running

from .counting_proxy import Counted, counting
from .measure import MEBIBYTE, Cost, best, machine, run

OURS = [sys.executable, "-m", "signer", "sign"]
START = "of it the start"
PEER = "mender-artifact"
SYNCED = 'cp --reflink=never "$1" "$2" && sync "$2"'


def artifact(directory: Path, mebibytes: int) -> Path:
    """One of that size, unsigned."""
    content, path = directory / "content.bin", directory / "release.mender"
    with content.open("wb") as out:
        for _ in range(mebibytes):
            out.write(os.urandom(MEBIBYTE))
    with path.open("wb") as out:
        ArtifactBuilder(files=(file_on_disk(content),)).compressed(Compression.NONE).write(out)
    content.unlink()
    return path


def commands(given: Path, output: Path, key: Path) -> dict[str, list[Sequence[str | Path]]]:
    """What is compared; the peer signs in place, so its time begins with the copy that it signs."""
    copy = ["sh", "-c", SYNCED, "sh", given, output]
    found: dict[str, list[Sequence[str | Path]]] = {
        "artifact-signer sign": [[*OURS, given, "--key", "firmware", "--output", output]],
        START: [[*OURS, "--help"]],
        "cp --reflink=never, sync": [copy],
    }
    if shutil.which(PEER):
        found["mender-artifact sign"] = [[PEER, "sign", given, "-k", key, "-o", output], ["sync", output]]
    return found


def together(costs: Sequence[Cost]) -> Cost:
    """Of commands that are run one after the other."""
    return Cost(
        wall=sum(each.wall for each in costs),
        cpu=sum(each.cpu for each in costs),
        peak=max(each.peak for each in costs),
    )


def compare(given: Path, scratch: Path, key: Path, counted: Counted, rounds: int) -> None:
    """The table."""
    output = given.with_name("signed.mender")
    costs: dict[str, list[Cost]] = {}
    wire: tuple[int, int] = (0, 0)
    for _ in range(rounds):
        for name, steps in commands(given, output, key).items():
            counted.reset()
            runs = [run(step, scratch) for step in steps]
            if any(each.code for each in runs):
                raise SystemExit(f"{name}: {runs[0].said}")
            costs.setdefault(name, []).append(together([each.cost for each in runs]))
            if counted.sent:
                wire = (counted.sent, counted.received)
            output.unlink(missing_ok=True)
    print(f"| {given.stat().st_size / MEBIBYTE:.0f} MiB | wall s | CPU s | peak MiB |")
    print("|---|---:|---:|---:|")
    for name, measured in costs.items():
        cost = best(measured)
        print(f"| {name} | {cost.wall:.2f} | {cost.cpu:.2f} | {cost.peak:.0f} |")
    print(f"\nartifact-signer sign sent {wire[0]} bytes and got {wire[1]}")


def served(installation: Installation, given: Path, scratch: Path, rounds: int) -> None:
    """With a service that has the key."""
    with installation.http() as http:
        http.post("/v1/keys", json={"name": "firmware", "algorithm": "ecdsa-p256"}).raise_for_status()
    key = scratch / "private.key"
    key.write_bytes(traditional_pem(private_key(KeyKind.P256)))
    with counting(installation.port) as counted:
        os.environ.update(installation.client_environment)
        os.environ["ARTIFACT_SIGNER_URL"] = f"https://127.0.0.1:{counted.port}"
        # As it is installed: compiled.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        run([*OURS, "--help"], scratch)
        compare(given, scratch, key, counted, rounds)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_sign")
    parser.add_argument("--size-mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--directory", type=Path, default=Path("build"), help="on the disk that is to be measured")
    options = parser.parse_args()
    print(f"{machine()}\nbest of {options.rounds} rounds\n")
    options.directory.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="bench-sign-", dir=options.directory) as place,
        tempfile.TemporaryDirectory(prefix="bench-sign-") as scratch,
    ):
        given = artifact(Path(place), options.size_mib)
        installation = initialise(Path(scratch) / "installation")
        with running(installation, SERVER_WORKERS="1"):
            served(installation, given, Path(scratch), options.rounds)


if __name__ == "__main__":
    main()
