"""The configuration file and what the token layer says of it."""

from __future__ import annotations

from collections.abc import Iterator

from hsm.errors import ConfigurationError
from signer.config import load_settings
from signer.doctor.examination import Examination, Request, Surroundings
from signer.doctor.report import Finding, failed, ok
from signer.doctor.token_conditions import configured
from signer.errors import ConfigurationInvalid

HINT = "docs/operations/configuration.md describes every setting"


def opened(request: Request, surroundings: Surroundings) -> Examination | tuple[Finding, ...]:
    """The installation to look at, or why its configuration cannot be used."""
    try:
        settings = load_settings(request.config, request.environment)
    except ConfigurationInvalid as error:
        return tuple(failed(f"{error.path}: {problem}", HINT) for problem in error.problems)
    problems = []
    for token in settings.tokens:
        try:
            configured(settings, token)
        except ConfigurationError as error:
            problems.append(failed(f"{request.config}: token {token.name}: {error.setting}: {error.reason}", HINT))
    return tuple(problems) or Examination(request, settings, surroundings)


def configuration(examination: Examination) -> Iterator[Finding]:
    """The file was read and every setting is known and possible; otherwise nothing else is looked at."""
    count = len(examination.settings.tokens)
    yield ok(f"{examination.config} can be used and names {count} token{'' if count == 1 else 's'}")
