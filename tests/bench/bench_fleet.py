"""A fleet from its first contact through everything that is done to its service, and no device is lost.

Devices are simulated by the package ``device``, in processes of their own, so many connections at a time. The service
is a real one over SoftHSM and SQLite. Run by ``make bench-fleet``; ``make bench-fleet DEVICES=1000`` for a short look.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import os
import resource
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from jwt import PyJWS

from device.bundle import Bundle
from device.http import ServerAddress
from tests.bench.bench_http import Processor, processor
from tests.bench.fleet_devices import REASONS, Share, Wave, work
from tests.bench.measure import machine
from tests.bench.processor_time import microseconds
from tests.hsm.shim import command as say
from tests.hsm.shim import compiled
from tests.integration.running import Installation, initialise, running, wait_until

LISTED = "/api/management/v2/devauth/devices"
KEY = "device-token"
PAGE = 500
PEOPLE = 4
PROGRESS_SECONDS = 10.0
# A part of the fleet has done its task by then, or something is wrong that the table shows.
AWAITED_SECONDS = 3600.0
IMPORTED_WITHIN = 3600.0
SHOWN_WITHIN, IN_A_ROW = 60.0, 100
CALLS, CLAIMS_BYTES = 200, 500
EVERYBODY = range(100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is simulated. ``some``: of a hundred devices, so many do what not all have to do."""

    devices: int
    connections: int
    processes: int
    workers: int
    away: float
    some: int


