"""docs/operations/metrics.md against the code: every metric with its labels, and none that does not exist."""

from __future__ import annotations

from signer.domain.recorder_figures import RecorderFigures
from signer.services.stages import Stages
from signer.web.front.device_certificate_metrics import LABELS, DeviceCertificateMetrics
from signer.web.front.metrics import PREFIX, Metrics
from signer.web.front.recorder_metrics import STAGES, RecorderMetrics
from tests.docs.pages import quoted, section

PAGE = "operations/metrics.md"


def _real() -> dict[str, set[str]]:
    found = {}
    for name, value in vars(Metrics(Stages())).items():
        labels = getattr(value, "_labelnames", None)
        if labels is None:
            continue
        (family,) = value.describe()
        assert family.documentation, name
        found[family.name + ("_total" if family.type == "counter" else "")] = set(labels)
    nothing = RecorderFigures(
        record=0, sign=0, write=0, other=0, tokens=0, batches=0, records=0, checkpoints=0, notices=0, notice_failures=0
    )
    for family in RecorderMetrics(nothing, prefix=PREFIX).collect():
        assert family.documentation, family.name
        found[f"{family.name}_total"] = {label for sample in family.samples for label in sample.labels}
    (ending,) = DeviceCertificateMetrics({}, prefix=PREFIX).collect()
    found[ending.name] = set(LABELS)
    return found


def test_every_stage_of_the_recorder_is_documented() -> None:
    (row,) = (row for row in section(PAGE, "Metrics").table("metric").records() if "recorder_cpu" in row["metric"])
    assert set(STAGES) <= set(quoted(row["meaning"]))


def test_every_metric_is_documented_with_its_labels_and_every_documented_one_exists() -> None:
    rows = section(PAGE, "Metrics").table("metric").records()
    assert {quoted(row["metric"])[0]: set(quoted(row["labels"])) for row in rows} == _real()
