"""What gunicorn is told: the settings in its own units, and who may connect to a Unix socket."""

from __future__ import annotations

from pathlib import Path

import pytest

from signer.config import Settings
from signer.server import Server


def server(**settings: object) -> Server:
    """Not started."""
    token = {"name": "t", "uri": "pkcs11:token=t?module-path=/m.so", "pin": {"env": "PIN"}}
    return Server(Settings.model_validate({"server": {"tls": "off", **settings}, "tokens": [token]}), descriptors=1024)


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.001, 1), (0.5, 1), (1, 1), (1.0, 1), (1.001, 2), (29.5, 30), (30, 30), (600, 600)]
)
def test_time_for_requests_under_way_is_never_less_than_was_asked_for(seconds: float, told: int) -> None:
    assert server(graceful_timeout=seconds).cfg.graceful_timeout == told


def test_a_unix_socket_is_for_owner_and_group(tmp_path: Path) -> None:
    assert 0o777 & ~server(bind=f"unix:{tmp_path}/http.sock").cfg.umask == 0o660


def test_an_address_needs_no_umask() -> None:
    assert server(bind="127.0.0.1:0").cfg.umask == 0
