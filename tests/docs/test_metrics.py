"""docs/operations/metrics.md against the code: every metric with its labels, and none that does not exist."""

from __future__ import annotations

from signer.services.stages import Stages
from signer.web.front.metrics import Metrics
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
    return found


def test_every_metric_is_documented_with_its_labels_and_every_documented_one_exists() -> None:
    rows = section(PAGE, "Metrics").table("metric").records()
    assert {quoted(row["metric"])[0]: set(quoted(row["labels"])) for row in rows} == _real()
