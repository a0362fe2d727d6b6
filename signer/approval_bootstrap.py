"""Puts together what approvals need, over one database: for the service, and for commands on the machine."""

from __future__ import annotations

from dataclasses import dataclass

from signer.approval_settings import ApprovalSettings
from signer.domain.approvals import LIFETIME
from signer.services.approval_contents import ApprovalContents
from signer.services.approval_ports import ApprovalStore
from signer.services.approvals import ApprovalService
from signer.services.asking import ApprovalDesk
from signer.services.change_guard import ChangeGuard
from signer.services.policies import Policies
from signer.services.ports import Clock, LogReader
from signer.services.registered_heads import RegisteredHeadStore
from signer.storage.approval_store import SqlApprovalStore
from signer.storage.database import Database
from signer.storage.log_reader import SqlLogReader
from signer.storage.policy_store import SqlPolicyStore
from signer.storage.registered_heads import SqlRegisteredHeads
from verifier import Limits

# Of one identity at a time.
MAX_REGISTERED_HEADS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalParts:
    """What keeps proposals, what asks people, and what lets changes of guarded things wait for them.

    ``registered_heads``: what was shown before a digest names it.
    """

    store: ApprovalStore
    desk: ApprovalDesk
    guard: ChangeGuard
    registered_heads: RegisteredHeadStore
    clock: Clock


def approval_parts(database: Database, clock: Clock, settings: ApprovalSettings | None = None) -> ApprovalParts:
    """Over this database, by the policy that is in force there: a command on the machine asks people as well.

    ``settings``: of the installation; None where it has none as yet.
    """
    lifetime = LIFETIME if settings is None else settings.wait
    store = SqlApprovalStore(database=database, clock=clock, lifetime=lifetime)
    desk = ApprovalDesk(store=store, clock=clock)
    policies = Policies(store=SqlPolicyStore(database=database, clock=clock))
    return ApprovalParts(
        store=store,
        desk=desk,
        guard=ChangeGuard(policies=policies, store=store, desk=desk),
        registered_heads=SqlRegisteredHeads(database=database, most=MAX_REGISTERED_HEADS),
        clock=clock,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalServices:
    """What those who approve use."""

    approvals: ApprovalService
    contents: ApprovalContents


def approval_services(
    store: ApprovalStore, *, policies: Policies, clock: Clock, reader: LogReader, limits: Limits
) -> ApprovalServices:
    """``limits``: of the heads that are shown."""
    return ApprovalServices(
        approvals=ApprovalService(store=store, policies=policies, clock=clock),
        contents=ApprovalContents(store=store, reader=reader, limits=limits),
    )


def local_approvals(database: Database, clock: Clock) -> ApprovalServices:
    """For a command on the machine, which sees all that waits."""
    return approval_services(
        SqlApprovalStore(database=database, clock=clock),
        policies=Policies(store=SqlPolicyStore(database=database, clock=clock)),
        clock=clock,
        reader=SqlLogReader(database=database),
        limits=Limits(),
    )
