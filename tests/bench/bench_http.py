"""Signatures per second over HTTP, beside the module alone and an empty Flask route, in one run.

`python -m tests.bench.bench_http [--seconds 4] [--batches | --hostile-mix | --slow-disk]`

Manifests and heads, each of them new; P-256 and RSA-3072; 1, 8 and 32 kept-alive connections over TLS (`wrk`) and over
a Unix socket (a generator of our own, which costs more). Processor time is what the processes of the service took, from
/proc, divided by the signatures: it holds better than rates where the machine is noisy. The load generator runs on the
same processors. At the end once more with 2 ms more for each sync of a disk, commits and checkpoints; `--slow-disk`:
only that. `--hostile-mix`: only what is left of the rate beside 500 idle, 50 slow and 20 half-shaken clients.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx

from hsm import Algorithm, PinnedKey, TokenPool
from tests.artifacts import ArtifactBuilder, PayloadFile
from tests.hsm.softhsm import make_softhsm
from tests.integration import running

from . import empty_service
from .batch_load import Batches, batches
from .http_load import Load, Post, unix, wrk
from .http_mix import compare, report
from .measure import machine
from .slow_disk import slow_disk
from .token_columns import ModuleAlone, in_processes

ALGORITHMS = (Algorithm.ECDSA_P256, Algorithm.RSA_3072)
CONNECTIONS = (1, 8, 32)
BATCHES = (32, 256)
BATCH_CLIENTS = 4
MODULE_PROCESSES = 2
READY_SECONDS = 60.0
MICROSECONDS = 1e6
LABEL, COLUMN = 36, 9
SLOW_SECONDS = 0.002
TICK = os.sysconf("SC_CLK_TCK")
STAGES = ("front", "parse", "decide", "token", "verify", "record")


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor:
    """Processor seconds so far, by kind of process; and by stage, as the workers tell."""

    workers: float
    tokens: float
    recorder: float
    stages: dict[str, float]

    @property
    def all(self) -> float:
        """Of all processes."""
        return self.workers + self.tokens + self.recorder

    def per(self, before: Processor, count: float) -> str:
        """Microseconds for each of ``count``, as cells of a table."""
        parts = [
            self.workers - before.workers,
            *(self.stages.get(stage, 0.0) - before.stages.get(stage, 0.0) for stage in STAGES),
            self.tokens - before.tokens,
            self.recorder - before.recorder,
        ]
        return "".join(f"{part / max(count, 1) * MICROSECONDS:>{COLUMN}.0f}" for part in parts)


class Bodies:
    """What is sent: the parts of a manifest and of a head around one digest."""

    def __init__(self) -> None:
        artifact = ArtifactBuilder(files=(PayloadFile(name="f", content=os.urandom(20_000)),)).build()
        with tarfile.open(fileobj=io.BytesIO(artifact)) as tar:
            last = next(member for member in tar if member.name.startswith("header.tar"))
        head = artifact[: last.offset_data + -(-last.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE]
        self.head_bytes = len(head)
        self.parts = {"manifest": self._split(ArtifactBuilder().manifest()), "head": self._split(head)}

    def _split(self, whole: bytes) -> tuple[bytes, bytes]:
        found = re.search(rb"([0-9a-f]{64})  data/0000/", whole)
        assert found is not None
        return whole[: found.start()], whole[found.start() + 64 :]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each way is measured")
    parser.add_argument("--hostile-mix", action="store_true", help="only rates beside hostile clients, in pairs")
    parser.add_argument("--slow-disk", action="store_true", help="only rates with and without a slower disk")
    parser.add_argument("--batches", action="store_true", help="only batches, beside single signatures of P-256")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of rates, beside hostile clients and without")
    given = parser.parse_args()
    seconds = given.seconds
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory(prefix="bench-http-") as name:
        folder = Path(name)
        if given.hostile_mix:
            _beside_hostile_clients(folder, seconds, given.rounds)
            return
        if given.slow_disk:
            _with_slow_disk(folder, {}, Bodies(), seconds)
            return
        alone = _alone(folder / "alone", seconds)
        for algorithm, rate in alone.items():
            print(f"{algorithm}: the module alone, {MODULE_PROCESSES} processes: {rate:.0f}/s")
        bodies = Bodies()
        print(f"a head has {bodies.head_bytes} bytes; on the right, processor µs for each answer: of the workers, of")
        print(
            "that by stage of their loops, of the token processes and of the recorder; then how many records gathered"
        )
        _header()
        if given.batches:
            _in_batches(folder, alone, bodies, seconds)
            return
        _empty(folder, seconds)
        _measured(folder, "TLS", alone, bodies, seconds)
        _in_batches(folder, alone, bodies, seconds)
        _measured(folder, "Unix socket", alone, bodies, seconds)
        _with_slow_disk(folder, alone, bodies, seconds)


def _header() -> None:
    columns = ("workers", *STAGES, "tokens", "recorder", "gathered")
    print(
        f"{'':{LABEL}}{'/s':>8}{'ratio':>7}{'p50 ms':>8}{'p99 ms':>8}{'errors':>7}"
        + "".join(f"{column:>{COLUMN}}" for column in columns),
        flush=True,
    )


def _with_slow_disk(folder: Path, alone: dict[Algorithm, float], bodies: Bodies, seconds: float) -> None:
    """P-256 over TLS as everywhere else, and with a slower disk, one after the other."""
    if not alone:
        _header()
    for name, extra in (("TLS", 0.0), ("+2 ms", SLOW_SECONDS)):
        place = folder / f"disk-{extra}"
        place.mkdir()
        with slow_disk(place, extra):
            _measured(place, "TLS", alone, bodies, seconds, algorithms=ALGORITHMS[:1], told=name)


def _alone(folder: Path, seconds: float) -> dict[Algorithm, float]:
    folder.mkdir()
    hsm = make_softhsm(folder, sessions=2)
    pool = TokenPool([hsm.config])
    pool.start()
    pool.require_ready("demo", timeout=READY_SECONDS)
    keys = {}
    for algorithm in ALGORITHMS:
        spki = pool.generate(algorithm, key_id=algorithm.encode(), label=algorithm, token="demo")
        keys[algorithm] = PinnedKey(key_id=algorithm.encode(), algorithm=algorithm, spki=spki)
    modules = [ModuleAlone(hsm.config) for _ in range(MODULE_PROCESSES)]
    found = {algorithm: in_processes(modules, key, seconds).rate for algorithm, key in keys.items()}
    for module in modules:
        module.close()
    pool.close()
    return found


def _row(label: str, load: Load, alone: float | None, cost: str = "") -> None:
    ratio = f"{load.rate / alone:.2f}" if alone else "-"
    print(
        f"{label:{LABEL}}{load.rate:>8.0f}{ratio:>7}{load.p50:>8.1f}{load.p99:>8.1f}{load.errors:>7}{cost}", flush=True
    )


def _empty(folder: Path, seconds: float) -> None:
    installation = running.initialise(folder / "empty")
    with empty_service.serving(installation):
        for connections in CONNECTIONS:
            load = wrk(installation.url, connections, seconds, folder)
            _row(f"empty Flask route, TLS, {connections}", load, None)


@contextmanager
def _service(folder: Path, transport: str) -> Iterator[tuple[running.Installation, subprocess.Popen[bytes]]]:
    installation = running.initialise(folder / transport.split(maxsplit=1)[0])
    with running.running(installation) as process:
        for algorithm in ALGORITHMS:
            made = installation.run("keys", "create", algorithm.value, "--algorithm", algorithm.value)
            assert made.returncode == 0, made.stderr
    if transport == "TLS":
        with running.running(installation) as process:
            yield installation, process
        return
    process = running.start(installation, SERVER_TLS="off", SERVER_BIND="unix:http.sock")
    try:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if (installation.directory / "http.sock").exists():
                break
            time.sleep(running.POLL_SECONDS)
        time.sleep(READY_SECONDS / 10)  # the tokens open; there is no event that this can see
        yield installation, process
    finally:
        running.stop(process)


def _measured(
    folder: Path,
    transport: str,
    alone: dict[Algorithm, float],
    bodies: Bodies,
    seconds: float,
    *,
    algorithms: Sequence[Algorithm] = ALGORITHMS,
    told: str = "",
) -> None:
    with _service(folder, transport) as (installation, process):
        for algorithm in algorithms:
            for what, (before, after) in bodies.parts.items():
                path = f"/v1/keys/{algorithm.value}/signatures"
                post = Post(path=path, api_token=installation.api_token, before=before, after=after)
                for connections in CONNECTIONS:
                    spent, known = processor(process, installation.directory), gathering(installation, transport)
                    load = _loader(transport, installation, folder, post)(connections, seconds)
                    time.sleep(1.1)  # workers write their stages down once a second
                    cost = processor(process, installation.directory).per(spent, load.rate * seconds)
                    batches, records = (
                        now - then for now, then in zip(gathering(installation, transport), known, strict=True)
                    )
                    cost += f"{records / max(batches, 1):>{COLUMN}.1f}"
                    label = f"{algorithm.value}, {what}, {told or transport}, {connections}"
                    _row(label, load, alone.get(algorithm), cost)


def _in_batches(folder: Path, alone: dict[Algorithm, float], bodies: Bodies, seconds: float) -> None:
    """P-256 in batches over TLS, and one to a request in the same service; p50 and p99 are those of whole requests."""
    place = folder / "batches"
    place.mkdir()
    algorithm = ALGORITHMS[0]
    path = f"/v1/keys/{algorithm.value}/signatures"
    with _service(place, "TLS") as (installation, process):
        for what, (before, after) in bodies.parts.items():
            post = Post(path=path, api_token=installation.api_token, before=before, after=after)
            single = partial(wrk, installation.url, BATCH_CLIENTS, seconds, place, post)
            ways: dict[str, Callable[[], Load]] = {"one to a request": single}
            for size in BATCHES:
                asked = Batches(path=f"{path}/batch", part=what, size=size, before=before, after=after)
                ways[f"batches of {size}"] = partial(batches, installation.http, BATCH_CLIENTS, seconds, asked)
            for way, load_of in ways.items():
                spent, begun = processor(process, installation.directory), time.monotonic()
                load = load_of()
                took = time.monotonic() - begun
                time.sleep(1.1)  # workers write their stages down once a second
                cost = processor(process, installation.directory).per(spent, load.rate * took)
                _row(f"{what}, {way}, TLS, {BATCH_CLIENTS}", load, alone.get(algorithm), cost)


def _beside_hostile_clients(folder: Path, seconds: float, rounds: int) -> None:
    before, after = Bodies().parts["manifest"]
    with _service(folder, "TLS") as (installation, process):
        path = f"/v1/keys/{Algorithm.ECDSA_P256.value}/signatures"
        post = Post(path=path, api_token=installation.api_token, before=before, after=after)
        wrk(installation.url, max(CONNECTIONS), seconds, folder, post)  # warms up
        for connections in CONNECTIONS[1:]:
            pairs, told = compare(
                installation,
                folder,
                post,
                spent=lambda: processor(process, installation.directory).all,
                connections=connections,
                seconds=seconds,
                rounds=rounds,
            )
            report(connections, pairs, told)


def _loader(
    transport: str, installation: running.Installation, folder: Path, post: Post
) -> Callable[[int, float], Load]:
    if transport == "TLS":
        return lambda connections, seconds: wrk(installation.url, connections, seconds, folder, post)
    return lambda connections, seconds: unix(installation.directory / "http.sock", connections, seconds, post)


def processor(process: subprocess.Popen[bytes], directory: Path) -> Processor:
    """What the processes of a service have taken so far."""
    workers = tokens = recorder = 0.0
    for child in _children(process.pid):
        command = Path(f"/proc/{child}/cmdline").read_bytes()
        below = sum(_seconds(grandchild) for grandchild in _children(child))
        if b"signer.recorder" in command:
            recorder += _seconds(child)
        else:
            workers += _seconds(child)
        tokens += below
    return Processor(workers=workers, tokens=tokens, recorder=recorder, stages=_stages(directory / "spool" / "metrics"))


def gathering(installation: running.Installation, transport: str) -> tuple[float, float]:
    """How many batches and records there were so far, as the metrics tell."""
    if transport == "TLS":
        client = installation.http()
    else:
        socket = httpx.HTTPTransport(uds=str(installation.directory / "http.sock"))
        headers = {"Authorization": f"Bearer {installation.api_token}"}
        client = httpx.Client(transport=socket, base_url="http://localhost", headers=headers)
    with client as http:
        text = http.get("/metrics").text
    found = dict(re.findall(r"^artifact_signer_recorder_(batches|records)_total (\S+)$", text, re.MULTILINE))
    return float(found.get("batches", 0)), float(found.get("records", 0))


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def _seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def _stages(folder: Path) -> dict[str, float]:
    from prometheus_client import CollectorRegistry
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder))
    return {
        sample.labels["stage"]: sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "artifact_signer_stage_cpu_seconds_total"
    }


if __name__ == "__main__":
    main()
