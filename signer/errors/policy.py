"""Refusals of what administers access: policies, people, groups, and the floors of versions."""

from __future__ import annotations

from dataclasses import dataclass

from signer.errors.base import SignerError


@dataclass(eq=False, kw_only=True)
class PolicyMissing(SignerError):
    """The database holds no policy: nothing is allowed. An upgrade writes the first."""

    code = "policy-missing"


@dataclass(eq=False, kw_only=True)
class PolicyTampered(SignerError):
    """The text of a policy in the database is not the one that was applied."""

    code = "policy-tampered"
    revision: int
    expected: str
    found: str


@dataclass(eq=False, kw_only=True)
class PolicyRevisionNotFound(SignerError):
    """No policy was ever applied under this number."""

    code = "policy-revision-not-found"
    revision: int
    newest: int


@dataclass(eq=False, kw_only=True)
class PolicyChanged(SignerError):
    """Another policy was applied meanwhile: what was to be applied was made for ``expected``."""

    code = "policy-changed"
    expected: int
    found: int


@dataclass(eq=False, kw_only=True)
class PolicyUnchanged(SignerError):
    """The policy is this very text already."""

    code = "policy-unchanged"
    revision: int


@dataclass(eq=False, kw_only=True)
class PolicyLocksOut(SignerError):
    """Under this policy nobody on record could apply the next one. ``looked_at``: how many identities there are."""

    code = "policy-locks-out"
    looked_at: int


@dataclass(eq=False, kw_only=True)
class PrincipalInvalid(SignerError):
    """Neither the name of a person nor of an identity."""

    code = "principal-invalid"
    principal: str


@dataclass(eq=False, kw_only=True)
class PersonNameTaken(SignerError):
    """A person of this name is on record: names are not used twice."""

    code = "person-name-taken"
    person: str


@dataclass(eq=False, kw_only=True)
class PersonNotFound(SignerError):
    """No person has this name."""

    code = "person-not-found"
    person: str


@dataclass(eq=False, kw_only=True)
class PersonDisabled(SignerError):
    """The person may be given nothing while they are disabled."""

    code = "person-disabled"
    person: str


@dataclass(eq=False, kw_only=True)
class GroupNameTaken(SignerError):
    """A group of this name is on record."""

    code = "group-name-taken"
    group: str


@dataclass(eq=False, kw_only=True)
class GroupNotFound(SignerError):
    """No group has this name."""

    code = "group-not-found"
    group: str


@dataclass(eq=False, kw_only=True)
class IdentityAssigned(SignerError):
    """The identity belongs to a person already."""

    code = "identity-assigned"
    identity: str
    person: str


@dataclass(eq=False, kw_only=True)
class IdentityNotAssigned(SignerError):
    """The identity belongs to nobody."""

    code = "identity-not-assigned"
    identity: str


@dataclass(eq=False, kw_only=True)
class ReasonInvalid(SignerError):
    """A reason that is empty, longer than ``limit`` characters, or not all of them printable."""

    code = "reason-invalid"
    limit: int


@dataclass(eq=False, kw_only=True)
class PersonFactsInvalid(SignerError):
    """A name to show, or an address, that cannot be one. ``member``: which."""

    code = "person-facts-invalid"
    member: str


@dataclass(eq=False, kw_only=True)
class VersionTooOld(SignerError):
    """The version is older than what the key signed for the device type and payload type; or in another order."""

    code = "version-too-old"
    key: str
    device_type: str
    payload_type: str
    version: str
    floor: str
    order: str


@dataclass(eq=False, kw_only=True)
class VersionStepTooLarge(SignerError):
    """The version is further above the floor than the rule lets it be."""

    code = "version-step-too-large"
    key: str
    device_type: str
    payload_type: str
    version: str
    floor: str
    max_step: int


@dataclass(eq=False, kw_only=True)
class VersionPlacesTooLong(SignerError):
    """The device types and payload types of what is to be signed do not fit beside its version on record."""

    code = "version-places-too-long"
    key: str
    places: int


@dataclass(eq=False, kw_only=True)
class FloorInvalid(SignerError):
    """What is to be a floor is none. ``problem``: what is wrong."""

    code = "floor-invalid"
    problem: str
