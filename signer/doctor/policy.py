"""The policy: its text is the one that was applied, this release can use it, and it is not as broad as the first."""

from __future__ import annotations

from collections.abc import Iterator

from signer.administration import administration, configured_identities
from signer.doctor.examination import Examination
from signer.doctor.report import Finding, failed, ok, warning
from signer.domain.access.reading import parse_policy
from signer.errors import PolicyInvalid, PolicyMissing, PolicyTampered

FIRST = 1


def policy(examination: Examination) -> Iterator[Finding]:
    """As the module says, and that somebody could apply the next one."""
    configured, clock = configured_identities(examination.settings), examination.surroundings.clock
    services = administration(examination.usable_database(), clock, configured=configured).policies
    try:
        stored = services.show()
        parse_policy(stored.text)
    except PolicyMissing:
        yield failed(
            "there is no policy, nothing is allowed", f"artifact-signer database upgrade --config {examination.config}"
        )
        return
    except PolicyTampered as error:
        yield failed(
            f"the text of the policy's revision {error.revision} is not the one that was applied",
            "find out who changed the database; restore it from its backup, or apply a policy with --config",
        )
        return
    except PolicyInvalid as error:
        yield failed(
            f"this release cannot use the policy in force: {'; '.join(error.problems)}",
            f"artifact-signer policy apply FILE --reason REASON --config {examination.config}",
        )
        return
    if stored.revision == FIRST:
        yield warning(
            "the policy is broad: revision 1 lets every API token do with all keys what its role is called",
            "write rules for names, keys and contents (docs/access.md), and artifact-signer policy apply them",
        )
    else:
        yield ok(f"the policy is at revision {stored.revision}, applied by {stored.actor}")
    if not services.administrators():
        yield warning(
            "nobody on record could apply the next policy",
            f"artifact-signer api-tokens create NAME --config {examination.config}, and a rule for it to administer",
        )
