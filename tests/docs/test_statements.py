"""What the pages state in figures, and what the code does: one row for each statement."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import QueuePool

from hsm import RestartPolicy
from hsm.parent import status
from hsm.worker import absences
from signer.caller_bootstrap import CREDENTIAL_CACHE_SECONDS
from signer.config import DatabaseSettings
from signer.domain import chains
from signer.server_certificate_settings import ServerCertificateSettings
from signer.server_settings import ServerSettings
from signer.services.clock import MAX_LEAP
from signer.services.readiness import PATIENCE_INTERVALS
from signer.spool import RESERVE_BYTES
from signer.storage.database import Database
from signer.web.connections.heads import FIELD_BYTES, FIELDS
from signer.web.connections.limits import DESCRIPTORS_PER_CONNECTION, RESERVED_DESCRIPTORS
from signer.web.front.rooms import WAITING_PER_THREAD
from tests.docs.pages import DOCS

KIBIBYTE, MEBIBYTE = 1 << 10, 1 << 20
WORDS = {"two": 2, "three": 3, "a twentieth": 0.05, "an hour": 3600}
RESTART = RestartPolicy()


def postgres_connections() -> int:
    """Of one process."""
    pool = Database(
        DatabaseSettings.model_validate({"url": "postgresql+psycopg://nobody@localhost/nothing"})
    )._engine.pool
    assert isinstance(pool, QueuePool)
    return pool.size() + pool._max_overflow  # there is no other way to ask


class Statement(NamedTuple):
    """``text``: a pattern with a group for each figure; it may be there several times, and says the same each time."""

    page: str
    text: str
    figures: tuple[float, ...]


MIB_FREE = RESERVE_BYTES / MEBIBYTE
STATEMENTS = {
    "a revoked API token": Statement(
        "operations/running.md", r"may be taken for up to (\d+) seconds more", (CREDENTIAL_CACHE_SECONDS,)
    ),
    "a revoked API token, of the command": Statement(
        "operations/commands.md", r"remember a token for up to (\d+) seconds", (CREDENTIAL_CACHE_SECONDS,)
    ),
    "a stolen API token": Statement("threat-model.md", r"and up to (\d+) seconds longer", (CREDENTIAL_CACHE_SECONDS,)),
    "the certificate of init": Statement(
        "operations/running.md", r"lasts (\d+) days", (ServerCertificateSettings().days,)
    ),
    "open files": Statement(
        "operations/running.md",
        r"(\w+) for each connection, (\d+) for everything else",
        (DESCRIPTORS_PER_CONNECTION, RESERVED_DESCRIPTORS),
    ),
    "waiting requests": Statement("operations/running.md", r"(\d+) more wait for each thread", (WAITING_PER_THREAD,)),
    "connections to PostgreSQL": Statement(
        "operations/running.md", r"connections to PostgreSQL \| (\d+) for each worker", (postgres_connections(),)
    ),
    "an overdue round": Statement(
        "operations/running.md",
        r"after (\w+) intervals and (\w+) times\s+`signing.timeout`",
        (PATIENCE_INTERVALS, PATIENCE_INTERVALS),
    ),
    "the reserve of the spool": Statement("operations/running.md", r"(\d+) MiB that are always left free", (MIB_FREE,)),
    "the reserve, as a setting": Statement(
        "operations/configuration.md", r"(\d+) MiB of its disk are always left free", (MIB_FREE,)
    ),
    "the reserve, as an error": Statement("api/errors.md", r"(\d+) MiB are always left free", (MIB_FREE,)),
    "a leap of the clock": Statement("api/errors.md", r"set by more than (\d+) seconds", (MAX_LEAP.total_seconds(),)),
    "header fields": Statement("api/routes.md", r"At most (\d+), each at most (\d+) bytes", (FIELDS, FIELD_BYTES)),
    "kept connections": Statement(
        "api/routes.md",
        r"Kept open for (\d+) seconds between requests",
        (ServerSettings.model_fields["keep_alive"].default,),
    ),
    "certificate bundles": Statement(
        "api/routes.md",
        r"at most (\d+), (\d+) KiB",
        (chains.MAX_CERTIFICATES, chains.MAX_BUNDLE_BYTES / KIBIBYTE),
    ),
    "requests wait for a process": Statement(
        "tokens.md", r"wait up to (\d+) seconds for the next", (RESTART.max_wait,)
    ),
    "attempts": Statement(
        "tokens.md",
        r"begin after (a \w+) of a second; the pause doubles up to (\d+) seconds",
        (RESTART.initial, RESTART.maximum),
    ),
    "a token is healthy": Statement(
        "tokens.md", r"again after (\d+) seconds without a failure", (RESTART.healthy_after,)
    ),
    "a token without the key": Statement(
        "tokens.md", r"without the key is asked for it again after (\d+) seconds", (status.LACKING_FOR,)
    ),
    "a deleted key": Statement(
        "tokens.md",
        r"after (\d+), (\d+), (\d+) minutes, up to (an hour)",
        (*(absences.FIRST_BELIEF / 60 * factor for factor in (1, 2, 4)), absences.LAST_BELIEF),
    ),
}


def _figures(found: re.Match[str]) -> tuple[float, ...]:
    return tuple(WORDS[text] if text in WORDS else float(text) for text in found.groups())


@pytest.mark.parametrize("statement", STATEMENTS.values(), ids=STATEMENTS)
def test_a_figure_of_the_pages_is_that_of_the_code(statement: Statement) -> None:
    text = Path(DOCS / statement.page).read_text(encoding="utf-8")
    told = [_figures(found) for found in re.finditer(statement.text, text)]

    assert told, "the page no longer says this"
    assert set(told) == {statement.figures}
