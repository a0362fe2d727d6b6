"""How refusals of what administers access are told."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from signer import errors
from signer.web.wording import Wording

POLICY_WORDINGS: Mapping[type[Exception], Wording] = MappingProxyType(
    {
        errors.PolicyMissing: Wording(
            status=503,
            detail="the database holds no policy, so nothing is allowed",
            hint="run artifact-signer database upgrade",
        ),
        errors.PolicyTampered: Wording(
            status=503,
            detail="the text of the policy's revision {revision} in the database is not the one that was applied",
            hint="find out who changed the database; restore it, or apply a policy with --config",
        ),
        errors.PolicyRevisionNotFound: Wording(
            status=404, detail="the policy has no revision {revision}", hint="the newest is {newest}"
        ),
        errors.PolicyChanged: Wording(
            status=409,
            detail="the policy is at revision {found}, and what was to be applied was made for {expected}",
            hint="look at what was applied meanwhile, and apply again",
        ),
        errors.PolicyUnchanged: Wording(status=409, detail="revision {revision} of the policy is this very text"),
        errors.PolicyLocksOut: Wording(
            status=409,
            detail="under this policy none of the {looked_at} identities on record could apply the next one",
            hint="let one of them administer: an API token, a user, or a certificate or pipeline that is configured "
            "and assigned to a person",
        ),
        errors.PrincipalInvalid: Wording(
            status=400,
            detail="{principal!r} is the name of no person and no identity",
            hint="write person:NAME, api-token:NAME, mtls:CA:VALUE, ci:ISSUER/ID or user:EMAIL",
        ),
        errors.PersonNameTaken: Wording(
            status=409, detail="a person named {person} is on record, names are not used twice"
        ),
        errors.PersonNotFound: Wording(
            status=404, detail="there is no person named {person}", hint="artifact-signer people list shows all"
        ),
        errors.PersonDisabled: Wording(
            status=409, detail="{person} is disabled", hint="artifact-signer people enable {person}"
        ),
        errors.GroupNameTaken: Wording(status=409, detail="a group named {group} is on record"),
        errors.GroupNotFound: Wording(
            status=404, detail="there is no group named {group}", hint="artifact-signer groups list shows all"
        ),
        errors.IdentityAssigned: Wording(
            status=409,
            detail="{identity} belongs to {person}",
            hint="artifact-signer identities unassign takes it back first",
        ),
        errors.IdentityNotAssigned: Wording(status=409, detail="{identity} belongs to nobody"),
        errors.VersionTooOld: Wording(
            status=403,
            detail="version {version} is older than {floor} ({order}), which {key} signed for {device_type} and "
            "{payload_type}",
            hint="sign a version that is not older; artifact-signer policy floor set lowers what a mistake has raised",
        ),
        errors.VersionStepTooLarge: Wording(
            status=403,
            detail="version {version} is more than {max_step} above {floor}, which {key} signed last for {device_type} "
            "and {payload_type}",
            hint="is the version right? artifact-signer policy floor set raises the floor, if it is",
        ),
        errors.VersionPlacesTooLong: Wording(
            status=422, detail="the {places} device types and payload types are too long to keep versions of with {key}"
        ),
        errors.FloorInvalid: Wording(status=400, detail="this can be no floor: {problem}"),
        errors.ReasonInvalid: Wording(
            status=400, detail="a reason is needed: one line of at most {limit} characters", hint="it is on record"
        ),
        errors.PersonFactsInvalid: Wording(
            status=400,
            detail="the {member} cannot be one",
            hint="a name to show has 1 to 200 printable characters, an address is NAME@DOMAIN of at most 254",
        ),
    }
)