class Fleet:
    """All generators, the service, and the table that is written."""

    def __init__(
        self, options: Options, installation: Installation, process: subprocess.Popen[bytes], control: Path
    ) -> None:
        self.options, self.installation, self.process, self._control = options, installation, process, control
        self.bundle = installation.directory / "fleet.crt"
        shutil.copy(installation.directory / "cert.crt", self.bundle)
        self._spawn = multiprocessing.get_context("spawn")
        self._done = self._spawn.Value("Q", 0)
        self._generators = [self._started(share) for share in self._shares()]
        self.lost = 0

    def wave(self, label: str, task: str, of: range = EVERYBODY, meanwhile: Callable[[], None] | None = None) -> Wave:
        """One task for those of the fleet whose numbers end in ``of``, and its row."""
        before, begun = processor(self.process, self.installation.directory), time.perf_counter()
        self._done.value = 0
        for pipe, _ in self._generators:
            pipe.send((task, of))
        if meanwhile is not None:
            meanwhile()
        waves = self._awaited(label, begun)
        seconds = time.perf_counter() - begun
        whole = Wave(
            devices=sum(each.devices for each in waves),
            asked=sum((each.asked for each in waves), Counter()),
            renewed=sum(each.renewed for each in waves),
            longest=max(each.longest for each in waves),
            lost=tuple(reason for each in waves for reason in each.lost),
            told=tuple(each for wave in waves for each in wave.told),
        )
        if whole.asked or task == "verify":
            self._tell(label, whole, seconds, before)
        return whole

    @property
    def done(self) -> int:
        """How many devices have done the task that is under way."""
        return int(self._done.value)

    def await_done(self, part: float) -> None:
        """Until this part of the fleet has done the task that is under way."""
        until = time.monotonic() + AWAITED_SECONDS
        while self.done < self.options.devices * part and time.monotonic() < until:
            time.sleep(0.02)

    def end(self) -> None:
        """Let the generators go."""
        for pipe, generator in self._generators:
            pipe.send(None)
            generator.join(30)

    def command(self, *words: str) -> str:
        """What a command of an operator prints."""
        done = self.installation.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def say(self, *commands: str) -> None:
        """To the token's module."""
        say(self._control, *commands)

    def _shares(self) -> Iterator[Share]:
        options, address = self.options, ServerAddress.of_url(self.installation.url)
        size = -(-options.devices // options.processes)
        for first in range(0, options.devices, size):
            yield Share(
                first=first,
                last=min(first + size, options.devices),
                threads=max(1, options.connections // options.processes),
                address=address,
                bundle=self.bundle,
                gateway=self.installation.directory / "gateway.sock",
            )

    def _started(self, share: Share) -> tuple[connection.Connection[Any, Any], Any]:
        ours, theirs = self._spawn.Pipe()
        generator = self._spawn.Process(target=work, args=(theirs, share, self._done), daemon=True)
        generator.start()
        theirs.close()
        return ours, generator

    def _awaited(self, label: str, begun: float) -> list[Wave]:
        waves: list[Wave] = []
        pipes = [pipe for pipe, _ in self._generators]
        while pipes:
            for ready in connection.wait(pipes, PROGRESS_SECONDS):
                waves.append(ready.recv())  # type: ignore[union-attr]  # these are pipes
                pipes.remove(ready)  # type: ignore[arg-type]  # these are pipes
            rate = self.done / (time.perf_counter() - begun)
            sys.stderr.write(f"\r{label}: {self.done} done, {rate:.0f} a second \033[K")
        sys.stderr.write("\r\033[K")
        return waves

    def _tell(self, label: str, wave: Wave, seconds: float, before: Processor) -> None:
        asked = sum(wave.asked.values())
        requests = asked or wave.devices
        spent = processor(self.process, self.installation.directory).all - before.all
        statuses = " ".join(f"{status or 'none'}:{number}" for status, number in sorted(wave.asked.items()))
        self.lost += len(wave.lost)
        figures = f"{requests / seconds:.0f} | {wave.longest:.1f} | {spent / requests * 1e3:.2f} | {wave.renewed}"
        print(f"| {label} | {wave.devices} | {figures} | {statuses} | {len(wave.lost)} |", flush=True)
        for reason in wave.lost[:REASONS]:
            print(f"lost: {reason}", file=sys.stderr)


def main() -> int:
    """Write the table; 1 where a device was lost."""
    options = _options()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    print(f"{machine()}\n{options}\n")
    with tempfile.TemporaryDirectory() as folder, _service(Path(folder), options) as fleet:
        print("| what | devices | a second | longest, s | service, ms each | renewed | answers | lost |")
        print("|---|---:|---:|---:|---:|---:|---|---:|", flush=True)
        _life(fleet)
        fleet.end()
        print(f"\nPyJWT alone: {_alone():.0f} µs a verification")
        print(f"lost: {fleet.lost}")
        return 1 if fleet.lost else 0


def _life(fleet: Fleet) -> None:
    options = fleet.options
    some = range(options.some)
    strangers = range(options.some, 2 * options.some)
    made = fleet.wave("keys made on devices", "bootstrap")
    _import(fleet, made.told)
    fleet.wave("first contact, accepted before", "authenticate", range(strangers.stop, EVERYBODY.stop))
    fleet.wave("first contact, preauthorised", "authenticate", some)
    fleet.wave("first contact, pending", "introduce", strangers)
    _accept_all(fleet.installation)
    fleet.wave("first token after that", "authenticate", strangers)
    fleet.wave("renewal", "authenticate", some)
    wave = fleet.wave("verifications, a rotation with overlap meanwhile", "verify", meanwhile=lambda: _rotated(fleet))
    assert wave.renewed == 0, "an overlap that renews is none"
    fleet.command("keys", "disable", KEY, "--version", "1")
    new = _next_certificate(fleet)
    label = f"verifications after a rotation without; the token away for {options.away:.0f} s, the certificate switched"
    wave = fleet.wave(label, "verify", meanwhile=lambda: _troubled(fleet))
    assert wave.renewed == wave.devices, "a disabled version verifies nothing"
    _await_shown(fleet.installation, new)
    _put(fleet.bundle, "".join(map(ssl.DER_cert_to_PEM_cert, new)).encode("ascii"))
    fleet.wave("renewal by the new certificate alone", "authenticate", some)
    fleet.wave("change of the device's key", "rotate", some)
    wave = fleet.wave("verifications at the end", "verify")
    assert wave.renewed == 0, "everybody has a token that holds"


def _rotated(fleet: Fleet) -> None:
    """Another key signs tokens while the fleet calls: those from before hold."""
    fleet.command("keys", "prepare", KEY)
    fleet.await_done(1 / 4)
    fleet.command("keys", "rotate", KEY)


def _troubled(fleet: Fleet) -> None:
    """While all renew, the token is taken out for a while, and later another certificate is shown."""
    fleet.await_done(1 / 4)
    fleet.say("C_Sign return 0xE0")
    time.sleep(fleet.options.away)
    fleet.say()
    fleet.await_done(1 / 2)
    fleet.command("server-certificates", "switch", "server", "--force", "--reason", "a benchmark")


def _next_certificate(fleet: Fleet) -> list[bytes]:
    """What will be shown, made and in the devices' bundle beside what is."""
    old = Bundle.of_pem(fleet.bundle.read_bytes())
    fleet.command("server-certificates", "create", "server")
    both = fleet.command("server-certificates", "bundle", "server").encode("ascii")
    _put(fleet.bundle, both)
    new = [each for each in Bundle.of_pem(both).certificates if each not in old.certificates]
    assert new, "the bundle has nothing new"
    return new


def _await_shown(installation: Installation, new: list[bytes]) -> None:
    """Until so many connections in a row show a new certificate that every worker does: each follows by itself."""
    until, row = time.monotonic() + SHOWN_WITHIN, 0
    while row < IN_A_ROW:
        assert time.monotonic() < until, "a worker does not show the new certificate"
        shown = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", installation.port)))
        row = row + 1 if shown in new else 0


def _put(path: Path, content: bytes) -> None:
    made = path.with_suffix(".new")
    made.write_bytes(content)
    made.chmod(0o600)
    made.rename(path)


def _number(identity: dict[str, str]) -> int:
    return int(identity["serial"].rpartition("-")[2])


def _import(fleet: Fleet, made: tuple[tuple[dict[str, str], str], ...]) -> None:
    """One list, as from another server: some are preauthorised there, most accepted; strangers are not in it."""
    file, some = fleet.installation.directory / "devices.csv", fleet.options.some
    with file.open("w", newline="") as target:
        rows = csv.writer(target)
        rows.writerow(["identity", "public_key", "status"])
        for identity, public_pem in made:
            place = _number(identity) % EVERYBODY.stop
            if place < some or place >= 2 * some:
                rows.writerow([json.dumps(identity), public_pem, "preauthorized" if place < some else "accepted"])
    begun = time.perf_counter()
    words = ("devices", "import", str(file), "--config", str(fleet.installation.config))
    done = subprocess.run(
        [sys.executable, "-m", "signer", *words], capture_output=True, text=True, timeout=IMPORTED_WITHIN, check=False
    )
    assert done.returncode == 0, done.stderr
    print(f"imported in {time.perf_counter() - begun:.0f} s: {done.stdout.strip()}", file=sys.stderr)


def _accept_all(installation: Installation) -> None:
    def one(device: dict[str, Any]) -> None:
        path = f"{LISTED}/{device['id']}/auth/{device['auth_sets'][0]['id']}/status"
        answer = http.put(path, json={"status": "accepted"})
        assert answer.status_code == 204, answer.text

    with installation.http() as http:
        pending: list[dict[str, Any]] = []
        while found := http.get(f"{LISTED}?status=pending&per_page={PAGE}&page={len(pending) // PAGE + 1}").json():
            pending += found
            if len(found) < PAGE:
                break
        _by_people("accepted", one, pending)


def _by_people(label: str, one: Callable[[Any], None], devices: list[Any]) -> None:
    begun = time.perf_counter()
    with ThreadPoolExecutor(PEOPLE) as people:
        for number, _ in enumerate(people.map(one, devices)):
            if number % PAGE == 0:
                sys.stderr.write(f"\r{label}: {number} of {len(devices)} \033[K")
    sys.stderr.write(f"\r{label}: {len(devices)} in {time.perf_counter() - begun:.0f} s\033[K\n")


def _alone() -> float:
    """One verification by PyJWT and nothing else, in µs of processor."""
    private, reader = ec.generate_private_key(ec.SECP256R1()), PyJWS(algorithms=["ES256"])
    token, public = reader.encode(b" " * CLAIMS_BYTES, private, algorithm="ES256"), private.public_key()

    def call() -> None:
        for _ in range(CALLS):
            reader.decode_complete(token, public, algorithms=["ES256"])

    return microseconds(call) / CALLS


@contextmanager
def _service(folder: Path, options: Options) -> Iterator[Fleet]:
    installation, control = initialise(folder / "i"), folder / "control"
    control.touch()
    text = installation.config.read_text()
    real = text.split("module-path=")[1].split('"')[0]
    shim = f'SHIM_MODULE = "{real}", SHIM_CONTROL = "{control}", SHIM_LOG = "{folder}/logins", SOFTHSM2_CONF'
    text = text.replace(f"module-path={real}", f"module-path={compiled(folder)}").replace("SOFTHSM2_CONF", shim)
    installation.config.write_text(text)
    settings = {
        "SERVER_WORKERS": str(options.workers),
        "SERVER_CONNECTIONS": str(options.connections * 3 + 100),
        "DEVICES_MAX_PENDING": str(options.devices + 1),
        "DEVICES_PENDING_PER_ADDRESS": "0",
        "READINESS_INTERVAL": "30",
    }
    with running(installation, **settings) as process:
        wait_until(installation, "/readyz", 200, process)
        yield Fleet(options, installation, process, control)


def _options() -> Options:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--devices", type=int, default=100_000)
    parser.add_argument("--connections", type=int, default=1000, help="at a time, over all generators")
    parser.add_argument("--processes", type=int, default=4, help="that simulate devices")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="of the service")
    parser.add_argument("--away", type=float, default=60.0, help="for how long the token is away, seconds")
    parser.add_argument(
        "--some",
        type=int,
        default=10,
        choices=range(1, 50),
        metavar="PERCENT",
        help="of the devices, how many are preauthorised, as many are met as strangers; and renew and change their key",
    )
    return Options(**vars(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
