"""The database of an installation on this machine, for commands with ``--config``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from signer.config import Settings, load_settings

if TYPE_CHECKING:
    from signer.storage.database import Database


@contextmanager
def local_database(config: Path) -> Iterator[tuple[Settings, Database]]:
    """Its settings and its database, which is at the revision of this release.

    Raises ``ConfigurationInvalid``, and what ``Database.check_revision`` raises.
    """
    # Commands that ask the service load no database.
    from signer.storage.database import Database

    settings = load_settings(config, os.environ)
    with closing(Database(settings.database)) as database:
        database.check_revision()
        yield settings, database
