"""Whether the keys of the configured CI issuers can be had from this machine, now."""

from __future__ import annotations

from collections.abc import Iterator

from signer.auth.ci.key_cache import KeysUnavailable
from signer.auth.ci.key_set import KeySetRefused
from signer.ci_bootstrap import issuer_keys
from signer.doctor.examination import Examination
from signer.doctor.report import Finding, ok, warning

HINT = "reach the issuer from this machine, or correct ca_file, key_set_host or key_set_file of its table"


def ci_issuers(examination: Examination) -> Iterator[Finding]:
    """A line for each issuer, and one for each that no identity is of."""
    settings = examination.settings
    if not settings.ci_issuer:
        yield ok("no issuer of CI tokens is configured")
        return
    for issuer in settings.ci_issuer:
        try:
            keys = issuer_keys(issuer)()
        except (KeysUnavailable, KeySetRefused) as error:
            yield warning(f"the keys of the CI issuer {issuer.name} cannot be had: {error}", HINT)
        else:
            yield ok(f"the CI issuer {issuer.name} has {len(keys)} keys that tokens can be verified with")
        if all(identity.issuer != issuer.name for identity in settings.ci_identity):
            yield warning(f"no ci_identity is of the CI issuer {issuer.name}", "pin one, or take the issuer out")
