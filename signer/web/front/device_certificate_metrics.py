"""How many devices have no certificate that lasts, as metrics; counted in the database when somebody asks for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

LABELS = ("ca", "within")


class DeviceCertificateMetrics(Collector):
    """``ending``: how many, by CA and name of the time from now. ``prefix``: of the names."""

    def __init__(self, ending: Mapping[tuple[str, str], int], *, prefix: str) -> None:
        self._ending = ending
        self._prefix = prefix

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """As the base."""
        family = GaugeMetricFamily(
            f"{self._prefix}_device_certificates_ending",
            "Devices whose last certificate ends within this time, those that have ended among them.",
            labels=LABELS,
        )
        for labels, number in self._ending.items():
            family.add_metric(labels, number)
        yield family
