"""Debian's mender-cli, unmodified."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.fleet import Fleet


class MenderCli:
    """``mender-cli`` with a home of its own."""

    def __init__(self, site: Fleet, home: Path) -> None:
        if shutil.which("mender-cli") is None:
            pytest.skip("mender-cli is not installed (Debian: mender-cli)")
        self.site, self.home = site, home

    @property
    def token(self) -> str:
        """As it keeps it."""
        return (self.home / ".cache" / "mender" / "authtoken").read_text()

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["mender-cli", "--server", self.site.url, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": str(self.home),
                "XDG_CACHE_HOME": str(self.home / ".cache"),
                "SSL_CERT_FILE": str(self.site.certificate),
            },
        )
