"""What an identity may be allowed to do."""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    """One kind of thing to do; the first five are done with a key."""

    SIGN = "sign"
    SIGN_BLIND = "sign-blind"  # a digest, nothing of what it stands for
    READ = "read"
    MANAGE = "manage"  # create, rotate, switch off, destroy, certify
    APPROVE = "approve"
    READ_LOG = "read-log"
    MANAGE_DEVICES = "manage-devices"
    MANAGE_USERS = "manage-users"
    ADMINISTER = "administer"  # policy, people and credentials


SIGNING_ACTIONS = frozenset({Action.SIGN, Action.SIGN_BLIND})
KEY_ACTIONS = SIGNING_ACTIONS | {Action.READ, Action.MANAGE, Action.APPROVE}
