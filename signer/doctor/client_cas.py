"""Whether the files of the client CAs can be used, who can change them, and how long their certificates last."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import datetime, timedelta

from signer.client_ca_settings import ClientCaSettings
from signer.doctor.examination import Examination
from signer.doctor.files import OTHERS_WRITE
from signer.doctor.report import Finding, failed, ok, or_ok, warning
from signer.domain.client_certificates import ClientCa
from signer.errors import ClientCaUnusable
from signer.tls import client_cas as read_together
from signer.tls import read_table

# A CA takes longer to replace than a certificate.
SOON = timedelta(days=60)
RENEW = "put the CA's next certificate into the file beside this one, and send the service HUP"


def client_cas(examination: Examination) -> Iterator[Finding]:
    """A line for each CA, or one for what is wrong with all of them together."""
    tables, now = examination.settings.client_ca, examination.surroundings.clock()
    if not tables:
        yield ok("no client CA is configured")
        return
    usable = True
    for table in tables:
        try:
            ca = read_table(table)
        except ClientCaUnusable as error:
            usable = False
            yield failed(f"the client CA {table.name} cannot be used: {error.reason}", f"repair {table.file}")
            continue
        findings = [*_changeable(table), *_ends(ca, now)]
        yield from or_ok(findings, f"the client CA {table.name} has {len(ca.issuers)} certificates that may issue")
    if usable:
        yield from _together(tables)


def _together(tables: tuple[ClientCaSettings, ...]) -> Iterator[Finding]:
    try:
        read_together(tables)
    except ClientCaUnusable as error:
        yield failed(f"the client CA {error.name} cannot be used: {error.reason}", "give each CA keys of its own")


def _changeable(table: ClientCaSettings) -> Iterator[Finding]:
    # Whoever can add a CA there can be anybody after the next HUP.
    if table.file.stat().st_mode & OTHERS_WRITE:
        mode = stat.S_IMODE(table.file.stat().st_mode)
        yield failed(f"{table.file} has mode {mode:04o}, others can add a CA of their own", f"chmod 644 {table.file}")


def _ends(ca: ClientCa, now: datetime) -> Iterator[Finding]:
    for issuer in ca.issuers:
        end = issuer.not_valid_after_utc
        if end < now:
            yield warning(f"a certificate of the client CA {ca.name} expired on {end.date()}: it issues nobody", RENEW)
        elif end - now < SOON:
            yield warning(f"a certificate of the client CA {ca.name} expires on {end.date()}", RENEW)
