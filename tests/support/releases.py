"""Installations as earlier releases left them: made by that release, with leaves, keys and API tokens."""

from __future__ import annotations

import tarfile
from datetime import UTC, datetime
from pathlib import Path

from signer.installation import _make_certificate
from tests.integration.running import Installation, free_port

FOLDER = Path(__file__).parent.parent / "releases"
WITH_PLACES = ("artifact-signer.toml", "softhsm2.conf", "client.env")


def unpacked(name: str, directory: Path) -> Installation:
    """The installation in ``directory``, on a free port, with a TLS certificate that is valid now."""
    with tarfile.open(FOLDER / f"{name}.tar.xz") as archive:
        archive.extractall(directory, filter="data")
    made, port = directory / "installation", free_port()
    made.chmod(0o700)
    for place in WITH_PLACES:
        text = (made / place).read_text().replace("@DIRECTORY@", str(made)).replace("@PORT@", str(port))
        (made / place).write_text(text)
    _make_certificate(made, "127.0.0.1", datetime.now(UTC))
    return Installation(directory=made, port=port)
