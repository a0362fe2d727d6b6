"""What hostile bytes cost is bounded by their length: the dearest inputs known, layer by layer.

The bound is a generous one, many times what each of them takes, so that it says the same on a busy machine. What
they take is measured by ``make bench-hostile``.
"""

from __future__ import annotations

import gc
import time
from contextlib import suppress

import pytest

from tests.support.layers import LAYERS
from verifier import Limits, VerificationError

BYTES = 256 * 1024
SECONDS = 1.0
"""Of this thread on a processor: 4 s/MiB. What is not linear takes more at this length."""

ROWS = [(layer, name) for layer, (_, inputs) in LAYERS.items() for name in inputs]


@pytest.fixture(scope="module", autouse=True)
def _nothing_to_look_through() -> None:
    """What the other tests of this process made is not looked through for garbage meanwhile."""
    gc.collect()
    gc.freeze()


@pytest.mark.no_cover
@pytest.mark.parametrize(("layer", "name"), ROWS, ids=[f"{layer}, {name}" for layer, name in ROWS])
def test_it_costs_no_more_than_its_length_allows(layer: str, name: str) -> None:
    read, inputs = LAYERS[layer]
    data = inputs[name](BYTES)
    start = time.thread_time()
    with suppress(VerificationError):
        read(data, Limits())
    taken = time.thread_time() - start

    assert taken < SECONDS
