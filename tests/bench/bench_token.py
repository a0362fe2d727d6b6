"""Signatures per second: the module alone, through the token's process, and over HTTP, in turns, in one run.

Through the process in three ways: threads that each ask for one signature, one thread that asks for many at once, and
tasks of one event loop.

`python -m tests.bench.bench_token [--seconds 1.0] [--rounds 5] [--no-http | --url URL --client-env FILE]`

Every round measures each way once, one after the other; a figure is the best round, which other work on the machine
disturbed least. Ratios are to the module alone with as many threads or processes as do it best; a ratio of costs is
what is left of the module's rate when all processors are busy. The load generator runs on the same processors. With
`--url`, keys named `bench-ALGORITHM` are used in a service that runs elsewhere.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hsm import Algorithm, PinnedKey, TokenPool
from tests.hsm.softhsm import make_softhsm
from tests.integration import running

from .measure import machine
from .token_columns import (
    Figure,
    ModuleAlone,
    Service,
    in_processes,
    many_to_a_message,
    on_an_event_loop,
    over_http,
    through_process,
)

ALGORITHMS = (Algorithm.ECDSA_P256, Algorithm.RSA_3072, Algorithm.ED25519)
HTTP_ALGORITHMS = (Algorithm.ECDSA_P256, Algorithm.RSA_3072)
MODULE_THREADS = (1, 2, 4)
MODULE_PROCESSES = 2
PROCESS_THREADS = (1, 2, 4, 8)
BATCHES = (4, 32, 256)
CALLERS = (1, 8, 32)
TOGETHER = (4, 8)
CONNECTIONS = (8, 16)
SESSIONS = 4
READY_SECONDS = 60.0

Pick = Callable[[Figure], float | None]
Better = Callable[[list[float]], float]


@dataclass(slots=True)
class Table:
    """The best figures of each way, by algorithm."""

    best: dict[tuple[Algorithm, str], Figure] = field(default_factory=dict)

    def note(self, algorithm: Algorithm, way: str, found: Figure) -> None:
        """Keep the higher rate and the lower cost."""
        known = self.best.get((algorithm, way), found)
        costs = [figure.cost for figure in (known, found) if figure.cost is not None]
        self.best[algorithm, way] = Figure(rate=max(known.rate, found.rate), cost=min(costs, default=None))

    def show(self) -> None:
        """Print every way with its ratio to the module alone at its best."""
        self._show("signatures/s", lambda figure: figure.rate, max, lambda value, alone: value / alone)
        print()
        self._show("processor µs/signature", lambda figure: figure.cost, min, lambda value, alone: alone / value)

    def _show(self, title: str, pick: Pick, better: Better, ratio: Callable[[float, float], float]) -> None:
        print(f"{title:28}" + "".join(f"{algorithm:>20}" for algorithm in ALGORITHMS))
        for way in dict.fromkeys(way for _, way in self.best):
            cells = [self._cell(algorithm, way, pick, better, ratio) for algorithm in ALGORITHMS]
            if any(cells):
                print(f"{way:28}" + "".join(f"{cell or '-':>20}" for cell in cells))

    def _cell(
        self, algorithm: Algorithm, way: str, pick: Pick, better: Better, ratio: Callable[[float, float], float]
    ) -> str:
        found = self.best.get((algorithm, way))
        value = None if found is None else pick(found)
        alone = [
            picked
            for (kind, name), figure in self.best.items()
            if kind is algorithm and name.startswith("module") and (picked := pick(figure)) is not None
        ]
        return "" if value is None else f"{value:,.0f} ({ratio(value, better(alone)):.2f})"


def main() -> None:
    """Measure and print."""
    options = _options()
    print(machine(), flush=True)
    table = Table()
    with tempfile.TemporaryDirectory(prefix="bench-token-") as name, _service(options, Path(name)) as service:
        hsm = make_softhsm(Path(name), sessions=SESSIONS)
        pool = TokenPool([hsm.config])
        pool.start()
        pool.require_ready("demo", timeout=READY_SECONDS)
        keys = {algorithm: _key(pool, algorithm) for algorithm in ALGORITHMS}
        alone = [ModuleAlone(hsm.config) for _ in range(MODULE_PROCESSES)]
        for _ in range(options.rounds):
            _round(table, alone, pool, keys, service, options.seconds)
        for module in alone:
            module.close()
        pool.close()
    table.show()


def _round(
    table: Table,
    alone: list[ModuleAlone],
    pool: TokenPool,
    keys: dict[Algorithm, PinnedKey],
    service: Service | None,
    seconds: float,
) -> None:
    for algorithm, key in keys.items():
        for threads in MODULE_THREADS:
            table.note(algorithm, f"module, {threads} threads", alone[0].measured(key, threads, seconds))
        table.note(algorithm, f"module, {MODULE_PROCESSES} processes", in_processes(alone, key, seconds))
        for threads in PROCESS_THREADS:
            table.note(algorithm, f"process, {threads} threads", through_process(pool, key, threads, seconds))
        for count in BATCHES:
            table.note(algorithm, f"process, {count} to a message", many_to_a_message(pool, key, count, seconds))
        for callers in CALLERS:
            table.note(algorithm, f"event loop, {callers} callers", on_an_event_loop(pool, key, callers, seconds))
        for count in TOGETHER:
            found = on_an_event_loop(pool, key, 1, seconds, together=count)
            table.note(algorithm, f"event loop, {count} together", found)
        for connections in CONNECTIONS if service and algorithm in service.keys else ():
            assert service is not None
            table.note(
                algorithm, f"HTTPS, {connections} connections", over_http(service, algorithm, connections, seconds)
            )


def _key(pool: TokenPool, algorithm: Algorithm) -> PinnedKey:
    key_id = algorithm.encode()
    spki = pool.generate(algorithm, key_id=key_id, label=algorithm, token="demo")
    return PinnedKey(key_id=key_id, algorithm=algorithm, spki=spki)


@contextmanager
def _service(options: argparse.Namespace, directory: Path) -> Iterator[Service | None]:
    """The service to measure: one that runs already, one made here, or none."""
    keys = {algorithm: f"bench-{algorithm}" for algorithm in HTTP_ALGORITHMS}
    if options.no_http:
        yield None
    elif options.url:
        lines = options.client_env.read_text().splitlines()
        values = dict(line.removeprefix("export ").split("=", 1) for line in lines if "=" in line)
        token = Path(values["ARTIFACT_SIGNER_API_TOKEN_FILE"].strip("'\"")).read_text().strip()
        yield Service(
            url=options.url, api_token=token, ca_file=Path(values["ARTIFACT_SIGNER_CA_FILE"].strip("'\"")), keys=keys
        )
    else:
        installation = running.initialise(directory / "service")
        with running.running(installation):
            for algorithm, name in keys.items():
                made = installation.run("keys", "create", name, "--algorithm", algorithm)
                assert made.returncode == 0, made.stderr
            ca_file = installation.directory / "cert.crt"
            yield Service(url=installation.url, api_token=installation.api_token, ca_file=ca_file, keys=keys)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=1.0, help="how long each way is measured in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-http", action="store_true", help="leave the service out")
    parser.add_argument("--url", help="measure a service that runs already")
    parser.add_argument("--client-env", type=Path, help="its client.env, as made by artifact-signer init")
    options = parser.parse_args()
    if bool(options.url) != bool(options.client_env):
        parser.error("--url and --client-env belong together")
    return options


if __name__ == "__main__":
    main()
