"""The application over a database of its own; it is asked without a server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.docs.application import Application, application


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """One key on record; no token answers."""
    made = application(tmp_path_factory.mktemp("site"))
    yield made
    made.close()
