"""What is counted of requests and signatures, for Prometheus; one sum over all workers of the machine.

Each worker counts in files of its own, in a folder that only the service's user may enter; whichever worker is asked
adds them up. Names of keys and tokens are in it, so it is for credentials and for listed addresses.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Literal

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from signer.errors import RecorderUnavailable, SignerError
from signer.web.front.device_certificate_metrics import DeviceCertificateMetrics
from signer.web.front.recorder_metrics import RecorderMetrics
from signer.web.metrics_folder import DIRECTORY_VARIABLE

if TYPE_CHECKING:
    from datetime import datetime

    from hsm import TokenHealth
    from signer.domain.ci import IssuerKeys
    from signer.domain.recorder_figures import RecorderFigures
    from signer.domain.requests import AnyRequest
    from signer.services.stages import Stages

PREFIX = "artifact_signer"
CONTENT_TYPE = CONTENT_TYPE_LATEST
# What takes longer, uploads apart, is worth a look.
SLOW_SECONDS = 1.0
NO_ROUTE = "none"


class Metrics:
    """The metrics of one worker, for its event loop.

    What happens at each request is counted in plain numbers, and given to the files by ``observe``, once in a while: a
    file costs more than most of what is counted.
    """

    def __init__(
        self,
        stages: Stages,
        *,
        recorder: Callable[[], RecorderFigures] | None = None,
        certificates: Callable[[], Mapping[tuple[str, str], int]] | None = None,
    ) -> None:
        """``recorder``: what gives its figures, or raises ``RecorderUnavailable``; None: there is none to ask.

        ``certificates``: how many certificates of devices end, by CA and within which time; the same.
        """
        self._recorder = recorder
        self._certificates = certificates
        self._token_told: dict[str, float] = {}
        self.registry = CollectorRegistry()
        self._requests = self._counter("requests", "Requests answered.", "route", "status")
        self._seconds = self._counter("request_seconds", "Time from head to answer, uploads included.", "route")
        self._slow = self._counter("slow_requests", f"Requests that took over {SLOW_SECONDS:g} s.", "route")
        self._refusals = self._counter("refusals", "Requests refused.", "code")
        self._items_refused = self._counter("batch_items_refused", "Items of batches refused.", "code")
        self._signatures = self._counter("signatures", "Signatures that left.", "key", "checked")
        self._verifications = self._counter(
            "token_verifications", "Tokens that gateways asked about.", "kind", "result"
        )
        self._tokens_issued = self._counter(
            "tokens_issued", "Tokens of users and devices that left.", "kind", "key", "version"
        )
        self._tokens_issued_told: dict[tuple[str, str, str], int] = {}
        self._emergencies = self._counter("emergency_signatures", "Signatures that left past their approvals.", "key")
        self._stages = self._counter("stage_cpu_seconds", "Processor time of the workers' loops by stage.", "stage")
        self._processor = self._counter("worker_cpu_seconds", "Processor time of the workers.")
        self._connections = self._gauge("open_connections", "Open connections.")
        self._token_ready = self._gauge("token_ready", "Token processes that are ready.", "token")
        self._token_restarts = self._gauge("token_restarts", "Starts of token processes after their first.", "token")
        self._token_seconds = self._counter("token_cpu_seconds", "Processor time of workers' token processes.", "token")
        self._ci_keys_age = self._gauge("ci_keys_age_seconds", "Age of a CI issuer's keys.", "issuer", mode="livemax")
        self._ci_keys_failures = self._counter(
            "ci_keys_failures", "Fetches of a CI issuer's keys that failed.", "issuer"
        )
        self._ci_failures_told: dict[str, int] = {}
        self._certificate_ends = self._gauge(
            "server_certificate_expires_seconds",
            "When a server's certificate ends, Unix time.",
            "server",
            "state",
            mode="livemax",
        )
        self._pending: dict[tuple[Counter, tuple[str, ...]], float] = {}
        self._processor_told = 0.0
        self._watches = stages
        self._stages_told: dict[str, float] = {}

    def answered(self, route: str | None, status: int, code: str | None, seconds: float) -> None:
        """A request got its answer."""
        name = route or NO_ROUTE
        self._count(self._requests, name, str(status))
        self._count(self._seconds, name, by=seconds)
        if seconds > SLOW_SECONDS:
            self._count(self._slow, name)
        if code is not None:
            self._count(self._refusals, code)

    def signed(self, key: str, request: AnyRequest, *, emergency: bool = False) -> None:
        """A signature leaves; ``emergency``: past its approvals."""
        self._count(self._signatures, key, request.checked.value)
        if emergency:
            self._count(self._emergencies, key)

    def item_refused(self, code: str, number: int) -> None:
        """So many items of a batch were refused with this code."""
        self._count(self._items_refused, code, by=number)

    def verified(self, kind: str, result: str) -> None:
        """A gateway was told whether a token of this kind lets its request go on."""
        self._count(self._verifications, kind, result)

    @property
    def parsing(self) -> AbstractContextManager[None]:
        """Stands around reading what is to be signed, on the loop."""
        return self._watches.parse

    @property
    def deciding(self) -> AbstractContextManager[None]:
        """Stands around telling who asks, on the loop."""
        return self._watches.decide

    def observe(self, connections: int, tokens: Iterable[TokenHealth], issuers: Iterable[IssuerKeys] = ()) -> None:
        """Write down what was counted, and what is so at this moment."""
        pending, self._pending = self._pending, {}
        for (counter, labels), by in pending.items():
            counter.labels(*labels).inc(by)
        for stage, seconds in self._watches.seconds().items():
            # What is left for the front is an estimate, and may become smaller; a counter may not.
            if seconds > (told := self._stages_told.get(stage, 0.0)):
                self._stages.labels(stage).inc(seconds - told)
                self._stages_told[stage] = seconds
        processor = time.process_time()
        self._processor.inc(processor - self._processor_told)
        self._processor_told = processor
        self._connections.set(connections)
        for token in tokens:
            self._token_ready.labels(token.name).set(token.state.value == "ready")
            self._token_restarts.labels(token.name).set(token.restarts)
        for keys in issuers:
            self._observe_issuer(keys)

    def issued(self, tokens: Mapping[tuple[str, str, str], int]) -> None:
        """Write down how many tokens of users and devices have left so far, by kind, key and version."""
        for labels, number in tokens.items():
            self._tokens_issued.labels(*labels).inc(number - self._tokens_issued_told.get(labels, 0))
            self._tokens_issued_told[labels] = number

    def certificates(self, ends: Mapping[tuple[str, str], datetime]) -> None:
        """Write down when certificates of servers end, by server and state."""
        for (server, state), end in ends.items():
            self._certificate_ends.labels(server, state).set(end.timestamp())

    def spent(self, tokens: Mapping[str, float]) -> None:
        """Write down the processor time of this worker's token processes so far, by the names of the tokens."""
        for name, seconds in tokens.items():
            self._token_seconds.labels(name).inc(max(0.0, seconds - self._token_told.get(name, 0.0)))
            self._token_told[name] = seconds

    def _observe_issuer(self, keys: IssuerKeys) -> None:
        if keys.age is not None:
            self._ci_keys_age.labels(keys.issuer).set(keys.age)
        told = self._ci_failures_told.get(keys.issuer, 0)
        self._ci_keys_failures.labels(keys.issuer).inc(keys.failures - told)
        self._ci_failures_told[keys.issuer] = keys.failures

    def text(self) -> bytes:
        """All of it in the text format, summed over the workers; reads files, and asks the recorder."""
        directory = os.environ.get(DIRECTORY_VARIABLE)
        if directory is None:
            return generate_latest(self.registry) + self._of_recorder() + self._of_certificates()
        summed = CollectorRegistry()
        MultiProcessCollector(summed, path=directory)  # type: ignore[no-untyped-call]
        return generate_latest(summed) + self._of_recorder() + self._of_certificates()

    def _of_recorder(self) -> bytes:
        if self._recorder is None:
            return b""
        try:
            figures = self._recorder()
        except RecorderUnavailable:
            # What is not there tells so by itself.
            return b""
        return generate_latest(RecorderMetrics(figures, prefix=PREFIX))

    def _of_certificates(self) -> bytes:
        if self._certificates is None:
            return b""
        try:
            ending = self._certificates()
        except SignerError:
            # The same.
            return b""
        return generate_latest(DeviceCertificateMetrics(ending, prefix=PREFIX))

    def _count(self, counter: Counter, *labels: str, by: float = 1) -> None:
        place = (counter, labels)
        self._pending[place] = self._pending.get(place, 0) + by

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}_{name}", meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str, *labels: str, mode: Literal["livesum", "livemax"] = "livesum") -> Gauge:
        return Gauge(f"{PREFIX}_{name}", meaning, labels, registry=self.registry, multiprocess_mode=mode)
