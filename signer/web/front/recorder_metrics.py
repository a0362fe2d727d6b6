"""The recorder's figures as metrics; it is asked for them when somebody asks for the metrics."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from signer.domain.recorder_figures import RecorderFigures

STAGES = ("record", "sign", "write", "other", "tokens")
COUNTS = {
    "batches": "Transactions of the recorder.",
    "records": "Entries in these transactions, those that were refused among them.",
    "checkpoints": "Checkpoints that were written, or tried to be.",
    "notices": "Notices of approvals that their receiver took.",
    "notice_failures": "Notices of approvals that it did not take, each time.",
}


class RecorderMetrics(Collector):
    """What one recorder told. ``prefix``: of the names."""

    def __init__(self, figures: RecorderFigures, *, prefix: str) -> None:
        self._figures = figures
        self._prefix = prefix

    def collect(self) -> Iterator[CounterMetricFamily]:
        """As the base."""
        spent = CounterMetricFamily(
            f"{self._prefix}_recorder_cpu_seconds", "Processor time of the recorder by stage.", labels=["stage"]
        )
        for stage in STAGES:
            spent.add_metric([stage], getattr(self._figures, stage))
        yield spent
        for name, meaning in COUNTS.items():
            yield CounterMetricFamily(f"{self._prefix}_recorder_{name}", meaning, value=getattr(self._figures, name))
