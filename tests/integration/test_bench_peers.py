"""What benchmarks compare with has to run as well, though no test measures it."""

from __future__ import annotations

from pathlib import Path

from tests.bench import empty_service
from tests.integration import running


def test_the_empty_route_is_served_as_the_service_is(tmp_path: Path) -> None:
    installation = running.initialise(tmp_path / "empty")
    with empty_service.serving(installation), installation.http(headers={}) as client:
        assert client.get("/").status_code == 200
