"""The table of all checks, and how one is run: bounded in time, and without hiding the others when it breaks."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from signer.bootstrap import utc_now
from signer.config import Settings
from signer.doctor.ci_issuers import ci_issuers
from signer.doctor.client_cas import client_cas
from signer.doctor.clock import clock, follows_a_time_server
from signer.doctor.consistency import consistency
from signer.doctor.database import database
from signer.doctor.device_certificates import device_certificates
from signer.doctor.examination import Examination, Request, Surroundings, configuration, opened
from signer.doctor.files import disks, free_bytes, secret_files, spool
from signer.doctor.keys import extractable, key_certificates, keys, validity
from signer.doctor.log import log
from signer.doctor.moving import moving
from signer.doctor.policy import policy
from signer.doctor.report import Finding, Line, Report, Unchecked, failed, warning
from signer.doctor.server_certificates import server_certificates
from signer.doctor.service import tls_certificate, workers
from signer.doctor.token_checks import mechanisms, modules, pins, presence
from signer.doctor.token_keys import token_keys
from signer.doctor.webhook import webhook
from signer.doctor.witnesses import witnesses

REPAIR_FIRST = "repair what failed above, then run doctor again"
NO_ANSWER = "a disk, a token or a network does not answer; look at the log of the system"
# A file, a disk or an address that does not answer.
BASE_SECONDS = 30.0
# Reading all that a token holds, or signing with each of its keys.
LISTING_SECONDS = 60.0
# Looking, waiting for the opening lock and opening, each as long as ``start_timeout``.
STARTS_PER_TOKEN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One subject. ``asks_tokens``: it may have to wait for each token to be opened."""

    look: Callable[[Examination], Iterable[Finding]]
    asks_tokens: bool = False

    def max_wait(self, settings: Settings) -> float:
        """Seconds after which the check has failed."""
        if not self.asks_tokens:
            return BASE_SECONDS
        starts = sum(STARTS_PER_TOKEN * token.start_timeout for token in settings.tokens)
        return BASE_SECONDS + starts + 2 * len(settings.tokens) * LISTING_SECONDS


# In the order in which they are told. What --repair ends comes before what is looked at afterwards.
CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "configuration": Check(look=configuration),
        "secrets": Check(look=secret_files),
        "database": Check(look=database),
        "policy": Check(look=policy),
        "disks": Check(look=disks),
        "clock": Check(look=clock),
        "tls": Check(look=tls_certificate),
        "module": Check(look=modules, asks_tokens=True),
        "token": Check(look=presence, asks_tokens=True),
        "pin": Check(look=pins, asks_tokens=True),
        "mechanisms": Check(look=mechanisms, asks_tokens=True),
        "consistency": Check(look=consistency, asks_tokens=True),
        "keys": Check(look=keys, asks_tokens=True),
        "extractable": Check(look=extractable, asks_tokens=True),
        "validity": Check(look=validity),
        "certificates": Check(look=key_certificates),
        "spool": Check(look=spool),
        "log": Check(look=log),
        "workers": Check(look=workers),
        "witnesses": Check(look=witnesses),
        "ci-issuers": Check(look=ci_issuers),
        "webhook": Check(look=webhook),
        "client-cas": Check(look=client_cas),
        "server-certificates": Check(look=server_certificates),
        "token-keys": Check(look=token_keys),
        "device-certificates": Check(look=device_certificates),
    }
)


def checks_of_move(source: str, target: str) -> Mapping[str, Check]:
    """What is looked at where keys go from token ``source`` to ``target``: the tokens, and what is left to do."""
    chosen = ("configuration", "database", "module", "token", "pin", "mechanisms")
    look = partial(moving, source=source, target=target)
    return {**{name: CHECKS[name] for name in chosen}, "moving": Check(look=look, asks_tokens=True)}


def real_surroundings() -> Surroundings:
    """This machine, now."""
    return Surroundings(
        clock=utc_now, user_id=os.geteuid(), follows_a_time_server=follows_a_time_server, free_bytes=free_bytes
    )


def examine(
    request: Request, *, surroundings: Surroundings | None = None, checks: Mapping[str, Check] = CHECKS
) -> Report:
    """Look at the installation with every check in turn. Raises nothing of what it finds."""
    around = surroundings or real_surroundings()
    examination = opened(request, around)
    if not isinstance(examination, Examination):
        lines = tuple(Line(check="configuration", finding=finding) for finding in examination)
        return Report(configuration=str(request.config), examined_at=around.clock(), lines=lines, unusable=True)
    try:
        lines = tuple(_lines(examination, checks))
    finally:
        examination.close()
    return Report(configuration=str(request.config), examined_at=around.clock(), lines=lines)


def _lines(examination: Examination, checks: Mapping[str, Check]) -> Iterator[Line]:
    stuck: str | None = None
    for name, check in checks.items():
        if stuck is not None and check.asks_tokens:
            # It would wait for the same, and as long.
            yield Line(check=name, finding=warning(f"not checked: the check {stuck} still waits", REPAIR_FIRST))
            continue
        findings = _bounded(check, examination)
        if findings is None:
            stuck = name if check.asks_tokens else stuck
            max_wait = check.max_wait(examination.settings)
            findings = (failed(f"this check did not end within {max_wait:g} seconds", NO_ANSWER),)
        yield from (Line(check=name, finding=finding) for finding in findings)


def _bounded(check: Check, examination: Examination) -> tuple[Finding, ...] | None:
    """The findings of a check; None where it does not end in time: its thread is left behind."""
    found: list[tuple[Finding, ...]] = []
    thread = threading.Thread(target=lambda: found.append(tuple(_looked(check, examination))), daemon=True)
    thread.start()
    thread.join(check.max_wait(examination.settings))
    return found[0] if found else None


def _looked(check: Check, examination: Examination) -> Iterable[Finding]:
    try:
        yield from check.look(examination)
    except Unchecked as unchecked:
        yield warning(f"not checked: {unchecked.reason}", REPAIR_FIRST)
    except Exception as error:  # noqa: BLE001  (a check that breaks is a finding, and the others go on)
        yield failed(f"this check broke with {type(error).__name__}", "report it with this line")
